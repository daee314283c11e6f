//! Does the step do what its contract promises? The compiled binary as the runner starts it, against a fake Sofy.
//!
//! A settled run stands still for seven seconds, so that nearly all of a step's time is waiting. The claims have a
//! harness of their own, which makes many of them at a time whatever the number of cores.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a harness that breaks fails its test")]

#[path = "../../src/tests/simulation/consistency.rs"]
mod consistency;
#[expect(dead_code, reason = "the worlds of the simulation draw more")]
#[path = "../../src/tests/simulation/dice.rs"]
mod dice;
#[path = "../fake_sofy/mod.rs"]
mod fake_sofy;
#[path = "../file_command/mod.rs"]
mod file_command;
mod hostile;
mod inputs;
mod interrupted;
mod line;
#[cfg(target_os = "linux")]
mod names;
mod post_step;
mod reports;
mod step;
mod surroundings;
#[path = "../tls/mod.rs"]
mod tls;
mod trigger;
mod upload;
mod verdict;
mod weather;
mod wire;
mod worlds;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

use libtest_mimic::{Arguments, Trial};
use rustix::fs::Mode;
use rustix::process::umask;

/// All of them: waiting costs nothing, as many steps start at a time as there are cores, and the longest claim is the
/// end of all.
const AT_A_TIME: usize = 128;

/// What the tests write is here, and not in `target`: a step that root starts becomes a user who may enter no
/// checkout in root's home folder. What it does with a workspace that is closed to it is claimed by tests of its own.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = env::temp_dir().join(format!("sofy-gate-{}", uuid::Uuid::new_v4()));
    fs::create_dir(&folder).unwrap();
    folder
});

/// How many claims have begun. They begin in the order of their list.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

/// Lists claims by their paths. One that is left out is dead code, which clippy refuses.
macro_rules! claims {
    ($($(#[$only:meta])* $claim:path),* $(,)?) => {
        Vec::from([$($(#[$only])* Trial::test(stringify!($claim), || {
            step::PLACE.set(BEGUN.fetch_add(1, Ordering::SeqCst));
            $claim();
            Ok(())
        })),*])
    };
}

fn main() -> ExitCode {
    // Others may read what is written, whatever is usual here.
    umask(Mode::from_raw_mode(0o022));
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_A_TIME));
    let mut claims = claims![
        // Those whose steps take 10 s to 30 s, the longest first.
        wire::what_never_ends_is_ended_by_the_deadline,
        trigger::a_group_that_the_schedule_does_not_have_is_an_error,
        trigger::a_lost_run_of_the_public_api_is_adopted,
        upload::a_build_that_sofy_has_is_never_guessed_by_its_name,
        trigger::a_re_run_of_the_gate_job_alone_proves_nothing,
        verdict::each_row_of_the_verdict_table_holds,
        verdict::rows_that_cannot_be_told_apart_are_never_judged,
        upload::the_hash_of_an_upload_is_what_the_gate_proves,
        reports::a_runner_without_writable_files_gets_a_warning_and_the_same_verdict,
        worlds::no_world_ends_in_a_success_that_is_not_true,
        wire::a_pause_that_sofy_asks_for_is_bounded_by_the_deadline,
        surroundings::a_step_that_was_frozen_over_its_deadline_looks_once_more,
        wire::every_fault_at_the_list_of_builds_has_its_end,
        wire::no_redirect_is_followed,
        wire::every_fault_at_the_trigger_has_its_end,
        reports::the_key_is_masked_first_and_shown_nowhere,
        #[cfg(target_os = "linux")]
        surroundings::a_log_that_nobody_reads_changes_nothing,
        wire::the_largest_answers_are_bounded_in_memory,
        wire::a_proxy_may_serve_refuse_hang_or_be_passed_by,
        verdict::yesterdays_failures_never_make_todays_gate_red,
        verdict::yesterdays_passes_never_make_todays_gate_green,
        trigger::nothing_is_triggered_after_a_part_of_the_list_of_earlier_rows,
        trigger::a_refused_trigger_is_sent_again,
        wire::every_fault_at_a_look_at_the_group_has_its_end,
        upload::a_lost_answer_ends_with_the_hash_all_the_same,
        // 5 s to 10 s.
        #[cfg(target_os = "linux")]
        names::a_silent_name_server_holds_neither_signal_nor_deadline_up,
        upload::the_wrong_build_fails_the_step_whether_its_deadline_has_passed_or_not,
        wire::an_id_is_the_same_however_it_is_spelled,
        hostile::hostile_names_give_no_command_and_come_back_exactly,
        interrupted::a_hangup_that_is_ignored_at_the_start_is_ignored,
        reports::a_line_that_another_tool_left_open_is_ended_first,
        reports::an_unwritable_file_is_warned_of,
        reports::a_report_that_cannot_be_written_changes_nothing_and_is_not_called_written,
        reports::the_log_begins_with_the_version_and_ends_with_where_the_report_is,
        reports::the_key_is_nowhere_outside_github,
        trigger::a_run_of_an_earlier_step_is_judged_without_a_trigger,
        trigger::a_group_id_is_read_as_number_and_as_text,
        verdict::a_run_that_passes_is_green_and_fills_every_output,
        verdict::the_baseline_is_an_output_of_the_classic_api,
        verdict::a_failed_test_run_is_red,
        verdict::a_row_that_names_its_group_is_believed,
        post_step::a_step_that_came_to_its_end_leaves_nothing_to_do,
        upload::what_is_unclear_is_sent_again_from_the_start_of_the_file,
        upload::the_timeout_ends_it_and_says_how_far_it_was,
        wire::every_fault_at_a_look_at_the_rows_has_its_end,
        wire::every_fault_at_the_abort_has_its_end,
        wire::an_upload_that_is_never_answered_is_ended_by_the_deadline,
        wire::what_follows_an_answer_is_never_taken_for_the_next,
        wire::letters_of_another_alphabet_cost_their_names_only,
        wire::an_impostor_hears_nothing_and_is_outlived,
        wire::a_handshake_that_fails_leaves_a_trigger_certain,
        wire::an_answer_whose_end_may_be_cut_off_is_not_believed_over_tls,
        wire::while_nobody_listens_nothing_is_lost_and_nothing_happens_twice,
        surroundings::a_server_may_have_an_address_of_version_six_only,
        #[cfg(target_os = "linux")]
        names::a_flood_of_bytes_holds_neither_signal_nor_deadline_up,
        // Less.
        wire::no_proxy_hears_what_is_sent_in_clear_text,
        wire::a_setup_in_which_nothing_can_be_sent_is_named_at_once,
        hostile::hostile_messages_give_no_command,
        inputs::a_bad_input_is_named_and_nothing_is_sent,
        inputs::a_number_and_a_guid_are_shown_where_the_schedule_is_neither,
        inputs::underscores_serve_where_hyphens_cannot_be_set,
        inputs::a_variable_of_an_earlier_step_is_no_input,
        inputs::a_value_that_is_not_text_is_an_error,
        inputs::help_and_version_need_no_environment,
        inputs::what_was_ordered_is_what_is_sent,
        interrupted::a_signal_ends_the_step_with_its_reports,
        interrupted::a_second_signal_does_not_break_the_abort,
        interrupted::an_abort_that_fails_or_hangs_leaves_time_for_the_reports,
        trigger::a_detached_run_is_started_and_left_alone,
        trigger::a_bad_key_stops_at_once,
        weather::the_deadline_is_told_from_a_failure_and_aborts_our_group_alone,
        weather::nothing_is_aborted_where_that_is_switched_off,
        weather::a_sofy_that_cannot_be_reached_is_not_a_failure_of_the_tests,
        post_step::what_a_killed_step_left_is_aborted,
        post_step::the_classic_api_has_nothing_to_call_and_the_post_step_says_so,
        post_step::a_garbled_state_is_one_debug_line_and_nothing_is_done,
        post_step::a_state_of_another_schedule_aborts_nothing,
        post_step::its_name_outranks_any_argument_and_an_unknown_one_is_an_error,
        upload::each_generation_takes_a_build_and_gives_its_hash,
        upload::every_documented_error_is_final_and_says_what_to_do,
        upload::a_build_that_sofy_has_is_proven_by_its_digest,
        upload::an_answer_before_the_end_of_the_file_is_heard,
        upload::an_early_answer_ends_the_upload_whatever_becomes_of_the_connection,
        upload::a_success_without_a_hash_is_an_error,
        upload::words_that_echo_the_key_are_redacted,
        upload::a_signal_ends_it_with_its_outputs,
        upload::bad_inputs_are_said_all_at_once_and_nothing_is_sent,
        upload::the_key_is_hidden_in_the_names_of_files_too,
        upload::a_workspace_that_is_closed_to_others_is_no_obstacle,
        upload::an_app_that_is_not_signed_is_uploaded_with_a_warning,
        upload::a_search_ends_with_the_timeout,
        upload::a_large_file_takes_no_more_memory_than_a_small_one,
        wire::every_fault_at_the_look_before_the_trigger_has_its_end,
        wire::every_fault_at_an_upload_has_its_end,
        wire::every_fault_at_the_list_after_an_upload_costs_the_builds_name_only,
        wire::an_upload_outlives_a_while_in_which_nobody_listens,
        wire::no_upload_follows_a_redirect,
        wire::no_call_goes_over_the_connection_of_another,
        step::tests::file_commands_are_read_as_the_runner_reads_them,
        step::tests::commands_are_found_where_the_runner_finds_them,
        #[cfg(target_os = "linux")]
        names::an_address_that_never_answers_does_not_hide_one_that_does,
    ];
    // More than 30 s each: `cargo test --test gate -- --ignored`.
    claims.extend(
        claims![
            trigger::an_answer_to_the_trigger_that_takes_longer_than_a_poll_may_is_awaited,
            reports::a_large_run_with_both_reports_takes_little_memory,
            weather::an_outage_of_a_minute_is_outlived_with_the_true_verdict,
        ]
        .into_iter()
        .map(|claim| claim.with_ignored_flag(true)),
    );
    let conclusion = libtest_mimic::run(&arguments, claims);
    fs::remove_dir_all(&*FOLDER).ok();
    conclusion.exit_code()
}

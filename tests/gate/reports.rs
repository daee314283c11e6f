//! Do the reports arrive, and does their absence change nothing but the log?

use crate::fake_sofy::{CLASSIC, FakeSofy, PUBLIC, Pace, Row, Script, TriggerFault};
use crate::step::{Gate, KEY, each};

pub(crate) fn a_runner_without_writable_files_gets_a_warning_and_the_same_verdict() {
    each(&["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"], |&variable| {
        let fake = FakeSofy::start(Script::default());
        let missing = Gate::new(&fake).without_env(variable).run();
        let unwritable = Gate::new(&fake).env(variable, "/nowhere/at/all").run();

        for step in [missing, unwritable] {
            assert_eq!(step.status, Some(0), "{variable}:\n{}", step.stdout);
        }
        let red = Gate::new(&fake)
            .env(variable, "/nowhere/at/all")
            .input("schedule-id", "abc")
            .run();
        assert_eq!(red.status, Some(2), "{variable}:\n{}", red.stdout);
    });
}

pub(crate) fn a_line_that_another_tool_left_open_is_ended_first() {
    let fake = FakeSofy::start(Script::default());

    let step = Gate::new(&fake)
        .left("output", "other=1")
        .left("summary", "text of another tool")
        .left("state", "kept=2")
        .run();

    step.expect(0, "success");
    assert_eq!(step.output("other"), "1");
    assert!(
        step.raw_outputs.starts_with("other=1\ntest-run-group-id<<"),
        "{}",
        step.raw_outputs
    );
    assert!(
        step.summary.starts_with("text of another tool\n## "),
        "{}",
        step.summary
    );
    assert_eq!(step.state.get("kept").map(String::as_str), Some("2"));
}

pub(crate) fn an_unwritable_file_is_warned_of() {
    let fake = FakeSofy::start(Script::default());

    let step = Gate::new(&fake)
        .env("GITHUB_OUTPUT", "/nowhere/at/all")
        .run();

    assert_eq!(step.status, Some(0), "{}", step.stdout);
    assert!(
        step.annotations("warning")
            .join("\n")
            .contains("GITHUB_OUTPUT"),
        "{}",
        step.stdout
    );
}

pub(crate) fn a_report_that_cannot_be_written_changes_nothing_and_is_not_called_written() {
    each(&["Passed", "Failed"], |&ends| {
        let fake = FakeSofy::start(Script {
            rows: vec![Row::new("Log in", "Pixel 8", ends)],
            ..Script::default()
        });

        let step = Gate::new(&fake)
            .env("GITHUB_STEP_SUMMARY", "/dev/full")
            .env("GITHUB_WORKSPACE", "/proc")
            .input("json-path", "report.json")
            .input("junit-path", "report.xml")
            .run();

        let status = i32::from(ends == "Failed");
        assert_eq!(step.status, Some(status), "{ends}:\n{}", step.stdout);
        assert_eq!(
            step.output("total-count"),
            "1",
            "{ends}: the outputs are there"
        );
        let warnings = step.annotations("warning").join("\n");
        for place in ["job summary", "input json-path", "input junit-path"] {
            assert!(warnings.contains(place), "{place}: {warnings}");
        }
        assert!(!step.stdout.contains("the report is in"), "{}", step.stdout);
    });
}

pub(crate) fn a_large_run_with_both_reports_takes_little_memory() {
    const MIB: u64 = 1 << 20;
    let ampersands = "&".repeat(2_000);
    let runs = [
        (PUBLIC, 20_000, "Scenario", "Passed", 45 * MIB),
        // The public API would need more than the 16 MiB that an answer may have.
        (CLASSIC, 99_999, "S", "Failed", 200 * MIB),
        (PUBLIC, 4_105, ampersands.as_str(), "Failed", 200 * MIB),
    ];
    each(&runs, |&(schedule, count, name, ends, most)| {
        let row = |n| Row::new(&format!("{name} {n}"), &format!("Pixel {}", n % 20), ends);
        let fake = FakeSofy::start(Script {
            rows: (0..count).map(row).collect(),
            rows_are_short: true,
            pace: Pace::Looks {
                queued: 0,
                running: 0,
            },
            ..Script::default()
        });

        let step = Gate::new(&fake)
            .input("schedule-id", schedule)
            .input("poll-interval", "4s")
            .input("timeout", "120s")
            .input("junit-path", "report.xml")
            .input("json-path", "report.json")
            .run();

        assert_eq!(step.count("total"), count, "{}", step.output("reason"));
        assert!(
            step.stdout.contains("report.json, report.xml"),
            "{count}: both are written"
        );
        assert!(step.summary.len() <= 1 << 20, "{count}");
        let peak = step.peak_memory / MIB;
        assert!(step.peak_memory <= most, "{count}: {peak} MiB");
    });
}

pub(crate) fn the_log_begins_with_the_version_and_ends_with_where_the_report_is() {
    let fake = FakeSofy::start(Script::default());

    let step = Gate::new(&fake).input("json-path", "a/report.json").run();

    step.expect(0, "success");
    let version = concat!("sofy | sofy-schedule-run ", env!("CARGO_PKG_VERSION"));
    let first = step.stdout.lines().find(|line| !line.starts_with("::"));
    assert_eq!(first, Some(version), "{}", step.stdout);
    assert!(
        step.stdout
            .trim_end()
            .ends_with("the report is in the job summary, a/report.json"),
        "{}",
        step.stdout
    );
}

pub(crate) fn the_key_is_masked_first_and_shown_nowhere() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        for trigger in [TriggerFault::None, TriggerFault::EchoedKey] {
            let fake = FakeSofy::start(Script {
                rows: vec![
                    Row::new(&format!("Log in with {KEY}"), KEY, "Failed"),
                    Row::new("Search", "Pixel 8", KEY),
                ],
                trigger,
                ..Script::default()
            });

            let step = Gate::new(&fake)
                .input("schedule-id", schedule)
                .input("timeout", "15s")
                .run();

            // A status that is not known to be final is waited for until the timeout.
            assert!(matches!(step.status, Some(2 | 3)), "{step:#?}");
            assert_eq!(
                step.stdout.lines().next(),
                Some(format!("::add-mask::{KEY}").as_str())
            );
            assert!(
                !step.shown().contains(KEY),
                "{schedule}, {trigger:?}:\n{}",
                step.shown()
            );
        }
    });
}

pub(crate) fn the_key_is_nowhere_outside_github() {
    let fake = FakeSofy::start(Script::default());

    let step = Gate::new(&fake).without_env("GITHUB_ACTIONS").run();

    step.expect(0, "success");
    assert!(!step.stdout.contains(KEY), "{}", step.stdout);
    assert!(!step.shown().contains(KEY));
}

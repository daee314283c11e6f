//! Is a run started at most once, and found again, left alone or picked up as asked?

use std::thread;
use std::time::Duration;

use crate::fake_sofy::{CLASSIC, FakeSofy, PUBLIC, Pace, Script, TriggerFault, YESTERDAY};
use crate::line::{Call, Line, Plan, asked};
use crate::step::{Gate, each};

fn faulty(trigger: TriggerFault) -> FakeSofy {
    FakeSofy::start(Script {
        trigger,
        ..Script::default()
    })
}

pub(crate) fn a_detached_run_is_started_and_left_alone() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script {
            pace: Pace::Never,
            ..Script::default()
        });

        let step = Gate::new(&fake)
            .input("schedule-id", schedule)
            .input("wait", "false")
            .run();

        step.expect(0, "detached");
        assert_eq!(step.output("test-run-group-id"), "70001");
        if schedule == CLASSIC {
            assert_eq!(step.output("results-after"), YESTERDAY);
        }
        assert_eq!((fake.triggers(), fake.aborts().len()), (1, 0));
    });
}

pub(crate) fn a_run_of_an_earlier_step_is_judged_without_a_trigger() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script::default());
        let detached = Gate::new(&fake)
            .input("schedule-id", schedule)
            .input("wait", "false")
            .run();

        let mut gate = Gate::new(&fake)
            .input("schedule-id", schedule)
            .input("test-run-group-id", detached.output("test-run-group-id"));
        if schedule == CLASSIC {
            gate = gate.input("results-after", detached.output("results-after"));
        }
        let step = gate.run();

        step.expect(0, "success");
        assert_eq!(step.count("total"), 3);
        assert_eq!(step.output("test-run-group-id"), "70001");
        assert_eq!(fake.triggers(), 1);
    });
}

pub(crate) fn a_group_that_the_schedule_does_not_have_is_an_error() {
    let fake = FakeSofy::start(Script::default());

    let step = Gate::new(&fake)
        .input("schedule-id", PUBLIC)
        .input("test-run-group-id", "123")
        .run();

    step.expect(2, "error");
    assert_eq!((fake.triggers(), fake.aborts().len()), (0, 0));
}

pub(crate) fn a_group_id_is_read_as_number_and_as_text() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script {
            id_as_text: true,
            ..Script::default()
        });

        let step = Gate::new(&fake).input("schedule-id", schedule).run();

        step.expect(0, "success");
        assert_eq!(step.output("test-run-group-id"), "70001");
    });
}

pub(crate) fn nothing_is_triggered_after_a_part_of_the_list_of_earlier_rows() {
    let part = asked(|talk| {
        let (head, body) = talk.answer()?;
        talk.say(format!("{head}Age: 60\r\n\r\n{body}"))
    });
    each(&[1, u32::MAX], |&times| {
        let fake = FakeSofy::start(Script::default());
        let plan = Plan {
            times,
            ..Plan::once(Call::Baseline, part.clone())
        };
        let line = Line::start(&fake, plan);

        let step = Gate::new(&fake)
            .input("api-url", &line.url())
            .input("timeout", if times == 1 { "1m" } else { "3s" })
            .run();

        if times == 1 {
            step.expect(0, "success");
            assert_eq!(fake.triggers(), 1);
        } else {
            step.expect(2, "error");
            assert_eq!(fake.triggers(), 0);
            let said = "not the whole list of test runs at this time";
            assert!(step.output("reason").contains(said), "{step:#?}");
        }
    });
}

pub(crate) fn a_lost_run_of_the_public_api_is_adopted() {
    each(
        &[TriggerFault::LostAnswer, TriggerFault::ErrorAfterTheFact],
        |&fault| {
            let fake = faulty(fault);

            let step = Gate::new(&fake).input("schedule-id", PUBLIC).run();

            step.expect(0, "success");
            assert_eq!(fake.triggers(), 1, "{fault:?}");
            assert_eq!(step.output("test-run-group-id"), "70001", "{fault:?}");
        },
    );
}

pub(crate) fn a_refused_trigger_is_sent_again() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = faulty(TriggerFault::Refused(1));

        let step = Gate::new(&fake).input("schedule-id", schedule).run();

        step.expect(0, "success");
        assert_eq!((fake.triggers(), fake.runs()), (2, 1), "{schedule}");
    });
}

pub(crate) fn a_bad_key_stops_at_once() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script {
            bad_key: true,
            ..Script::default()
        });

        let step = Gate::new(&fake).input("schedule-id", schedule).run();

        step.expect(2, "error");
        assert_eq!(fake.requests().len(), 1, "{schedule}: asked once");
        assert_eq!(fake.runs(), 0);
        assert!(
            step.annotations("error").join("\n").contains("api-key"),
            "{schedule}: {}",
            step.stdout
        );
    });
}

pub(crate) fn a_re_run_of_the_gate_job_alone_proves_nothing() {
    // The run has ended, and after it another pull request's execution passed.
    each(&[("1", 0, "success"), ("2", 1, "failure")], |attempt| {
        let (attempt, status, conclusion) = *attempt;
        let fake = FakeSofy::start(Script {
            pace: Pace::Looks {
                queued: 0,
                running: 0,
            },
            ..Script::default()
        });
        let detached = Gate::new(&fake)
            .input("wait", "false")
            .env("GITHUB_RUN_ATTEMPT", "1")
            .run();
        if attempt == "2" {
            fake.start_run(CLASSIC);
        }

        let step = Gate::new(&fake)
            .input("test-run-group-id", detached.output("test-run-group-id"))
            .input("results-after", detached.output("results-after"))
            .env("GITHUB_RUN_ATTEMPT", attempt)
            .run();

        step.expect(status, conclusion);
        let reason = step.output("reason");
        assert_eq!(reason.contains("attempt"), status == 1, "{reason}");
        assert_eq!(step.count("passed") == 0, status == 1);
    });
}

pub(crate) fn an_answer_to_the_trigger_that_takes_longer_than_a_poll_may_is_awaited() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script::default());
        let late = asked(|talk| {
            let (head, body) = talk.answer()?;
            thread::sleep(Duration::from_secs(31));
            talk.say(format!("{head}\r\n{body}"))
        });
        let line = Line::start(&fake, Plan::once(Call::Trigger, late));

        let step = Gate::new(&fake)
            .input("api-url", &line.url())
            .input("schedule-id", schedule)
            .input("timeout", "2m")
            .run();

        step.expect(0, "success");
        assert_eq!(step.output("test-run-group-id"), "70001", "{schedule}");
        assert_eq!(fake.triggers(), 1, "{schedule}");
        // Had it given up, the group would be adopted, on the public API.
        assert!(!step.stdout.contains("was lost"), "{}", step.stdout);
        assert!(
            step.stdout.contains("still waiting"),
            "after 30 s the log says so: {}",
            step.stdout
        );
        let seconds = step.output("duration-seconds").parse::<u64>().unwrap();
        assert!(seconds >= 31, "from the trigger: {seconds}");
    });
}

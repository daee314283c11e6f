//! Does a cancelled step still report, and free the devices that are ours?

use std::time::{Duration, Instant};

use crate::fake_sofy::{AbortAnswer, CLASSIC, FakeSofy, PUBLIC, Pace, Script};
use crate::step::{Gate, Started, each};

/// What the runner waits after the first signal before it insists.
const GRACE: Duration = Duration::from_millis(7_500);

/// Starts the step and waits until it has seen its test runs.
fn watching(fake: &FakeSofy, schedule: &str) -> Started {
    let step = Gate::new(fake).input("schedule-id", schedule).start();
    step.wait_until(|log| log.contains("0 of 3 test runs done"));
    step
}

pub(crate) fn a_signal_ends_the_step_with_its_reports() {
    let cases = [
        (CLASSIC, "INT"),
        (CLASSIC, "TERM"),
        (PUBLIC, "INT"),
        (PUBLIC, "TERM"),
        (PUBLIC, "HUP"),
    ];
    each(&cases, |&(schedule, signal)| {
        let fake = FakeSofy::start(Script {
            pace: Pace::Never,
            ..Script::default()
        });
        let step = watching(&fake, schedule);

        let since = Instant::now();
        step.signal(signal);
        let step = step.end();

        let took = since.elapsed();
        step.expect(130, "cancelled");
        assert!(took < GRACE, "{schedule}, {signal}: {took:?}");
        assert_eq!(step.output("test-run-group-id"), "70001");
        assert_eq!(step.count("total"), 3);
        assert!(!step.summary.is_empty());
        let aborts: &[&str] = if schedule == PUBLIC {
            &["testRunGroupId=70001"]
        } else {
            &[]
        };
        assert_eq!(fake.aborts(), aborts, "{schedule}, {signal}");
    });
}

pub(crate) fn a_second_signal_does_not_break_the_abort() {
    let fake = FakeSofy::start(Script {
        pace: Pace::Never,
        abort_delay: Duration::from_secs(1),
        ..Script::default()
    });
    let step = watching(&fake, PUBLIC);

    step.signal("INT");
    step.wait_until(|_| !fake.aborts().is_empty());
    step.signal("TERM");
    let step = step.end();

    step.expect(130, "cancelled");
    assert_eq!(fake.aborts(), ["testRunGroupId=70001"]);
    assert!(step.summary.contains("abort"), "{}", step.summary);
}

pub(crate) fn an_abort_that_fails_or_hangs_leaves_time_for_the_reports() {
    let cases = [
        (AbortAnswer::ServerError, 0),
        (AbortAnswer::NothingToAbort, 0),
        (AbortAnswer::Aborted, 20),
    ];
    each(&cases, |&(abort, delay)| {
        let fake = FakeSofy::start(Script {
            pace: Pace::Never,
            abort,
            abort_delay: Duration::from_secs(delay),
            ..Script::default()
        });
        let step = watching(&fake, PUBLIC);

        let since = Instant::now();
        step.signal("INT");
        let step = step.end();

        step.expect(130, "cancelled");
        assert!(since.elapsed() < GRACE, "{abort:?}: {:?}", since.elapsed());
        assert!(
            fake.aborts()
                .iter()
                .all(|query| query == "testRunGroupId=70001")
        );
    });
}

pub(crate) fn a_hangup_that_is_ignored_at_the_start_is_ignored() {
    let fake = FakeSofy::start(Script::default());
    let step = Gate::new(&fake).start_after("trap '' HUP");
    step.wait_until(|log| log.contains("triggered schedule"));

    step.signal("HUP");

    step.end().expect(0, "success");
}

//! Is the step green exactly where every test passed?

use crate::fake_sofy::{CLASSIC, FakeSofy, Listing, PUBLIC, Pace, Row, Script, YESTERDAY};
use crate::step::{Gate, Step, each};

const COUNTS: [&str; 6] = [
    "passed",
    "failed",
    "incomplete",
    "not-executed",
    "stopped",
    "other",
];
const OUTPUTS: [&str; 14] = [
    "test-run-group-id",
    "conclusion",
    "reason",
    "group-status",
    "total-count",
    "passed-count",
    "failed-count",
    "incomplete-count",
    "not-executed-count",
    "stopped-count",
    "other-count",
    "duration-seconds",
    "results-json",
    "results-truncated",
];

fn rows(statuses: &[&str]) -> Vec<Row> {
    let row = |(i, status): (usize, &&str)| Row::new(&format!("Scenario {i}"), "Pixel 8", status);
    statuses.iter().enumerate().map(row).collect()
}

#[track_caller]
fn assert_counts_add_up(step: &Step) {
    let sum: u64 = COUNTS.iter().map(|name| step.count(name)).sum();
    assert_eq!(step.count("total"), sum);
    assert_eq!(step.results().len() as u64, sum);
}

pub(crate) fn a_run_that_passes_is_green_and_fills_every_output() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script::default());

        let step = Gate::new(&fake).input("schedule-id", schedule).run();

        step.expect(0, "success");
        for name in OUTPUTS {
            assert!(
                !step.output(name).is_empty(),
                "{schedule}: {name} is empty: {:#?}",
                step.outputs
            );
        }
        assert_eq!((step.count("total"), step.count("passed")), (3, 3));
        assert_eq!(step.output("group-status"), "Complete");
        assert_counts_add_up(&step);
        assert!(step.summary.contains("Check out"), "{}", step.summary);
        assert_eq!(fake.triggers(), 1);
    });
}

pub(crate) fn the_baseline_is_an_output_of_the_classic_api() {
    let fake = FakeSofy::start(Script::default());

    let step = Gate::new(&fake).run();

    step.expect(0, "success");
    assert_eq!(step.output("results-after"), YESTERDAY);
}

pub(crate) fn a_failed_test_run_is_red() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let statuses = [
            "Passed",
            "Failed",
            "Incomplete",
            "Not Executed",
            "Stopped",
            "Passed",
        ];
        let fake = FakeSofy::start(Script {
            rows: rows(&statuses),
            ..Script::default()
        });

        let step = Gate::new(&fake).input("schedule-id", schedule).run();

        step.expect(1, "failure");
        assert_eq!(
            COUNTS.map(|name| step.count(name)),
            [2, 1, 1, 1, 1, 0],
            "{schedule}"
        );
        assert_counts_add_up(&step);
    });
}

/// Statuses, the group's status, `fail-on`, the exit status and why.
type Case = (
    &'static [&'static str],
    Option<&'static str>,
    &'static str,
    i32,
    &'static str,
);

pub(crate) fn each_row_of_the_verdict_table_holds() {
    let cases: &[Case] = &[
        (
            &["Passed", "Not Executed"],
            None,
            "failed",
            0,
            "tolerated, and one passed",
        ),
        (
            &["Not Executed", "Not Executed"],
            None,
            "failed",
            1,
            "tolerated, but nothing passed",
        ),
        (
            &["Passed", "Exploded"],
            Some("Complete"),
            "failed",
            3,
            "an unknown status, waited for until the timeout",
        ),
        (
            &["Passed", "Passed"],
            Some("Complete with errors"),
            "failed",
            1,
            "errors that no row shows",
        ),
        (&[], Some("Complete"), "failed", 1, "no test runs"),
    ];
    each(cases, |(statuses, group, fail_on, status, why)| {
        each(&[CLASSIC, PUBLIC], |&schedule| {
            let fake = FakeSofy::start(Script {
                rows: rows(statuses),
                yesterday: Vec::new(),
                group_ends: group.map(str::to_owned),
                pace: Pace::Looks {
                    queued: 0,
                    running: 0,
                },
                ..Script::default()
            });

            let step = Gate::new(&fake)
                .input("schedule-id", schedule)
                .input("fail-on", fail_on)
                .input("timeout", if *status == 3 { "15s" } else { "30s" })
                .run();

            assert_eq!(
                step.status,
                Some(*status),
                "{schedule}, {why}:\n{}",
                step.stdout
            );
            let conclusion = match status {
                0 => "success",
                3 => "timed_out",
                _ => "failure",
            };
            step.expect(*status, conclusion);
            if *status == 0 {
                assert!(
                    !step.annotations("warning").is_empty(),
                    "{why}: no warning in\n{}",
                    step.stdout
                );
            }
        });
    });
}

const LISTINGS: [Listing; 5] = [
    Listing::NewestOnly,
    Listing::All,
    Listing::Lagging(1),
    Listing::Lagging(4),
    Listing::SameScheduledAt,
];

pub(crate) fn yesterdays_passes_never_make_todays_gate_green() {
    each(&LISTINGS, |&listing| {
        let fake = FakeSofy::start(Script {
            yesterday: rows(&["Passed", "Passed"]),
            rows: rows(&["Passed", "Failed"]),
            listing,
            ..Script::default()
        });

        let step = Gate::new(&fake).run();

        assert_eq!(step.status, Some(1), "{listing:?}:\n{}", step.stdout);
        assert_eq!(
            (step.count("total"), step.count("failed")),
            (2, 1),
            "{listing:?}"
        );
    });
}

pub(crate) fn yesterdays_failures_never_make_todays_gate_red() {
    each(&LISTINGS, |&listing| {
        let fake = FakeSofy::start(Script {
            yesterday: rows(&["Failed", "Passed", "Failed"]),
            rows: rows(&["Passed", "Passed"]),
            listing,
            ..Script::default()
        });

        let step = Gate::new(&fake).run();

        assert_eq!(step.status, Some(0), "{listing:?}:\n{}", step.stdout);
        assert_eq!(
            (step.count("total"), step.count("passed")),
            (2, 2),
            "{listing:?}"
        );
    });
}

pub(crate) fn a_row_that_names_its_group_is_believed() {
    let fake = FakeSofy::start(Script {
        yesterday: rows(&["Failed"]),
        listing: Listing::All,
        rows_name_group: true,
        ..Script::default()
    });

    let step = Gate::new(&fake).run();

    step.expect(0, "success");
    assert_eq!(step.count("total"), 3);
}

pub(crate) fn rows_that_cannot_be_told_apart_are_never_judged() {
    let fake = FakeSofy::start(Script {
        listing: Listing::SameScheduledAt,
        pace: Pace::Looks {
            queued: 0,
            running: 0,
        },
        ..Script::default()
    });

    let step = Gate::new(&fake).run();

    step.expect(1, "failure");
    assert_eq!(step.count("passed"), 0);
}

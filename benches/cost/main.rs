//! Does the cost of a look and of a report grow in step with the rows?
//!
//! `cargo bench --bench cost` makes answers of Sofy's from a hundred to a hundred thousand rows, and times
//! each step from their text to the reports. Where cost grows in step with the rows, the time a row
//! stays the same. The steps below are the one place that knows the crate's modules.

#![expect(
    dead_code,
    unused_imports,
    reason = "the modules serve the action, and their tests have no harness here"
)]
#![expect(clippy::print_stdout, reason = "a table is what a bench is for")]

mod frame;

// The whole crate, since it has no library: what decides needs what it decides about.
#[path = "../../src/abort.rs"]
mod abort;
#[path = "../../src/action.rs"]
mod action;
#[path = "../../src/attribution.rs"]
mod attribution;
#[path = "../../src/digests.rs"]
mod digests;
#[path = "../../src/estimate.rs"]
mod estimate;
#[path = "../../src/fixtures.rs"]
mod fixtures;
#[path = "../../src/github/mod.rs"]
mod github;
#[path = "../../src/inputs/mod.rs"]
mod inputs;
#[path = "../../src/limits.rs"]
mod limits;
#[path = "../../src/pace.rs"]
mod pace;
#[path = "../../src/previous.rs"]
mod previous;
#[path = "../../src/provenance.rs"]
mod provenance;
#[path = "../../src/publish.rs"]
mod publish;
#[path = "../../src/report/mod.rs"]
mod report;
#[path = "../../src/secret.rs"]
mod secret;
#[path = "../../src/settle.rs"]
mod settle;
#[path = "../../src/sofy/mod.rs"]
mod sofy;
#[path = "../../src/test_run.rs"]
mod test_run;
#[path = "../../src/text.rs"]
mod text;
#[path = "../../src/transfer.rs"]
mod transfer;
#[path = "../../src/trigger.rs"]
mod trigger;
#[path = "../../src/upload.rs"]
mod upload;
#[path = "../../src/verdict.rs"]
mod verdict;
#[path = "../../src/watch.rs"]
mod watch;

use std::time::Duration;

use attribution::{Attribution, Row};
use estimate::Estimate;
use frame::{Step, timed};
use report::{Report, junit, outputs, summary};
use settle::{History, Taken};
use sofy::{Generation, wire};
use test_run::{Group, GroupStatus, ScheduledAt, Snapshot, TestRun, TestStatus};
use verdict::{Ending, Observation, Policy};

const YESTERDAY: &str = "2022-10-07T20:39:26.02";
const TODAY: &str = "2022-10-08T09:00:00";

const STEPS: [(&str, Step); 8] = [
    ("parse", |count| {
        let answer = frame::answer(count, TODAY);
        Box::new(move || timed(|| parse(&answer)))
    }),
    ("attribute", |count| {
        let earlier = rows(count, YESTERDAY);
        let listed = [rows(count, YESTERDAY), rows(count, TODAY)].concat();
        Box::new(move || {
            let mut attribution = Attribution::since("77".to_owned(), &earlier);
            let listed = listed.clone();
            timed(|| attribution.attribute(&Group::parse("Running"), listed))
        })
    }),
    ("settle", |count| {
        let mut history = History::new(Generation::Public);
        let seen = observation(count).snapshot;
        let mut at = Duration::ZERO;
        Box::new(move || {
            at += Duration::from_secs(4);
            let taken = Taken {
                began: at,
                ended: at,
            };
            let seen = seen.clone();
            timed(|| seen.map(|seen| history.take(seen, taken)))
        })
    }),
    ("estimate", |count| {
        let test_runs = test_runs(count);
        let mut estimate = Estimate::default();
        let mut at = Duration::ZERO;
        Box::new(move || {
            at += Duration::from_secs(15);
            timed(|| estimate.take(at, &GroupStatus::Running, &test_runs))
        })
    }),
    ("judge", |count| {
        let seen = observation(count);
        let policy = policy();
        Box::new(move || timed(|| verdict::judge(&seen, &policy)))
    }),
    ("render the summary", |count| {
        let report = report(count);
        Box::new(move || timed(|| summary::render(&report)))
    }),
    ("render the outputs", |count| {
        let report = report(count);
        Box::new(move || timed(|| (outputs::pairs(&report), outputs::json(&report))))
    }),
    ("render JUnit XML", |count| {
        let report = report(count);
        Box::new(move || timed(|| junit::render(&report)))
    }),
];

fn main() {
    frame::print(&STEPS);
}

/// Reads an answer as `sofy/` does, whose own row is private to it.
fn parse(answer: &str) -> Vec<WireTestRun> {
    wire::list(answer).unwrap_or_default()
}

#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WireTestRun {
    #[serde(deserialize_with = "wire::text")]
    test_run_group_id: String,
    #[serde(deserialize_with = "wire::text")]
    scenario_name: String,
    #[serde(deserialize_with = "wire::text")]
    scheduled_at: String,
    #[serde(deserialize_with = "wire::text")]
    build: String,
    #[serde(deserialize_with = "wire::text")]
    device: String,
    #[serde(deserialize_with = "wire::text")]
    status: String,
}

fn rows(count: usize, scheduled_at: &str) -> Vec<Row> {
    parse(&frame::answer(count, scheduled_at))
        .into_iter()
        .map(|wire| Row {
            group_id: wire::group_name(wire.test_run_group_id),
            test_run: TestRun {
                scenario: wire.scenario_name,
                device: wire.device,
                build: wire.build,
                status: TestStatus::parse(&wire.status),
                scheduled_at: ScheduledAt::parse(&wire.scheduled_at),
            },
        })
        .collect()
}

fn test_runs(count: usize) -> Vec<TestRun> {
    rows(count, TODAY)
        .into_iter()
        .map(|row| row.test_run)
        .collect()
}

fn observation(count: usize) -> Observation {
    Observation {
        snapshot: Some(Snapshot {
            schedule_name: "Nightly".to_owned(),
            group: Group::parse("Complete"),
            test_runs: test_runs(count),
            ambiguous: None,
            late: Vec::new(),
        }),
        lost: Vec::new(),
        retried: Vec::new(),
        provenance: None,
        origin: trigger::Origin::Named,
        ending: Ending::Settled,
    }
}

fn policy() -> Policy {
    Policy {
        tolerated: [
            TestStatus::Incomplete,
            TestStatus::NotExecuted,
            TestStatus::Stopped,
        ]
        .into(),
    }
}

fn report(count: usize) -> Report {
    Report {
        test_runs: test_runs(count),
        ..Report::of(verdict::judge(&observation(count), &policy()))
    }
}

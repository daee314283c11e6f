//! Does the cost of a poll and of a report grow in step with the rows?
//!
//! `cargo bench --bench cost` makes answers of Sofy's from a hundred to a hundred thousand rows, and times
//! each step from their text to the reports. Where cost grows in step with the rows, the time a row
//! stays the same. The steps below are the one place that knows the crate's modules.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::frame::{self, Step, timed};
use crate::gate::attribution::Run;
use crate::gate::pace::Pace;
use crate::gate::settle::{History, PollTime};
use crate::gate::verdict::{self, Ending, Observation};
use crate::model::group_id::GroupId;
use crate::model::report::Report;
use crate::model::schedule::Origin;
use crate::model::test_run::{
    Completeness, Group, GroupStatus, Row, Snapshot, TestRun, TestStatus,
};
use crate::model::verdict::Policy;
use crate::report::{junit, outputs, summary};
use crate::secret::ApiKey;
use crate::sofy::{Answer, Baseline, Public, public_rows};
const YESTERDAY: &str = "2022-10-07T20:39:26.02";
const TODAY: &str = "2022-10-08T09:00:00";

const STEPS: [(&str, Step); 8] = [
    ("parse", |count| {
        let answer = frame::answer(count, TODAY);
        Box::new(move || timed(|| parse(&answer)))
    }),
    ("attribute", |count| {
        let earlier = Baseline::Rows(rows(count, YESTERDAY));
        let listed = [rows(count, YESTERDAY), rows(count, TODAY)].concat();
        Box::new(move || {
            let run = GroupId::parse("77")
                .map(|id| Run::triggered(id, Origin::Triggered, Some(&earlier)));
            let listed = listed.clone();
            timed(|| run.map(|mut this| this.attribute(Some(&Group::parse("Running")), listed)))
        })
    }),
    ("settle", |count| {
        let mut history = History::of::<Public>();
        let seen = observation(count).snapshot;
        let mut at = Duration::ZERO;
        Box::new(move || {
            at += Duration::from_secs(4);
            let when = PollTime {
                started: at,
                finished: at,
                silence: Duration::ZERO,
            };
            let seen = seen.clone();
            timed(|| seen.map(|seen| history.observe(seen, when)))
        })
    }),
    ("pace", |count| {
        let test_runs = test_runs(count);
        let mut pace = Pace::default();
        let mut at = Duration::ZERO;
        Box::new(move || {
            at += Duration::from_secs(15);
            timed(|| pace.observe(at, &GroupStatus::Running, &test_runs))
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
        Box::new(move || {
            timed(|| {
                let mut json = Vec::new();
                (
                    outputs::pairs(&report),
                    outputs::write_json(&report, &mut json),
                    json,
                )
            })
        })
    }),
    ("render JUnit XML", |count| {
        let report = report(count);
        Box::new(move || {
            timed(|| {
                let mut xml = Vec::new();
                (junit::write(&report, &mut xml), xml)
            })
        })
    }),
];

/// Times each step from the text of an answer to the reports.
pub fn cost() {
    frame::print(&STEPS);
}

/// Reads an answer as the program does.
fn parse(answer: &str) -> Vec<Row> {
    let key = ApiKey::new("secret-key".to_owned());
    let mut whole = Answer::new("GET /x", &key, StatusCode::OK, &HeaderMap::new());
    answer.clone_into(&mut whole.body);
    let rows = public_rows(&whole);
    rows.map(|rows| rows.list).unwrap_or_default()
}

fn rows(count: usize, scheduled_at: &str) -> Vec<Row> {
    parse(&frame::answer(count, scheduled_at))
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
            completeness: Completeness::default(),
        }),
        lost: Vec::new(),
        retried: Vec::new(),
        queued: None,
        build_check: None,
        origin: Origin::Triggered,
        still_running: false,
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

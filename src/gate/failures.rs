//! Which failures were seen and are no longer listed? A failure that was seen stays one, with one exception.
//!
//! The exception is a retry of Sofy's own: the same row is seen `Running` again and then `Passed`. It counts only
//! if rows are listed by group, before the group was terminal, and in a slot (scenario, device, time) that never
//! held more than one row; otherwise the row may be another test run's. Pure: takes the polls in turn.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::repeat_n;

use crate::model::test_run::{Slot, Snapshot, TestRun, TestStatus};
use crate::sofy::SofyApi;

/// A test run that was seen as not passed, or that has disappeared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenFailure {
    pub(crate) scenario: String,
    pub(crate) device: String,
    /// None if it was only seen unfinished or passed.
    pub(crate) status: Option<TestStatus>,
}

/// What the polls have shown and the latest list has to account for.
#[derive(Debug, Default)]
pub(crate) struct SeenFailures {
    /// Whether a row seen `Running` again is a retry of Sofy's own.
    trusts_retries: bool,
    /// The most rows that one poll showed of a scenario on a device: times change when a test run starts.
    most_rows: BTreeMap<(String, String), usize>,
    /// Slots that held more than one row in some poll.
    shared: BTreeSet<Slot<'static>>,
    /// Final statuses other than `Passed`, each with the most rows that one poll showed of it.
    failures: BTreeMap<Slot<'static>, BTreeMap<TestStatus, usize>>,
    /// Slots of failures whose row was seen `Running` again and has not failed since.
    retried: BTreeSet<Slot<'static>>,
}

impl SeenFailures {
    /// Has seen nothing yet.
    pub(crate) fn of<A: SofyApi>() -> Self {
        Self {
            trusts_retries: A::LISTS_BY_GROUP,
            ..Self::default()
        }
    }

    /// Tells whether any test run of this run was ever listed.
    pub(crate) fn have_shown_test_runs(&self) -> bool {
        !self.most_rows.is_empty()
    }

    /// Remembers what a poll shows.
    pub(crate) fn observe(&mut self, snapshot: &Snapshot) {
        self.trusts_retries &= !snapshot.group.is_terminal();
        for ((scenario, device), rows) in by_place(&snapshot.test_runs) {
            let place = (scenario.to_owned(), device.to_owned());
            let most = self.most_rows.entry(place).or_default();
            *most = rows.max(*most);
        }
        for (slot, statuses) in by_slot(&snapshot.test_runs) {
            if !matches!(statuses[..], [TestStatus::Passed]) {
                self.observe_slot(slot.into_owned(), &statuses);
            }
        }
    }

    fn observe_slot(&mut self, slot: Slot<'static>, statuses: &[&TestStatus]) {
        let runs_again = self.trusts_retries
            && statuses == [&TestStatus::Running]
            && self.failures.contains_key(&slot);
        if runs_again {
            self.retried.insert(slot.clone());
        }
        if statuses.len() > 1 {
            self.shared.insert(slot.clone());
        }
        for status in statuses.iter().filter(|status| is_failure(status)) {
            self.retried.remove(&slot);
            let now = statuses.iter().filter(|other| *other == status).count();
            let failures = self.failures.entry(slot.clone()).or_default();
            let most = failures.entry((*status).clone()).or_default();
            *most = now.max(*most);
        }
    }

    /// Lists the failures that the latest list no longer shows; if there are none, what it has lost besides.
    pub(crate) fn lost(&self, latest: &[TestRun]) -> Vec<SeenFailure> {
        let now = by_slot(latest);
        let mut lost = Vec::new();
        for (slot, failures) in &self.failures {
            let statuses = now.get(slot).map_or(&[][..], Vec::as_slice);
            if self.is_excused(slot, statuses) {
                continue;
            }
            for (status, most) in failures {
                let now = statuses.iter().filter(|now| **now == status).count();
                let gone = most.saturating_sub(now);
                lost.extend(repeat_n(failure(slot, status), gone));
            }
        }
        if lost.is_empty() {
            lost.extend(self.missing(latest));
        }
        lost
    }

    /// Lists the failures that Sofy itself ran again, and that passed then.
    pub(crate) fn retried(&self, latest: &[TestRun]) -> Vec<SeenFailure> {
        let now = by_slot(latest);
        let is_excused =
            |slot: &Slot<'_>| now.get(slot).is_some_and(|now| self.is_excused(slot, now));
        self.failures
            .iter()
            .filter(|(slot, _)| is_excused(slot))
            .filter_map(|(slot, failures)| Some(failure(slot, failures.keys().next()?)))
            .collect()
    }

    /// Lists the test runs of which the list shows fewer than a poll before.
    pub(crate) fn missing(&self, latest: &[TestRun]) -> impl Iterator<Item = SeenFailure> {
        let now = by_place(latest);
        let is_missing = move |scenario: &str, device: &str, most| {
            now.get(&(scenario, device)).is_none_or(|now| *now < most)
        };
        self.most_rows
            .iter()
            .filter(move |((scenario, device), most)| is_missing(scenario, device, **most))
            .map(|((scenario, device), _)| SeenFailure {
                scenario: scenario.clone(),
                device: device.clone(),
                status: None,
            })
    }

    fn is_excused(&self, slot: &Slot<'_>, now: &[&TestStatus]) -> bool {
        now == [&TestStatus::Passed] && self.retried.contains(slot) && !self.shared.contains(slot)
    }
}

fn is_failure(status: &TestStatus) -> bool {
    status.is_final() && *status != TestStatus::Passed
}

fn failure(slot: &Slot<'_>, status: &TestStatus) -> SeenFailure {
    SeenFailure {
        scenario: slot.scenario.to_string(),
        device: slot.device.to_string(),
        status: Some(status.clone()),
    }
}

fn by_slot(test_runs: &[TestRun]) -> BTreeMap<Slot<'_>, Vec<&TestStatus>> {
    let mut slots: BTreeMap<Slot<'_>, Vec<&TestStatus>> = BTreeMap::new();
    for run in test_runs {
        slots.entry(run.slot()).or_default().push(&run.status);
    }
    slots
}

fn by_place(test_runs: &[TestRun]) -> BTreeMap<(&str, &str), usize> {
    let mut places = BTreeMap::new();
    for run in test_runs {
        let place = (run.scenario.as_str(), run.device.as_str());
        *places.entry(place).or_default() += 1;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_run::{Completeness, Group};
    use crate::tests::fixtures::at;
    use crate::tests::scripted::{Classic, Public};

    /// Reads a poll such as `Running: a Failed, b Passed, b@11 Passed`: scenarios, with an hour or at ten.
    fn poll(text: &str) -> Snapshot {
        let (group, rows) = text.split_once(':').expect("a group");
        let rows = rows.split(',').map(str::trim).filter(|row| !row.is_empty());
        let test_runs = rows.map(|row| {
            let (scenario, status) = row.split_once(' ').expect("a scenario");
            let (scenario, hour) = scenario.split_once('@').unwrap_or((scenario, "10"));
            at(&format!("2024-05-01T{hour}:00:00"), scenario, "D", status)
        });
        Snapshot {
            schedule_name: String::new(),
            group: Group::parse(group),
            test_runs: test_runs.collect(),
            ambiguous: None,
            completeness: Completeness::default(),
        }
    }

    /// What is lost after the polls, and what was retried, as `a Failed`.
    fn after<A: SofyApi>(polls: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut seen = SeenFailures::of::<A>();
        for text in polls {
            seen.observe(&poll(text));
        }
        let latest = poll(polls.last().expect("a poll")).test_runs;
        let said = |failures: Vec<SeenFailure>| {
            let say = |failure: SeenFailure| match failure.status {
                Some(status) => format!("{} {status}", failure.scenario),
                None => failure.scenario,
            };
            failures.into_iter().map(say).collect()
        };
        (said(seen.lost(&latest)), said(seen.retried(&latest)))
    }

    #[test]
    fn a_failure_that_was_seen_stays_one() {
        for (polls, lost, why) in [
            (
                &["Running: a Failed", "Complete: a Failed"][..],
                &[][..],
                "it is listed",
            ),
            (
                &["Running: a Failed", "Complete: a Passed"],
                &["a Failed"],
                "it changed all at once",
            ),
            (
                &[
                    "Running: a Failed",
                    "Running: a Passed",
                    "Complete: a Passed",
                ],
                &["a Failed"],
                "no poll saw it run again",
            ),
            (
                &["Running: a Stopped", "Complete: a Passed"],
                &["a Stopped"],
                "whatever it was, if it was not a pass",
            ),
            (
                &["Running: a Failed, b Passed", "Complete: b Passed"],
                &["a Failed"],
                "it has disappeared",
            ),
            (
                &["Running: a Failed", "Running:", "Complete: a Failed"],
                &[],
                "missing in one poll is not gone",
            ),
            (
                &["Running: a Failed", "Running:", "Complete: a Passed"],
                &["a Failed"],
                "nor is it forgotten",
            ),
            (
                &["Running: a Failed", "Complete: a@11 Passed"],
                &["a Failed"],
                "another time is another test run",
            ),
            (
                &[
                    "Running: a Failed, a Failed",
                    "Complete: a Failed, a Passed",
                ],
                &["a Failed"],
                "two of the same, and one of them changed",
            ),
            (
                &["Running: a Running", "Complete: a@11 Passed"],
                &[],
                "a time may move when a test run starts",
            ),
            (
                &["Running: a Passed, b Running", "Complete: a Passed"],
                &["b"],
                "one that still ran has disappeared",
            ),
            (
                &["Running: a Passed, a Running", "Complete: a Passed"],
                &["a"],
                "one of two in its slot has disappeared",
            ),
            (
                &["Running: a Running, b Failed", "Complete:"],
                &["b Failed"],
                "failures come before what was only unfinished",
            ),
        ] {
            let expected: Vec<String> = lost.iter().map(|lost| (*lost).to_owned()).collect();

            assert_eq!(
                after::<Public>(polls),
                (expected, Vec::new()),
                "{polls:?}: {why}"
            );
        }
    }

    #[test]
    fn only_a_retry_that_polls_have_seen_excuses_a_failure() {
        let retried = &[
            "Running: a Failed",
            "Running: a Running",
            "Complete: a Passed",
        ][..];
        for (polls, lost, excused, why) in [
            (retried, "", "a Failed", "Sofy ran it again"),
            (
                &[
                    "Preparing: a Failed",
                    "Running: a Running",
                    "Complete: a Passed",
                ],
                "",
                "a Failed",
                "a status that is not documented is not an end",
            ),
            (
                &[
                    "Running: a Failed",
                    "Running:",
                    "Running: a Running",
                    "Complete: a Passed",
                ],
                "",
                "a Failed",
                "missing in one poll is not gone",
            ),
            (
                &[
                    "Running: a Failed",
                    "Running: a Running",
                    "Running: a Failed",
                    "Running: a Running",
                    "Complete: a Passed",
                ],
                "",
                "a Failed",
                "it ran again twice",
            ),
            (
                &[
                    "Running: a Failed",
                    "Running: a Running",
                    "Complete: a Failed",
                ],
                "",
                "",
                "it failed again, and its row shows it",
            ),
            (
                &[
                    "Running: a Failed",
                    "Running: a Running",
                    "Complete: a Stopped",
                ],
                "a Failed",
                "",
                "it ran again and did not pass: what fail-on tolerates excuses nothing",
            ),
            (
                &[
                    "Running: a Failed",
                    "Running: a Running",
                    "Running: a Failed",
                    "Complete: a Passed",
                ],
                "a Failed",
                "",
                "it failed again, and then no poll saw it run",
            ),
            (
                &[
                    "Complete: a Failed",
                    "Running: a Running",
                    "Complete: a Passed",
                ],
                "a Failed",
                "",
                "the group was terminal before",
            ),
            (
                &[
                    "Running: a Failed",
                    "Complete: a Running",
                    "Complete: a Passed",
                ],
                "a Failed",
                "",
                "the group was terminal when it ran again",
            ),
            (
                &[
                    "Running: a Failed, a Running",
                    "Running: a Running, a Running",
                    "Complete: a Passed, a Passed",
                ],
                "a Failed",
                "",
                "which of two rows ran again cannot be told",
            ),
            (
                &[
                    "Running: a Failed, a Running",
                    "Running: a Running",
                    "Complete: a Passed",
                ],
                "a Failed",
                "",
                "the slot held two rows before",
            ),
            (
                &[
                    "Running: a Running, a Running",
                    "Running: a Failed",
                    "Running: a Running",
                    "Complete: a Passed",
                ],
                "a Failed",
                "",
                "long before",
            ),
            (
                &[
                    "Running: a Failed",
                    "Running: a Running",
                    "Running: a Passed, a Running",
                    "Complete: a Passed",
                ],
                "a Failed",
                "",
                "or later",
            ),
            (
                &[
                    "Running: a Failed",
                    "Running: a Running",
                    "Complete: a Passed, a Passed",
                ],
                "a Failed",
                "",
                "or at the end",
            ),
            (
                &[
                    "Running: a Failed",
                    "Running: a@11 Running",
                    "Complete: a@11 Passed",
                ],
                "a Failed",
                "",
                "another time is another test run",
            ),
            (
                &[
                    "Running: a Failed",
                    "Running: a Running",
                    "Complete: a@11 Passed",
                ],
                "a Failed",
                "",
                "it ran again, and another is listed in its place",
            ),
            (
                &["Running: a Failed", "Running: a Running", "Complete:"],
                "a Failed",
                "",
                "it ran again and has disappeared",
            ),
        ] {
            let (said_lost, said_excused) = after::<Public>(polls);

            assert_eq!(
                (said_lost.join(", "), said_excused.join(", ")),
                (lost.to_owned(), excused.to_owned()),
                "{polls:?}: {why}"
            );
        }
        assert_eq!(
            after::<Classic>(retried),
            (vec!["a Failed".to_owned()], Vec::new()),
            "the classic API's row may be another run's"
        );
    }
}

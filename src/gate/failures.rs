//! Which failures were seen and are no longer listed? A failure that was seen stays one, with one exception.
//!
//! The exception is a retry of Sofy's own: the same row is seen `Running` again and then `Passed`. It counts only
//! if rows are listed by group, before the group was terminal, and in a slot (scenario, device, time) that never
//! held more than one row; otherwise the row may be another test run's. Pure: takes the polls in turn.

use std::collections::BTreeMap;
use std::iter::repeat_n;

use crate::model::test_run::{Group, Slot, Tally, TestRun, TestStatus};

/// What the polls have shown and the latest list has to account for.
#[derive(Debug, Default)]
pub(crate) struct SeenFailures {
    /// Whether a row seen `Running` again is a retry of Sofy's own.
    pub(super) trusts_retries: bool,
    /// The most rows that one poll showed of a scenario on a device: times change when a test run starts.
    most_rows: BTreeMap<(String, String), usize>,
    slots: BTreeMap<Slot, SeenSlot>,
}

/// What the polls have shown of a slot in which not everything passed.
#[derive(Debug, Default)]
struct SeenSlot {
    /// Whether some poll showed more than one row.
    is_shared: bool,
    /// Whether its row was seen `Running` and has not failed since.
    runs_again: bool,
    /// Final statuses other than `Passed`, each with the most rows that one poll showed of it. A map for each slot would
    /// take more memory than all else.
    failures: Vec<(TestStatus, usize)>,
}

impl SeenFailures {
    /// Tells whether any test run of this run was ever listed.
    pub(crate) fn have_shown_test_runs(&self) -> bool {
        !self.most_rows.is_empty()
    }

    /// Remembers what a poll shows. If it does not show the group, that may be terminal.
    pub(crate) fn observe(&mut self, group: Option<&Group>, test_runs: &[TestRun]) {
        self.trusts_retries &= !group.is_some_and(Group::is_terminal);
        let trusts_retries = self.trusts_retries && group.is_some();
        for ((scenario, device), rows) in by_place(test_runs) {
            let place = (scenario.to_owned(), device.to_owned());
            let most = self.most_rows.entry(place).or_default();
            *most = rows.max(*most);
        }
        for (slot, rows) in by_slot(test_runs) {
            let rows = Tally::of(rows);
            if is_one(&rows, &TestStatus::Passed) {
                continue;
            }
            let seen = self.slots.entry(slot).or_default();
            seen.is_shared |= rows.total() > 1;
            seen.runs_again |= trusts_retries && is_one(&rows, &TestStatus::Running);
            for (status, rows) in rows.only(TestStatus::is_failure).iter() {
                seen.runs_again = false;
                match seen.failures.iter_mut().find(|(one, _)| one == status) {
                    Some((_, most)) => *most = rows.max(*most),
                    None => seen.failures.push((status.clone(), rows)),
                }
            }
        }
    }

    /// Names the failures that the latest list no longer shows, and those that passed when Sofy itself ran them again.
    /// If no failure is lost, other test runs that the list lacks are.
    pub(crate) fn lost_and_retried(&self, latest: &[TestRun]) -> (Vec<String>, Vec<String>) {
        let mut now = by_slot(latest);
        let (mut lost, mut retried) = (Vec::new(), Vec::new());
        for (slot, seen) in &self.slots {
            let name = |status: &TestStatus| format!("{} on {}: {status}", slot.0, slot.1);
            let rows = Tally::of(now.remove(slot).unwrap_or_default());
            if is_one(&rows, &TestStatus::Passed) && seen.runs_again && !seen.is_shared {
                retried.extend(seen.failures.iter().take(1).map(|(status, _)| name(status)));
                continue;
            }
            for (status, most) in &seen.failures {
                let listed = rows.count(|one| one == status);
                lost.extend(repeat_n(name(status), most.saturating_sub(listed)));
            }
        }
        if lost.is_empty() {
            lost = self.missing(latest);
        }
        (lost, retried)
    }

    /// Names the test runs of which the list shows fewer than a poll before.
    pub(crate) fn missing(&self, latest: &[TestRun]) -> Vec<String> {
        let now = by_place(latest);
        let missing = self.most_rows.iter().filter(|((scenario, device), most)| {
            now.get(&(scenario.as_str(), device.as_str())) < Some(most)
        });
        let names = missing.map(|((scenario, device), _)| format!("{scenario} on {device}"));
        names.collect()
    }
}

/// Tells whether there is one row, and it has this status.
fn is_one(rows: &Tally<'_>, status: &TestStatus) -> bool {
    rows.iter().eq([(status, 1)])
}

fn by_slot(test_runs: &[TestRun]) -> BTreeMap<Slot, Vec<&TestRun>> {
    let mut slots: BTreeMap<Slot, Vec<&TestRun>> = BTreeMap::new();
    for run in test_runs {
        slots.entry(run.slot()).or_default().push(run);
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
    use crate::model::test_run::{Completeness, Snapshot};
    use crate::sofy::SofyApi;
    use crate::tests::fixtures::at;
    use crate::tests::scripted::{Classic, Public};

    /// Reads a poll such as `Running: a Failed, b Passed, b@11 Passed`: scenarios, with an hour or at ten; before the
    /// colon the group's status, or nothing if it could not be read.
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
        let mut seen = SeenFailures {
            trusts_retries: A::LISTS_BY_GROUP,
            ..SeenFailures::default()
        };
        for text in polls {
            let Snapshot {
                group, test_runs, ..
            } = poll(text);
            seen.observe(
                Some(&group).filter(|group| !group.verbatim.is_empty()),
                &test_runs,
            );
        }
        let latest = poll(polls.last().expect("a poll")).test_runs;
        let (lost, retried) = seen.lost_and_retried(&latest);
        let short = |names: Vec<String>| {
            let short = |name: String| name.replace(" on D:", "").replace(" on D", "");
            names.into_iter().map(short).collect()
        };
        (short(lost), short(retried))
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
                &[": a Failed", "Complete: a Passed"],
                &["a Failed"],
                "although the group's status could not be read",
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
                    "Running: a Failed",
                    "Running: a Running",
                    "Running: a Running",
                    "Complete: a Passed",
                ],
                "",
                "a Failed",
                "for longer than two polls",
            ),
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
                &["Running: a Failed", ": a Running", "Complete: a Passed"],
                "a Failed",
                "",
                "the group may have been terminal when it ran",
            ),
            (
                &[": a Failed", "Running: a Running", "Complete: a Passed"],
                "",
                "a Failed",
                "the group was not terminal after that",
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
                    "Running: a Preparing",
                    "Complete: a Passed",
                ],
                "a Failed",
                "",
                "a status that is not documented does not show that it ran again",
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
                    "Running: a Failed, a Running",
                    "Running: a Failed, a Running",
                    "Running: a Running",
                    "Complete: a Passed",
                ],
                "a Failed",
                "",
                "in two polls",
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

//! What would a Sofy answer that plays a script? For the tests of all that stands above the seam.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use reqwest::multipart::{Form, Part};
use tokio::time::{Instant, sleep};

use crate::gate::attribution::Run;
use crate::model::group_id::GroupId;
use crate::model::schedule::Build;
use crate::model::schedule::Details;
use crate::model::schedule::{Origin, TriggerRequest};
use crate::model::test_run::Row;
use crate::model::test_run::{Group, TestRun};
use crate::sofy::upload::{UploadAnswer, Uploads};
use crate::sofy::{
    ApiError, Baseline, BuildList, ClockReading, ErrorKind, Groups, ListedGroup, Rows, SofyApi,
};
use crate::tests::fixtures::test_runs;

/// A scripted public API.
pub(crate) type Public = Scripted<true>;
/// A scripted classic API.
pub(crate) type Classic = Scripted<false>;

/// The group of the run.
const OURS: &str = "77";

/// Answers each kind of call by its own script, whose last line repeats forever.
pub(crate) struct Scripted<const PUBLIC: bool> {
    baselines: Lines<Baseline>,
    triggers: Lines<Vec<GroupId>>,
    groups: Lines<Group>,
    rows: Lines<Rows>,
    previous: Lines<Rows>,
    builds: Lines<BuildList>,
    uploads: Lines<UploadAnswer>,
    aborts: Lines<String>,
    start: Instant,
    calls: RefCell<Vec<(&'static str, Duration)>>,
}

struct Lines<T>(RefCell<VecDeque<Line<T>>>);

/// An answer, and how long it takes.
struct Line<T> {
    answer: Result<T, ApiError>,
    takes: Duration,
}

impl<T: Clone> Lines<T> {
    fn new() -> Self {
        Self(RefCell::default())
    }

    fn add(&self, answer: Result<T, ApiError>, takes: Duration) {
        self.0.borrow_mut().push_back(Line { answer, takes });
    }

    /// Tells whether the next answer comes later than anybody waits for.
    fn is_late(&self) -> bool {
        let lines = self.0.borrow();
        lines.front().is_some_and(|line| !line.takes.is_zero())
    }

    async fn next(&self) -> Result<T, ApiError> {
        let (answer, takes) = {
            let mut lines = self.0.borrow_mut();
            let line = lines.front().expect("a line in the script");
            let played = (line.answer.clone(), line.takes);
            if lines.len() > 1 {
                lines.pop_front();
            }
            played
        };
        sleep(takes).await;
        answer
    }
}

impl<const PUBLIC: bool> Scripted<PUBLIC> {
    pub(crate) fn new() -> Self {
        Self {
            baselines: Lines::new(),
            triggers: Lines::new(),
            groups: Lines::new(),
            rows: Lines::new(),
            previous: Lines::new(),
            builds: Lines::new(),
            uploads: Lines::new(),
            aborts: Lines::new(),
            start: Instant::now(),
            calls: RefCell::default(),
        }
    }

    /// The next look before a trigger, or for a lost one, finds these groups or rows.
    pub(crate) fn baseline(self, baseline: Result<Baseline, ApiError>) -> Self {
        self.baselines.add(baseline, Duration::ZERO);
        self
    }

    /// The next look before a trigger takes its time.
    pub(crate) fn slow_baseline(
        self,
        baseline: Result<Baseline, ApiError>,
        takes: Duration,
    ) -> Self {
        self.baselines.add(baseline, takes);
        self
    }

    /// The next trigger names these groups after a while.
    pub(crate) fn trigger(self, named: Result<&[&str], ApiError>, takes: Duration) -> Self {
        let named = named.map(|ids| ids.iter().map(|id| (*id).into()).collect());
        self.triggers.add(named, takes);
        self
    }

    /// The next look at the run shows this group and these rows.
    pub(crate) fn look(self, group: &str, test_runs: Vec<TestRun>) -> Self {
        self.look_at_rows(group, test_runs.into_iter().map(unnamed).collect())
    }

    pub(crate) fn look_at_rows(self, group: &str, list: Vec<Row>) -> Self {
        self.groups.add(Ok(Group::parse(group)), Duration::ZERO);
        self.rows.add(Ok(named(list)), Duration::ZERO);
        self
    }

    /// The next look shows a pass, of a group that began at this second of Sofy's clock.
    pub(crate) fn passed_since(self, executed_at: Option<i64>, status: &str) -> Self {
        let Baseline::Groups(mut listed) = groups(&[(OURS, executed_at)], None) else {
            unreachable!("groups");
        };
        let group = Group {
            executed_at: listed.list.remove(0).group.executed_at,
            ..Group::parse(status)
        };
        self.groups.add(Ok(group), Duration::ZERO);
        let rows = test_runs(&["Passed"]).into_iter().map(unnamed).collect();
        self.rows.add(Ok(named(rows)), Duration::ZERO);
        self
    }

    /// What the schedule's previous run lists.
    pub(crate) fn previous(self, test_runs: Vec<TestRun>) -> Self {
        self.previous_after(Ok(test_runs), Duration::ZERO)
    }

    /// What the schedule's previous run lists after a while.
    pub(crate) fn previous_after(
        self,
        answer: Result<Vec<TestRun>, ApiError>,
        takes: Duration,
    ) -> Self {
        let rows = answer.map(|list| named(list.into_iter().map(unnamed).collect()));
        self.previous.add(rows, takes);
        self
    }

    /// The next looks at the run fail.
    pub(crate) fn failures(self, error: &ApiError, looks: usize) -> Self {
        for _ in 0..looks {
            self.groups.add(Err(error.clone()), Duration::ZERO);
            if matches!(error.kind, ErrorKind::OutcomeUnknown | ErrorKind::NotFound) {
                self.rows.add(Err(error.clone()), Duration::ZERO);
            }
        }
        self
    }

    /// A cache had kept the group of the last look, or its rows, for so long.
    pub(crate) fn cached(self, age: Duration, of_group: bool) -> Self {
        if let (true, Some(line)) = (of_group, self.groups.0.borrow_mut().back_mut())
            && let Ok(group) = &mut line.answer
        {
            group.age = age;
        }
        if let (false, Some(line)) = (of_group, self.rows.0.borrow_mut().back_mut())
            && let Ok(rows) = &mut line.answer
        {
            rows.completeness.age = age;
        }
        self
    }

    /// The next look shows this group, and fails to read the rows.
    pub(crate) fn without_rows(self, group: &str, error: &ApiError) -> Self {
        self.groups.add(Ok(Group::parse(group)), Duration::ZERO);
        self.rows.add(Err(error.clone()), Duration::ZERO);
        self
    }

    /// The next look fails to read the group, and shows these rows.
    pub(crate) fn without_group(self, error: &ApiError, test_runs: Vec<TestRun>) -> Self {
        self.groups.add(Err(error.clone()), Duration::ZERO);
        let rows = test_runs.into_iter().map(unnamed).collect();
        self.rows.add(Ok(named(rows)), Duration::ZERO);
        self
    }

    /// The next look fails to read the group, and its rows for another reason.
    pub(crate) fn without_both(self, group: &ApiError, rows: &ApiError) -> Self {
        self.groups.add(Err(group.clone()), Duration::ZERO);
        self.rows.add(Err(rows.clone()), Duration::ZERO);
        self
    }

    /// The next look takes its time.
    pub(crate) fn hang(self, takes: Duration) -> Self {
        let error = failure(ErrorKind::OutcomeUnknown);
        self.groups.add(Err(error.clone()), takes);
        self.rows.add(Err(error), Duration::ZERO);
        self
    }

    pub(crate) fn abort(self, answer: Result<&str, ApiError>, takes: Duration) -> Self {
        self.aborts.add(answer.map(str::to_owned), takes);
        self
    }

    /// The next list of builds.
    pub(crate) fn builds(self, builds: Result<Vec<Build>, ApiError>) -> Self {
        let builds = builds.map(|list| BuildList {
            list,
            ..BuildList::default()
        });
        self.builds.add(builds, Duration::ZERO);
        self
    }

    /// The next list of builds, which a cache had kept for so long.
    pub(crate) fn cached_builds(self, list: Vec<Build>, age: Duration) -> Self {
        let mut builds = BuildList {
            list,
            ..BuildList::default()
        };
        builds.completeness.age = age;
        self.builds.add(Ok(builds), Duration::ZERO);
        self
    }

    /// The list of builds comes only after a while.
    pub(crate) fn slow_builds(self, takes: Duration) -> Self {
        self.builds.add(Ok(BuildList::default()), takes);
        self
    }

    /// The next upload gets this answer, after a while.
    pub(crate) fn upload(self, answer: Result<UploadAnswer, ApiError>, takes: Duration) -> Self {
        self.uploads.add(answer, takes);
        self
    }

    /// When each call of a kind was made, since the script was written.
    pub(crate) fn calls(&self, kind: &str) -> Vec<Duration> {
        let calls = self.calls.borrow();
        let of_kind = calls.iter().filter(|(name, _)| *name == kind);
        of_kind.map(|(_, at)| *at).collect()
    }

    fn note(&self, kind: &'static str) {
        let at = self.start.elapsed();
        self.calls.borrow_mut().push((kind, at));
    }
}

impl<const PUBLIC: bool> SofyApi for Scripted<PUBLIC> {
    const CAN_ABORT: bool = PUBLIC;
    const LISTS_BY_GROUP: bool = PUBLIC;

    async fn baseline(&self) -> Result<Baseline, ApiError> {
        self.note("baseline");
        let (sent_at, asked) = (Instant::now(), self.start.elapsed());
        let mut answer = self.baselines.next().await?;
        // The script says when Sofy's clock stood at its start.
        if let Baseline::Groups(Groups {
            clock: Some(clock), ..
        }) = &mut answer
        {
            let date = clock
                .date
                .map(|date| date + jiff::SignedDuration::from_secs(asked.as_secs() as i64));
            *clock = ClockReading {
                sent_at,
                received_at: Instant::now(),
                date,
                ..*clock
            };
        }
        Ok(answer)
    }

    async fn trigger(&self, _order: &TriggerRequest) -> Result<Vec<GroupId>, ApiError> {
        self.note("trigger");
        self.triggers.next().await
    }

    async fn group(&self, _group_id: &GroupId) -> Result<Group, ApiError> {
        self.note("look");
        self.groups.next().await
    }

    async fn rows(&self, group_id: &GroupId) -> Result<Rows, ApiError> {
        if **group_id != *OURS {
            self.note("previous");
            if !self.previous.0.borrow().is_empty() {
                return self.previous.next().await;
            }
        }
        self.rows.next().await
    }

    async fn builds(&self) -> Result<BuildList, ApiError> {
        self.note("builds");
        self.builds.next().await
    }

    async fn abort(&self, _group_id: &GroupId) -> Result<String, ApiError> {
        self.note("abort");
        self.aborts.next().await
    }
}

impl<const PUBLIC: bool> Uploads for Scripted<PUBLIC> {
    /// Takes the whole file, unless its answer is late: then nothing of it.
    async fn upload(&self, _details: &Details, file: Part) -> Result<UploadAnswer, ApiError> {
        self.note("upload");
        if !self.uploads.is_late() {
            taken(file).await?;
        }
        self.uploads.next().await
    }

    async fn builds(&self) -> Result<BuildList, ApiError> {
        SofyApi::builds(self).await
    }
}

/// Takes a file as a connection would, with what stands around it in a form.
pub(crate) async fn taken(file: Part) -> Result<Vec<u8>, ApiError> {
    let form = Form::new().part("file", file).into_stream();
    let pieces: Vec<_> = form
        .try_collect()
        .await
        .map_err(|error| ApiError::new(ErrorKind::OutcomeUnknown, root_cause(&error)))?;
    Ok(pieces.concat())
}

fn root_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

/// Groups, with the second of Sofy's clock at which each was executed.
pub(crate) fn groups(list: &[(&str, Option<i64>)], answered_at: Option<i64>) -> Baseline {
    let time = |second| jiff::Timestamp::from_second(second).expect("a time");
    Baseline::Groups(Groups {
        list: list
            .iter()
            .map(|(id, executed_at)| ListedGroup {
                id: (*id).into(),
                group: Group {
                    executed_at: executed_at.map(time),
                    ..Group::parse("Queued")
                },
            })
            .collect(),
        clock: answered_at.map(|second| ClockReading {
            sent_at: Instant::now(),
            received_at: Instant::now(),
            date: Some(time(second)),
            has_age: false,
            age: Duration::ZERO,
        }),
        ..Groups::default()
    })
}

/// Rows of a schedule's list, which name no group.
pub(crate) fn rows(test_runs: Vec<TestRun>) -> Baseline {
    Baseline::Rows(test_runs.into_iter().map(unnamed).collect())
}

pub(crate) const fn unnamed(test_run: TestRun) -> Row {
    Row {
        group_id: None,
        test_run,
    }
}

fn named(list: Vec<Row>) -> Rows {
    Rows {
        schedule_name: "Nightly".to_owned(),
        list,
        ..Rows::default()
    }
}

pub(crate) fn failure(kind: ErrorKind) -> ApiError {
    let message = match kind {
        ErrorKind::NotSent => "Sofy could not be reached (Connection refused)",
        ErrorKind::Busy => "Sofy answered 429 with an empty body",
        ErrorKind::Rejected | ErrorKind::OutcomeUnknown | ErrorKind::NotFound => {
            "Sofy answered 502 with an empty body"
        }
    };
    ApiError {
        call: "GET /x".to_owned(),
        ..ApiError::new(kind, message)
    }
}

/// A run whose rows are listed by its group, 77.
pub(crate) fn handle() -> Run {
    Run::triggered(OURS.into(), Origin::Triggered, None)
}

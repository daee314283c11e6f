//! Which worlds are there? Everything about one is drawn from its seed.
//!
//! A world is plain data: what users ask for, what becomes of their executions, how Sofy shows them,
//! and what goes wrong on the way. Times are milliseconds. It stays within what a gate can know; the
//! limits are said where they are drawn.

use std::rc::Rc;

use super::dice::Dice;
use super::sofy::{Live, State};
use super::upload::Upload;

/// Milliseconds since the world began, or since an execution did.
pub(super) type Ms = i64;

pub(super) const SECOND: Ms = 1_000;
pub(super) const MINUTE: Ms = 60 * SECOND;

/// A run settles when nothing has moved for seven seconds. What Sofy hides for longer, no gate that comes
/// to an end can know; so rows mislead for less than this, once the group is shown as over.
pub(super) const MISLEADS_FOR_LESS_THAN: Ms = 7 * SECOND;

/// What a test run is listed as before it runs: mostly what is documented.
const WAITING: [Status; 10] = [
    Status::Running,
    Status::Running,
    Status::Running,
    Status::Running,
    Status::Running,
    Status::Running,
    Status::Queued,
    Status::Pending,
    Status::Blank,
    Status::Null,
];

/// So many rows in all looks of a world are enough: the time is better spent on more worlds.
const MANY_ROWS: Ms = 300;

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) asked: Asked,
    /// A step before the gate uploads the build.
    pub(super) upload: Option<Upload>,
    pub(super) story: Story,
    pub(super) habits: Habits,
    /// What becomes of every execution that we trigger.
    pub(super) ours: Rc<Execution>,
    /// Those of others, with the moment at which they begin, counted from the gate's; many before that.
    pub(super) others: Vec<(Ms, Rc<Execution>)>,
    pub(super) builds: Vec<Build>,
    pub(super) faults: Vec<FaultPeriod>,
}

/// The inputs.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) public: bool,
    pub(super) timeout: Ms,
    pub(super) poll_interval: Ms,
    pub(super) tolerated: Vec<Status>,
    pub(super) abort: bool,
    pub(super) app_hash: bool,
}

/// What happens on the runner.
#[derive(Clone, Debug)]
pub(super) struct Story {
    /// `wait: false`, and a gate in a later job after this long.
    pub(super) detached: Option<Ms>,
    /// The later job is a re-run of it alone.
    pub(super) rerun: bool,
    /// The workflow is cancelled: SIGINT, and SIGTERM 7.5 s later.
    pub(super) cancelled: Option<Ms>,
    /// The process is killed without a status.
    pub(super) killed: Option<Ms>,
}

/// How Sofy shows what there is.
#[derive(Clone, Debug)]
pub(super) struct Habits {
    pub(super) listing: Listing,
    /// Every execution bears the time of the first one.
    pub(super) time_never_changes: bool,
    /// The time moves when a queued row starts.
    pub(super) time_moves: bool,
    /// Which rows of the classic API name their group.
    pub(super) names_group: Names,
    pub(super) times: Times,
    /// Some looks are answered by a copy of Sofy's data that is this much behind.
    pub(super) stale: Ms,
    /// Rows and groups older than ours, beyond so many, are not listed.
    pub(super) older: usize,
    /// Sofy's wall clock against the runner's.
    pub(super) skew: Ms,
    /// Its clock against that of its own `Date` header.
    pub(super) date_skew: Ms,
    pub(super) gives_date: bool,
    pub(super) gives_executed_at: bool,
    /// IDs as text; bare lists; spelling of statuses: one variant for all its life.
    pub(super) shape: u64,
    /// A round trip takes about this long.
    pub(super) latency: Ms,
    /// A new group is listed only after this long.
    pub(super) lists_group_after: Ms,
    pub(super) shuffles: bool,
    /// What the list of builds has in it besides builds.
    pub(super) clutter: Vec<Clutter>,
    /// The list of groups has one in it without an ID.
    pub(super) lists_a_nameless_group: bool,
    /// The answer to a trigger names the last execution of others that is over, if there is one, and not ours.
    pub(super) names_an_old_group: bool,
    /// The list of groups leaves out the ID of our group.
    pub(super) hides_our_id: bool,
    /// In place of so many of our test runs, the list has something that cannot be read.
    pub(super) unreadable_row: Option<usize>,
    /// A list that is not whole.
    pub(super) cut: Option<Cut>,
    pub(super) cache: Option<Cache>,
}

/// Keeps the answers to a call for a while: of groups only in the first minute, or until the trigger. `Age` says so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cache {
    pub(super) list: Call,
    /// How old an answer may be.
    pub(super) oldest: Ms,
    /// Every answer is as old as that; else only some are, each of another age. Of rows, one answer is kept for so long.
    pub(super) always: bool,
}

/// What can stand in the list of builds and is no build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clutter {
    NullApplication,
    TextApplication,
    /// The second application's `application_guid` is an object.
    GuidIsObject,
    /// An application whose `application_builds` is a blank text.
    BuildsAreText,
    NullBuild,
    TextBuild,
    /// `application_builds` is null: there are none, and that can be read.
    NoBuilds,
}

impl Clutter {
    /// Each as often as it is drawn alone.
    const ALL: [Self; 9] = [
        Self::NullApplication,
        Self::TextApplication,
        Self::GuidIsObject,
        Self::BuildsAreText,
        Self::BuildsAreText,
        Self::BuildsAreText,
        Self::NullBuild,
        Self::TextBuild,
        Self::NoBuilds,
    ];

    pub(super) const fn is_readable(self) -> bool {
        matches!(self, Self::NoBuilds)
    }
}

/// Leaves out of a list all but its first entries, with a sign that says so or without a word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) list: Call,
    pub(super) keeps: usize,
    pub(super) sign: Option<Sign>,
}

/// How an answer says that its list is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// "Fetched 1 of 5 record(s)"
    Message,
    /// A number in a field of this name.
    Total(&'static str),
    /// `true` in a field of this name.
    More(&'static str),
    /// The number of pages.
    Pages,
    /// The address of the next page.
    NextPage,
    /// A sign within an object beside the list.
    Pagination,
    /// An error beside the list.
    Error,
    /// A `Link` header.
    Link,
    /// Status 206.
    Partial,
}

/// Which executions the classic list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    All,
    Newest,
    /// The newest, once it has a row.
    NewestWithRows,
    /// The previous one too, for so long after the newest began.
    Lingering(Ms),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    None,
    /// Every second one.
    Some,
    All,
}

/// How rows say when they were scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Documented,
    /// The same moment with another number of digits in every look.
    Respelt,
    Blank,
}

/// One execution of the schedule; its times count from its beginning.
#[derive(Clone, Debug)]
pub(super) struct Execution {
    pub(super) runs: Vec<Run>,
    /// What Sofy says of the group, from when on.
    pub(super) group: Vec<(Ms, Status)>,
    /// When it stops changing.
    pub(super) over: Ms,
    /// From when on Sofy can abort it.
    pub(super) abortable: Ms,
    /// The build that was tested, by its place in the list.
    pub(super) build: usize,
}

/// One scenario on one device.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) scenario: String,
    pub(super) device: String,
    /// When Sofy begins to list it.
    pub(super) listed: Ms,
    /// What it is listed as before it runs.
    pub(super) waiting: Status,
    /// What truly happens: `Running`, then how it ended, perhaps again.
    pub(super) history: Vec<(Ms, Status)>,
    /// What Sofy shows lags behind by this much.
    pub(super) lag: Ms,
    pub(super) noise: Vec<Noise>,
    /// A failure that Sofy takes back for good at that moment: the row is gone, or has passed.
    pub(super) forgotten: Option<(Ms, Glitch)>,
}

/// What Sofy shows of a row for a while instead of the truth.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    pub(super) from: Ms,
    pub(super) until: Ms,
    pub(super) shows: Glitch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glitch {
    Nothing,
    Twice,
    Status(Status),
}

/// What Sofy says, before it is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Passed,
    Failed,
    Incomplete,
    NotExecuted,
    Stopped,
    Running,
    Queued,
    Complete,
    CompleteWithErrors,
    /// One that no documentation lists.
    New,
    /// One that no documentation lists, for a test run that waits.
    Pending,
    Blank,
    Null,
}

impl Status {
    /// How it may be spelled.
    pub(super) const fn spellings(self) -> &'static [&'static str] {
        match self {
            Self::Passed => &["Passed", "passed", "PASSED"],
            Self::Failed => &["Failed", "failed", "FAILED"],
            Self::Incomplete => &["Incomplete", "incomplete", "In Complete"],
            Self::NotExecuted => &["Not Executed", "NotExecuted", "not_executed"],
            Self::Stopped => &["Stopped", "Run Stopped", "stopped"],
            Self::Running => &["Running", "running", "RUNNING"],
            Self::Queued => &["Queued", "queued", "QUEUED"],
            Self::Complete => &["Complete", "complete", "COMPLETE"],
            Self::CompleteWithErrors => &[
                "Complete with errors",
                "CompleteWithErrors",
                "complete-with-errors",
            ],
            Self::New => &["Passed with warnings", "Archived", "Pass"],
            Self::Pending => &["Pending", "In Progress", "Waiting for device"],
            Self::Blank => &[""],
            // Of any other it is a text in quotes.
            Self::Null => &["null"],
        }
    }

    pub(super) const fn is_terminal(self) -> bool {
        matches!(self, Self::Complete | Self::CompleteWithErrors)
    }
}

/// A build in Sofy's list.
#[derive(Clone, Debug)]
pub(super) struct Build {
    pub(super) hash: String,
    pub(super) application: u64,
    pub(super) id: String,
    pub(super) friendly: String,
    /// Rows name it by what a person called it.
    pub(super) shown_by_friendly: bool,
    /// It is listed from then on.
    pub(super) listed: Ms,
    /// The list gives its names from then on, and nulls before.
    pub(super) named: Ms,
    /// The list gives null in place of its hash.
    pub(super) hides_hash: bool,
}

impl Build {
    pub(super) fn text(&self) -> &str {
        if self.shown_by_friendly {
            &self.friendly
        } else {
            &self.id
        }
    }
}

/// A time in which something goes wrong on the way.
#[derive(Clone, Debug)]
pub(super) struct FaultPeriod {
    /// All calls, where it says none.
    pub(super) on: Option<Call>,
    pub(super) from: Ms,
    pub(super) until: Ms,
    /// How many of a hundred requests it strikes.
    pub(super) percent: i64,
    pub(super) fault: Fault,
    /// Whether Sofy still does what it was asked for.
    pub(super) happens: bool,
}

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Upload,
    Trigger,
    Groups,
    Rows,
    /// Of these two, the one that lists what there is before the trigger.
    Before,
    Builds,
    Abort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// No connection was made: it certainly did not happen.
    Refused,
    ConnectionHangs,
    Reset,
    Hangs,
    /// The answer comes, but late.
    Slow(Ms),
    /// Refused in so many statuses, with the seconds of `Retry-After`.
    TooMany(Option<u64>),
    Unavailable(Option<u64>),
    Answers(u16),
    /// A page of a gateway, with status 200.
    Page,
    CutOff,
    Truncated,
    /// 200 with this for a body.
    Says(&'static str),
    /// An error that quotes the key.
    QuotesKey(u16),
}

impl Fault {
    /// Whether a request that meets it is never carried out.
    pub(super) const fn is_certain_refusal(self) -> bool {
        match self {
            Self::Refused
            | Self::ConnectionHangs
            | Self::TooMany(_)
            | Self::Unavailable(Some(_)) => true,
            Self::Answers(status) | Self::QuotesKey(status) => status < 500 && status != 408,
            Self::Unavailable(None)
            | Self::Reset
            | Self::Hangs
            | Self::Slow(_)
            | Self::Page
            | Self::CutOff
            | Self::Truncated
            | Self::Says(_) => false,
        }
    }
}

impl World {
    pub(super) fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let public = dice.percent(50);
        let mut builds = builds(&mut dice);
        let mut ours = Execution::draw(&mut dice, &builds);
        let mut asked = Asked::draw(&mut dice, public, &ours);
        let story = Story::draw(&mut dice, &ours, asked.timeout);
        let mut habits = Habits::draw(&mut dice);
        if !ours.is_tame(habits.stale) {
            habits.stale = 0;
        }
        let mut others = others(&mut dice, &ours, &builds);
        let mut faults = faults(&mut dice, &ours);
        let upload = Upload::draw(seed);
        if let Some(upload) = &upload {
            // What the upload gives is what the gate asks for.
            builds[0].hash = upload.app_hash();
            asked.app_hash = true;
            // What it finds in the list is a matter of its own.
            habits.cut = habits.cut.filter(|cut| cut.list != Call::Builds);
            habits.cache = habits.cache.filter(|cache| cache.list != Call::Builds);
        } else if public {
            match dice.from(1, 100) {
                ..21 => {
                    // What has no build to prove it by is believed more easily.
                    asked.app_hash &= dice.percent(50);
                    lose_the_trigger(
                        &mut dice,
                        &mut asked,
                        &mut habits,
                        &mut others,
                        &mut faults,
                        &builds,
                    );
                }
                21..45 => {
                    ours.passes();
                    asked.app_hash = true;
                    test_another(&mut dice, &mut asked, &mut habits, &mut ours, &mut builds);
                    for (_, theirs) in &mut others {
                        Rc::make_mut(theirs).build %= builds.len();
                    }
                }
                45..61 => {
                    if dice.percent(80) {
                        ours.passes();
                    }
                    habits.cut = Some(Cut {
                        list: Call::Rows,
                        ..Cut::draw(&mut dice)
                    });
                }
                61..67 => {
                    asked.timeout += MINUTE;
                    habits.stale = 0;
                    ours.waits_for_the_last(&mut dice);
                }
                67..77 => {
                    habits.names_an_old_group = dice.percent(80);
                    habits.gives_date = dice.percent(90);
                    habits.gives_executed_at = dice.percent(90);
                    asked.app_hash &= dice.percent(50);
                    if dice.percent(30) {
                        faults.insert(0, list_nothing_before(&mut dice));
                    }
                    miss_the_newest(&mut dice, &mut asked, &mut habits, &mut others, &builds);
                }
                77..80 => {
                    ours.fails_at_last(&mut dice);
                    habits.stale = 0;
                    habits.cache = Some(Cache {
                        list: Call::Rows,
                        ..Cache::draw(&mut dice)
                    });
                }
                _ => {}
            }
        } else if dice.percent(15) {
            miss_the_newest(&mut dice, &mut asked, &mut habits, &mut others, &builds);
            match dice.from(0, 3) {
                0 => ours.runs.clear(),
                1 => ours.passes(),
                _ => {}
            }
        }
        if habits.cut.is_some() {
            // Most signs need an envelope.
            habits.shape &= !4;
        }
        Self {
            seed,
            asked,
            upload,
            story,
            habits,
            ours: Rc::new(ours),
            others,
            builds,
            faults,
        }
    }
}

impl World {
    /// The builds in Sofy's list, by their places.
    pub(super) fn listed(&self, state: &State, at: Ms) -> Vec<usize> {
        let all = (0..self.builds.len()).filter(|build| self.lists(*build, state, at));
        all.take(self.keeps(Call::Builds)).collect()
    }

    /// The names that the list gives a build; blank ones are none.
    pub(super) fn names(&self, build: usize, state: &State, at: Ms) -> Vec<&str> {
        let build = &self.builds[build];
        let is_named = build.named.saturating_add(state.gate_began) <= at;
        let names = [build.id.as_str(), build.friendly.as_str()];
        let given = names
            .into_iter()
            .filter(|name| is_named && !name.is_empty());
        given.collect()
    }

    /// Tells whether something that cannot be read is listed in place of a test run.
    pub(super) fn is_unreadable(&self, live: &Live, run: &Run) -> bool {
        let unreadable = self.habits.unreadable_row.filter(|_| live.is_ours);
        let unreadable = unreadable.and_then(|place| live.plan.runs.get(place));
        unreadable.is_some_and(|unreadable| std::ptr::eq(unreadable, run))
    }

    /// How many entries of a list are shown.
    pub(super) fn keeps(&self, list: Call) -> usize {
        let cut = self.habits.cut.filter(|cut| cut.list == list);
        cut.map_or(usize::MAX, |cut| cut.keeps)
    }

    /// Tells whether a list, where it leaves something out, says so.
    pub(super) fn says_that_it_is_cut(&self, list: Call) -> bool {
        let cut = self.habits.cut.filter(|cut| cut.list == list);
        cut.is_some_and(|cut| cut.sign.is_some())
    }

    /// Tells whether Sofy gives its own time and that of a group.
    pub(super) const fn gives_times(&self) -> bool {
        self.habits.gives_date && self.habits.gives_executed_at
    }

    /// Tells whether something goes wrong with a call at some time between two.
    pub(super) fn is_hindered(&self, call: Call, from: Ms, until: Ms) -> bool {
        self.faults.iter().any(|period| {
            period.on.is_none_or(|on| on == call) && period.from <= until && period.until > from
        })
    }

    /// Tells whether Sofy's list shows a build by then.
    pub(super) fn lists(&self, build: usize, state: &State, at: Ms) -> bool {
        match (&self.upload, build) {
            (Some(upload), 0) => {
                let stored = state.stored;
                stored.is_some_and(|stored| stored.saturating_add(upload.listed_after) <= at)
            }
            (_, _) => {
                let listed = self.builds[build].listed;
                listed.saturating_add(state.gate_began) <= at
            }
        }
    }

    /// Worlds like this one with something left out, the largest things first.
    pub(super) fn simpler(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        let mut without = |change: &dyn Fn(&mut Self)| {
            let mut world = self.clone();
            change(&mut world);
            worlds.push(world);
        };
        without(&|world| world.upload = None);
        for simpler in self.upload.iter().flat_map(Upload::simpler) {
            without(&|world| {
                world.builds[0].hash = simpler.app_hash();
                world.upload = Some(simpler.clone());
            });
        }
        without(&|world| world.faults.clear());
        without(&|world| world.others.clear());
        without(&|world| world.story.killed = None);
        without(&|world| world.story.cancelled = None);
        without(&|world| world.story.detached = None);
        without(&|world| world.story.rerun = false);
        for n in 0..self.faults.len() {
            without(&|world| _ = world.faults.remove(n));
            without(&|world| world.faults[n].percent = 100);
            without(&|world| world.faults[n].from = 0);
        }
        for n in 0..self.others.len() {
            without(&|world| _ = world.others.remove(n));
            for simpler in self.others[n].1.simpler() {
                let simpler = Rc::new(simpler);
                without(&|world| world.others[n].1 = Rc::clone(&simpler));
            }
        }
        for simpler in self.ours.simpler() {
            let simpler = Rc::new(simpler);
            without(&|world| world.ours = Rc::clone(&simpler));
        }
        without(&|world| world.asked.tolerated.clear());
        without(&|world| world.asked.app_hash = false);
        without(&|world| world.asked.abort = true);
        without(&|world| world.asked.poll_interval = 15 * SECOND);
        without(&|world| world.asked.timeout = 60 * MINUTE);
        without(&|world| world.habits.listing = Listing::All);
        without(&|world| world.habits.time_never_changes = false);
        without(&|world| world.habits.time_moves = false);
        without(&|world| world.habits.names_group = Names::None);
        without(&|world| world.habits.times = Times::Documented);
        without(&|world| world.habits.stale = 0);
        without(&|world| world.habits.older = usize::MAX);
        without(&|world| world.habits.skew = 0);
        without(&|world| world.habits.date_skew = 0);
        without(&|world| world.habits.gives_date = true);
        without(&|world| world.habits.gives_executed_at = true);
        without(&|world| world.habits.lists_group_after = 0);
        without(&|world| world.habits.shape = 0xff_ff00);
        without(&|world| world.habits.latency = 100);
        without(&|world| world.habits.shuffles = false);
        without(&|world| world.habits.clutter.clear());
        without(&|world| world.habits.lists_a_nameless_group = false);
        without(&|world| world.habits.names_an_old_group = false);
        without(&|world| world.habits.cut = None);
        without(&|world| world.habits.hides_our_id = false);
        without(&|world| world.habits.unreadable_row = None);
        without(&|world| world.habits.cache = None);
        for n in 1..self.builds.len() {
            without(&|world| {
                world.builds[n].listed = Ms::MIN;
                world.builds[n].named = Ms::MIN;
                world.builds[n].hides_hash = false;
            });
        }
        without(&|world| {
            world.builds[0].named = Ms::MIN;
            world.builds[0].listed = Ms::MIN;
        });
        worlds.retain(|world| world.ours.is_tame(world.habits.stale));
        worlds
    }
}

impl Execution {
    fn simpler(&self) -> Vec<Self> {
        let mut simpler = Vec::new();
        let mut without = |change: &dyn Fn(&mut Self)| {
            let mut execution = self.clone();
            change(&mut execution);
            let ends = execution.runs.iter().filter_map(|run| run.history.last());
            execution.over = ends.map(|(at, _)| *at).max().unwrap_or(execution.over);
            simpler.push(execution);
        };
        let half = self.runs.len() / 2;
        if half > 0 {
            without(&|execution| drop(execution.runs.drain(..half)));
            without(&|execution| execution.runs.truncate(half));
        }
        if self.runs.len() < 12 {
            for n in 0..self.runs.len() {
                without(&|execution| _ = execution.runs.remove(n));
            }
        }
        for n in 0..self.group.len().saturating_sub(1) {
            without(&|execution| _ = execution.group.remove(n));
        }
        without(&|execution| {
            for run in &mut execution.runs {
                run.noise.clear();
            }
        });
        without(&|execution| {
            for run in &mut execution.runs {
                run.lag = 0;
            }
        });
        without(&|execution| {
            for run in &mut execution.runs {
                run.listed = 0;
            }
        });
        without(&|execution| {
            for run in &mut execution.runs {
                run.waiting = Status::Running;
            }
        });
        without(&|execution| execution.build = 0);
        without(&|execution| {
            for run in &mut execution.runs {
                run.forgotten = None;
            }
        });
        simpler
    }
}

impl Asked {
    fn draw(dice: &mut Dice, public: bool, ours: &Execution) -> Self {
        let timeout = match dice.from(1, 100) {
            ..65 => ours.over + 5 * MINUTE,
            // While it settles.
            65..77 => ours.shown_whole() + dice.from(0, 20 * SECOND),
            _ => dice.spread(SECOND, 2 * ours.over + MINUTE),
        };
        let all = [
            Status::Failed,
            Status::Incomplete,
            Status::NotExecuted,
            Status::Stopped,
        ];
        let tolerated = if dice.percent(80) {
            Vec::new()
        } else {
            all.into_iter().filter(|_| dice.percent(40)).collect()
        };
        let timeout = timeout / SECOND * SECOND + SECOND;
        let poll_interval = dice.pick(&[1, 2, 5, 15, 15, 15, 15, 15, 15, 30, 60, 600]) * SECOND;
        // A thousand looks at the same rows find no more than a hundred.
        let rows = Ms::try_from(ours.runs.len()).unwrap_or(Ms::MAX);
        let is_long = ours.over / poll_interval * rows > MANY_ROWS;
        Self {
            public,
            timeout,
            poll_interval: if is_long { 30 * SECOND } else { poll_interval },
            // Something has to be left to fail on.
            tolerated: if tolerated.len() == all.len() {
                Vec::new()
            } else {
                tolerated
            },
            abort: dice.percent(80),
            app_hash: dice.percent(50),
        }
    }
}

impl Story {
    fn draw(dice: &mut Dice, ours: &Execution, timeout: Ms) -> Self {
        let whole = ours.over + 2 * MINUTE;
        // Any moment, or one at which much happens: the trigger, the end of the run, the deadline.
        let moment = |dice: &mut Dice| {
            let at = match dice.from(0, 5) {
                0 => dice.from(0, 5 * SECOND),
                1 => ours.over + dice.from(-10 * SECOND, 20 * SECOND),
                2 => timeout + dice.from(-SECOND, 3 * SECOND),
                _ => dice.from(0, whole),
            };
            at.max(0)
        };
        let detached = dice.percent(15).then(|| dice.from(0, whole));
        Self {
            detached,
            rerun: detached.is_some() && dice.percent(30),
            cancelled: dice.percent(12).then(|| moment(dice)),
            killed: dice.percent(6).then(|| moment(dice)),
        }
    }
}

impl Habits {
    fn draw(dice: &mut Dice) -> Self {
        Self {
            listing: match dice.from(0, 3) {
                0 => Listing::All,
                1 => Listing::Newest,
                2 => Listing::NewestWithRows,
                _ => Listing::Lingering(dice.from(0, MINUTE)),
            },
            time_never_changes: dice.percent(15),
            time_moves: dice.percent(5),
            names_group: dice.pick(&[
                Names::None,
                Names::None,
                Names::None,
                Names::None,
                Names::None,
                Names::None,
                Names::Some,
                Names::All,
                Names::All,
            ]),
            times: match dice.from(1, 100) {
                ..5 => Times::Respelt,
                5..8 => Times::Blank,
                _ => Times::Documented,
            },
            stale: if dice.percent(85) {
                0
            } else {
                dice.from(0, 3 * SECOND)
            },
            older: if dice.percent(80) {
                usize::MAX
            } else {
                usize::try_from(dice.from(0, 12)).unwrap_or(0)
            },
            skew: dice.from(-14, 14) * 60 * MINUTE,
            date_skew: dice.from(-SECOND, SECOND),
            gives_date: dice.percent(80),
            gives_executed_at: dice.percent(80),
            shape: dice.next(),
            latency: dice.spread(10, 2 * SECOND),
            lists_group_after: if dice.percent(70) {
                0
            } else {
                dice.from(0, 10 * SECOND)
            },
            shuffles: dice.percent(50),
            clutter: if dice.percent(75) {
                Vec::new()
            } else {
                clutter(dice)
            },
            lists_a_nameless_group: dice.percent(4),
            names_an_old_group: false,
            hides_our_id: false,
            unreadable_row: dice
                .percent(3)
                .then(|| usize::try_from(dice.from(0, 5)).unwrap_or(0)),
            cut: dice.percent(12).then(|| Cut::draw(dice)),
            cache: dice.percent(4).then(|| Cache::draw(dice)),
        }
    }
}

impl Cache {
    fn draw(dice: &mut Dice) -> Self {
        Self {
            list: dice.pick(&[Call::Groups, Call::Builds, Call::Rows]),
            oldest: dice.from(SECOND, MINUTE),
            always: dice.percent(65),
        }
    }
}

impl Cut {
    fn draw(dice: &mut Dice) -> Self {
        let total = ["total", "totalCount", "total_records", "TotalElements"];
        let sign = match dice.from(1, 9) {
            1 => Sign::Message,
            2 => Sign::Total(dice.pick(&total)),
            3 => Sign::More(dice.pick(&["hasNextPage", "hasMore"])),
            4 => Sign::Pages,
            5 => Sign::NextPage,
            6 => Sign::Pagination,
            7 => Sign::Error,
            8 => Sign::Partial,
            _ => Sign::Link,
        };
        Self {
            list: dice.pick(&[Call::Rows, Call::Rows, Call::Builds]),
            keeps: dice.pick(&[1, 1, 2, 3]),
            sign: dice.percent(85).then_some(sign),
        }
    }
}

impl Execution {
    /// A run of some devices, each of which works through the scenarios one by one.
    fn draw(dice: &mut Dice, builds: &[Build]) -> Self {
        let (devices, scenarios) = if dice.percent(1) {
            (dice.from(1, 2), dice.from(20, 60))
        } else {
            (dice.spread(1, 5), dice.spread(1, 5))
        };
        let same_names = dice.percent(5);
        let length = dice.spread(SECOND, 2 * MINUTE);
        let queue = if dice.percent(50) {
            dice.from(0, 3 * SECOND)
        } else {
            dice.spread(SECOND, 5 * MINUTE)
        };
        let listed_at_once = dice.percent(60);
        let waiting = dice.pick(&WAITING);
        let lag = if dice.percent(60) {
            0
        } else {
            dice.from(0, MISLEADS_FOR_LESS_THAN - 1)
        };
        // Between two scenarios, a device may be wiped or wait for its turn.
        let rest = dice.pick(&[SECOND, SECOND, SECOND, 40 * SECOND]);
        let luck = dice.pick(&[0, 0, 0, 0, 3, 10, 50]);
        let retries = dice.percent(10);
        let mut runs = Vec::new();
        let mut over = queue;
        for device in 0..devices {
            let lost = dice.percent(luck / 3);
            let mut at = queue + dice.from(0, SECOND);
            for scenario in 0..scenarios {
                if dice.percent(2) {
                    continue;
                }
                let begins = at + dice.from(0, rest);
                let mut ends = begins + dice.spread(length / 4 + 1, length * 2);
                let status = if lost && dice.percent(50) {
                    Status::Incomplete
                } else if dice.percent(luck) {
                    dice.pick(&[
                        Status::Failed,
                        Status::Failed,
                        Status::Failed,
                        Status::Incomplete,
                        Status::NotExecuted,
                        Status::Stopped,
                        Status::New,
                    ])
                } else {
                    Status::Passed
                };
                let mut history = vec![(begins, Status::Running), (ends, status)];
                if status == Status::Failed && retries && dice.percent(70) {
                    let again = ends + dice.from(0, 20 * SECOND);
                    ends = again + dice.spread(length / 4 + 1, length * 2);
                    history.push((again, Status::Running));
                    history.push((
                        ends,
                        dice.pick(&[Status::Passed, Status::Passed, Status::Failed]),
                    ));
                }
                at = ends;
                over = over.max(ends);
                let listed = if listed_at_once {
                    dice.from(0, SECOND)
                } else {
                    begins + dice.from(0, SECOND)
                };
                runs.push(Run {
                    scenario: format!(
                        "Scenario {}",
                        if same_names { scenario / 2 } else { scenario }
                    ),
                    device: format!("Device {device}"),
                    listed,
                    waiting,
                    history,
                    lag,
                    noise: Vec::new(),
                    forgotten: None,
                });
            }
        }
        if dice.percent(8) && !runs.is_empty() {
            let slot = usize::try_from(dice.from(0, runs.len() as i64 - 1)).unwrap_or(0);
            let sets = data_sets(dice, &runs.remove(slot));
            let ends = sets.iter().filter_map(|run| run.history.last());
            over = ends.fold(over, |over, (at, _)| over.max(*at));
            runs.extend(sets);
        }
        if dice.percent(2) {
            runs.clear();
        }
        let mut execution = Self {
            runs,
            group: Vec::new(),
            over,
            abortable: dice.pick(&[0, 0, 2 * SECOND]),
            build: 0,
        };
        execution.group = execution.draw_group(dice, queue);
        execution.draw_noise(dice);
        execution.build = if dice.percent(80) {
            0
        } else {
            usize::try_from(dice.from(0, i64::try_from(builds.len()).unwrap_or(1) - 1)).unwrap_or(0)
        };
        execution.tame();
        execution
    }

    fn draw_group(&self, dice: &mut Dice, queue: Ms) -> Vec<(Ms, Status)> {
        let begins = (queue + dice.from(-2 * SECOND, 2 * SECOND)).max(1);
        let all_tested = self
            .runs
            .iter()
            .all(|run| matches!(run.end(), Status::Passed | Status::Failed));
        let end = if dice.percent(1) {
            Status::New
        } else if all_tested && !dice.percent(2) {
            Status::Complete
        } else {
            Status::CompleteWithErrors
        };
        // Ahead of the last row, behind it, or with it.
        let over = match dice.from(0, 3) {
            0 => self.over - dice.from(0, 45 * SECOND),
            1 => self.over + dice.from(0, 30 * SECOND),
            _ => self.over + dice.from(0, SECOND),
        };
        let over = over.max(begins + 1);
        let mut statuses = vec![(0, Status::Queued), (begins, Status::Running)];
        if dice.percent(10) && over - begins > MINUTE {
            // Once only, and for less than seven seconds: it looks like the end between two batches.
            let flash = dice.from(begins, over - MINUTE);
            statuses.push((flash, Status::Complete));
            statuses.push((
                flash + dice.from(1, MISLEADS_FOR_LESS_THAN - 1),
                Status::Running,
            ));
        }
        statuses.push((over, end));
        if dice.percent(5) {
            let back = over + dice.from(1, 20 * SECOND);
            statuses.push((back, Status::Running));
            statuses.push((back + dice.from(1, 10 * SECOND), end));
        }
        statuses
    }

    fn draw_noise(&mut self, dice: &mut Dice) {
        if !dice.percent(20) {
            return;
        }
        for run in &mut self.runs {
            if !dice.percent(20) || run.forgotten.is_some() {
                continue;
            }
            let from = dice.from(run.listed, self.over + 30 * SECOND);
            if run.end() == Status::Failed && dice.percent(30) {
                let from = self.over + dice.from(-MINUTE, MINUTE);
                run.forgotten = Some((
                    from,
                    dice.pick(&[Glitch::Nothing, Glitch::Status(Status::Passed)]),
                ));
                continue;
            }
            run.noise.push(Noise {
                from,
                until: from + dice.spread(SECOND, 20 * SECOND),
                shows: dice.pick(&[
                    Glitch::Nothing,
                    Glitch::Nothing,
                    Glitch::Twice,
                    Glitch::Status(Status::Running),
                    Glitch::Status(Status::Passed),
                    Glitch::Status(Status::Failed),
                ]),
            });
        }
    }

    /// Keeps the execution within what a gate can know.
    fn tame(&mut self) {
        let over = self.shown_over().last().map_or(0, |(from, _)| *from);
        for run in &mut self.runs {
            if run.misleads_for(over) >= MISLEADS_FOR_LESS_THAN {
                run.noise.clear();
            }
            if run.misleads_for(over) >= MISLEADS_FOR_LESS_THAN {
                run.lag = 0;
            }
            if run.misleads_for(over) >= MISLEADS_FOR_LESS_THAN {
                run.listed = run.listed.min(over);
            }
        }
    }

    /// Tells whether a gate can know the truth: wherever the group is shown as over for long enough to
    /// be believed, no row misleads for that long.
    ///
    /// A copy that is behind shows an end for longer, and what misleads too.
    fn is_tame(&self, stale: Ms) -> bool {
        self.shown_over().iter().all(|(from, until)| {
            let is_believed = until - from + stale >= MISLEADS_FOR_LESS_THAN;
            let misleads = |run: &Run| match run.misleads_for(*from - stale) {
                0 => false,
                period => period + stale >= MISLEADS_FOR_LESS_THAN,
            };
            !is_believed || !self.runs.iter().any(misleads)
        })
    }

    /// When the group is shown as over, with the moments in between at which it is not.
    fn shown_over(&self) -> Vec<(Ms, Ms)> {
        let mut periods: Vec<(Ms, Ms)> = Vec::new();
        for (n, (at, status)) in self.group.iter().enumerate() {
            if !status.is_terminal() && *status != Status::New {
                continue;
            }
            let until = self.group.get(n + 1).map_or(Ms::MAX / 2, |(next, _)| *next);
            match periods.last_mut() {
                Some(last) if at - last.1 < 15 * SECOND => last.1 = until,
                Some(_) | None => periods.push((*at, until)),
            }
        }
        periods
    }

    /// When Sofy shows all of it as it is, for good.
    pub(super) fn shown_whole(&self) -> Ms {
        let group = self.group.last().map_or(0, |(at, _)| *at);
        let rows = self.runs.iter().flat_map(|run| {
            let noise = run.noise.iter().map(|noise| noise.until);
            noise.chain([
                run.listed,
                run.history.last().map_or(0, |(at, _)| *at) + run.lag,
            ])
        });
        rows.max().unwrap_or(0).max(group)
    }

    /// Lets every test run pass, and Sofy show it so.
    fn passes(&mut self) {
        for run in &mut self.runs {
            run.history.truncate(2);
            if let Some((_, end)) = run.history.last_mut() {
                *end = Status::Passed;
            }
            run.noise.clear();
            run.forgotten = None;
        }
        let ends = self.runs.iter().filter_map(|run| run.history.last());
        self.over = ends.map(|(at, _)| *at).max().unwrap_or(self.over);
        for (_, status) in &mut self.group {
            if matches!(status, Status::CompleteWithErrors | Status::New) {
                *status = Status::Complete;
            }
        }
    }

    /// Lets every test run pass, and the last of them wait while Sofy shows the group as over.
    fn waits_for_the_last(&mut self, dice: &mut Dice) {
        self.passes();
        let waiting = dice.pick(&WAITING[6..]);
        let (begins, over) = (
            self.over - dice.from(SECOND, 10 * SECOND),
            self.over - dice.from(20 * SECOND, 45 * SECOND),
        );
        for run in &mut self.runs {
            run.waiting = waiting;
            run.listed = run.listed.min(over);
            if let [(began, _), (ended, _)] = &mut run.history[..]
                && *ended == self.over
            {
                *began = begins.max(*began);
            }
        }
        self.group = vec![(0, Status::Running), (over.max(1), Status::Complete)];
        self.tame();
    }

    /// Lets the last test run fail, and lists it only when all others have been over for a while.
    fn fails_at_last(&mut self, dice: &mut Dice) {
        self.passes();
        let listed = self.over + dice.from(15 * SECOND, 40 * SECOND);
        self.over = listed + dice.from(SECOND, 10 * SECOND);
        let last = self.runs.first().map(|run| Run {
            scenario: "The last scenario".to_owned(),
            listed,
            history: vec![(listed, Status::Running), (self.over, Status::Failed)],
            ..run.clone()
        });
        self.runs.extend(last);
        self.group = vec![(0, Status::Running), (self.over + SECOND, Status::Complete)];
        self.tame();
    }

    /// When nothing can have settled yet, if no row is shown as anything that it is not: all results are in, the group
    /// is over, and 7 s have passed.
    pub(super) fn settles_after(&self) -> Ms {
        let ends = self.runs.iter().map(|run| {
            let end = run.history.last().map_or(0, |(at, _)| *at);
            end + run.lag
        });
        let mut group = self.group.iter();
        let is_over = group.find(|(_, status)| status.is_terminal() || *status == Status::New);
        let group_over = is_over.map_or(0, |(at, _)| *at);
        ends.fold(group_over, Ms::max) + MISLEADS_FOR_LESS_THAN
    }

    /// Tells whether some row is shown as something that it is not, for a while or for good.
    pub(super) fn is_noisy(&self) -> bool {
        let mut runs = self.runs.iter();
        runs.any(|run| !run.noise.is_empty() || run.forgotten.is_some())
    }

    /// The test runs that Sofy's list shows, where it shows no more than so many.
    pub(super) fn shown_of(&self, keeps: usize) -> impl Iterator<Item = &Run> {
        self.runs.iter().take(keeps)
    }

    /// What has become of the group, whatever Sofy says of it.
    pub(super) fn truth(&self) -> Vec<Status> {
        self.runs.iter().map(Run::end).collect()
    }
}

impl Run {
    pub(super) fn end(&self) -> Status {
        self.history
            .last()
            .map_or(Status::New, |(_, status)| *status)
    }

    /// What Sofy shows of the row at a moment.
    pub(super) fn shown(&self, at: Ms) -> Glitch {
        if at < self.listed {
            return Glitch::Nothing;
        }
        if let Some((_, shows)) = self.forgotten.filter(|(from, _)| at >= *from) {
            return shows;
        }
        if let Some(noise) = self
            .noise
            .iter()
            .find(|noise| (noise.from..noise.until).contains(&at))
            && noise.shows != Glitch::Twice
        {
            return noise.shows;
        }
        Glitch::Status(self.truth(at - self.lag))
    }

    /// How it ended by what Sofy shows for good; none where the row is gone.
    pub(super) fn shown_at_last(&self) -> Option<Status> {
        match self.forgotten {
            Some((_, Glitch::Status(status))) => Some(status),
            Some((_, Glitch::Nothing)) => None,
            Some((_, Glitch::Twice)) | None => Some(self.end()),
        }
    }

    /// Tells whether it had ended, as far as the lagging list can show, and waits for Sofy to run it again.
    pub(super) fn was_over_once(&self, at: Ms) -> bool {
        let shown = self.truth(at - self.lag);
        !matches!(shown, Status::Running | Status::Queued) && shown != self.waiting
    }

    pub(super) fn is_shown_twice(&self, at: Ms) -> bool {
        self.noise
            .iter()
            .any(|noise| noise.shows == Glitch::Twice && (noise.from..noise.until).contains(&at))
    }

    /// How long Sofy may mislead after a moment: from the first time the row is missing, or shown as
    /// passed without being so, to the last.
    fn misleads_for(&self, over: Ms) -> Ms {
        if self.forgotten.is_some() {
            // Whoever saw the failure knows, and who did not cannot.
            return 0;
        }
        let mut edges: Vec<Ms> = self
            .noise
            .iter()
            .flat_map(|noise| [noise.from, noise.until])
            .chain(self.history.iter().flat_map(|(at, _)| [*at, at + self.lag]))
            .chain([over, self.listed])
            .filter(|at| *at >= over)
            .collect();
        edges.sort_unstable();
        let misleads = |at: Ms| match self.shown(at) {
            Glitch::Nothing => true,
            Glitch::Status(Status::Passed) => self.truth(at) != Status::Passed,
            Glitch::Twice | Glitch::Status(_) => false,
        };
        let mut misleading = edges.windows(2).filter(|pair| misleads(pair[0]));
        let Some(first) = misleading.next() else {
            return 0;
        };
        misleading.next_back().unwrap_or(first)[1] - first[0]
    }

    /// Where it stands at a moment.
    fn truth(&self, at: Ms) -> Status {
        self.history
            .iter()
            .rev()
            .find(|(since, _)| *since <= at)
            .map_or(self.waiting, |(_, status)| *status)
    }
}

/// Three data sets of one scenario on one device, of which Sofy lists two at a time: the failed one goes as the
/// third one comes.
fn data_sets(dice: &mut Dice, run: &Run) -> [Run; 3] {
    let begins = run.history.first().map_or(0, |(at, _)| *at);
    let fails = begins + dice.spread(SECOND, MINUTE);
    let goes = fails + dice.from(5 * SECOND, 90 * SECOND);
    let run = Run {
        waiting: Status::Running,
        lag: 0,
        noise: Vec::new(),
        ..run.clone()
    };
    let passes = |listed: Ms, at: Ms| Run {
        listed,
        history: vec![(listed.max(begins), Status::Running), (at, Status::Passed)],
        ..run.clone()
    };
    let [second, third] =
        [run.listed, goes].map(|listed| passes(listed, goes + dice.spread(5 * SECOND, MINUTE)));
    let first = Run {
        history: vec![(begins, Status::Running), (fails, Status::Failed)],
        forgotten: Some((goes, Glitch::Nothing)),
        ..run.clone()
    };
    [first, second, third]
}

/// Loses the answer to the trigger, and lets somebody else's execution begin at about the same time.
fn lose_the_trigger(
    dice: &mut Dice,
    asked: &mut Asked,
    habits: &mut Habits,
    others: &mut Vec<(Ms, Rc<Execution>)>,
    faults: &mut Vec<FaultPeriod>,
    builds: &[Build],
) {
    let mut lost = FaultPeriod {
        on: Some(Call::Trigger),
        from: 0,
        until: 10 * MINUTE,
        percent: 100,
        fault: dice.pick(&[
            Fault::Reset,
            Fault::Hangs,
            Fault::CutOff,
            Fault::Answers(500),
        ]),
        happens: dice.percent(40),
    };
    habits.gives_date = dice.percent(90);
    habits.gives_executed_at = true;
    let mut theirs = Execution::draw(dice, builds);
    if dice.percent(70) {
        theirs.passes();
    }
    // Mostly theirs begins at about the time of our trigger.
    let mut began = dice.from(-10 * SECOND, 45 * SECOND);
    match dice.from(1, 12) {
        ..6 => {
            // Or before it, and the list is made before that.
            let by = dice.from(3 * SECOND, 28 * SECOND);
            faults.insert(
                0,
                FaultPeriod {
                    on: Some(Call::Groups),
                    until: dice.spread(SECOND, MINUTE),
                    percent: dice.pick(&[70, 100]),
                    fault: Fault::Slow(by),
                    happens: true,
                    ..lost
                },
            );
            began = dice.from(0, by);
            if dice.percent(50) {
                lost.fault = Fault::Hangs;
            }
            lost.happens &= dice.percent(50);
        }
        6..9 => {
            let cache = Cache {
                list: Call::Groups,
                ..Cache::draw(dice)
            };
            habits.cache = Some(cache);
            if dice.percent(70) {
                // By a clock that is so old, theirs begins at about the time of our trigger.
                began = dice.from(0, 3 * SECOND) - cache.oldest;
            }
        }
        9 | 10 => {
            lost.happens = true;
            began = dice.from(0, 3 * SECOND);
            if dice.percent(50) {
                habits.hides_our_id = true;
            } else {
                // Ours is what the list leaves out, mostly.
                habits.lists_group_after = dice.pick(&[0, 60 * MINUTE, 60 * MINUTE]);
                habits.cut = Some(Cut {
                    list: Call::Groups,
                    sign: Some(Cut::draw(dice).sign.unwrap_or(Sign::Link)),
                    keeps: usize::MAX,
                });
            }
        }
        11 => lost.fault = Fault::Slow(dice.spread(31 * SECOND, 280 * SECOND)),
        _ => {}
    }
    asked.timeout = asked.timeout.max(theirs.over) + 6 * MINUTE;
    faults.insert(0, lost);
    others.push((began, Rc::new(theirs)));
}

/// Lets the list before the trigger leave out an execution that is over, and perhaps others: it ends early, or a cache
/// gives it.
fn miss_the_newest(
    dice: &mut Dice,
    asked: &mut Asked,
    habits: &mut Habits,
    others: &mut Vec<(Ms, Rc<Execution>)>,
    builds: &[Build],
) {
    let mut theirs = Execution::draw(dice, builds);
    if dice.percent(70) {
        theirs.passes();
    }
    let mut began = -theirs.over - dice.spread(5 * SECOND, 10 * MINUTE);
    if dice.percent(60) {
        habits.cut = Some(Cut {
            list: Call::Before,
            keeps: dice.pick(&[0, 1, 3, 10]),
            sign: Cut::draw(dice).sign.filter(|_| dice.percent(60)),
        });
    } else {
        let age = theirs.over + dice.from(6 * SECOND, MINUTE);
        began = dice.from(1 - age, -theirs.over - 5 * SECOND);
        habits.cache = Some(Cache {
            list: Call::Before,
            oldest: age,
            ..Cache::draw(dice)
        });
    }
    others.push((began, Rc::new(theirs)));
    // What is not listed at once, or not at all, is what theirs is taken for.
    if dice.percent(60) {
        habits.listing = Listing::All;
        habits.older = usize::MAX;
        asked.timeout += MINUTE;
    }
}

/// Lets the list before the trigger be empty by mistake.
fn list_nothing_before(dice: &mut Dice) -> FaultPeriod {
    FaultPeriod {
        on: Some(Call::Before),
        from: 0,
        until: MINUTE,
        percent: dice.pick(&[50, 100, 100]),
        fault: Fault::Says("[]"),
        happens: true,
    }
}

/// Tests another build than the requested one, and lets the list of builds tell it, mostly.
fn test_another(
    dice: &mut Dice,
    asked: &mut Asked,
    habits: &mut Habits,
    ours: &mut Execution,
    builds: &mut Vec<Build>,
) {
    let plain = |n: u64| Build {
        hash: builds[0].hash.replace('4', &n.to_string()),
        application: 0,
        id: format!("3.0.{n}(30000{n})"),
        friendly: String::new(),
        shown_by_friendly: false,
        listed: Ms::MIN,
        named: Ms::MIN,
        hides_hash: false,
    };
    *builds = vec![plain(4), plain(5)];
    let our_name = builds[0].id.clone();
    ours.build = 1;
    let settles = ours.settles_after();
    match dice.from(0, 9) {
        tells @ (0 | 1) => {
            // The first time that the list is read, it does not tell, and a moment later it does.
            let since = settles + dice.from(SECOND, 4 * SECOND);
            match tells {
                0 => builds[0].named = since,
                _ => builds[0].listed = since,
            }
            asked.poll_interval = SECOND;
            habits.latency = habits.latency.min(200);
            habits.stale = 0;
        }
        2 => builds[0].named = Ms::MAX,
        3 => builds[1].application = 1,
        4 => {
            // The last poll finds it over, and it settles after the deadline.
            let poll = ours.shown_whole() + 4 * habits.latency;
            asked.timeout = poll / SECOND * SECOND + dice.from(2, 6) * SECOND;
        }
        5 | 6 => {
            habits.clutter = clutter(dice);
            ours.build = usize::from(dice.percent(35));
        }
        7 => {
            // Somebody uploads it under our build's name, and a cache may not have it yet.
            let cache = Cache {
                list: Call::Builds,
                oldest: dice.from(20 * SECOND, MINUTE),
                ..Cache::draw(dice)
            };
            builds[1].id = our_name;
            builds[1].listed = ours.over - dice.from(0, cache.oldest - 15 * SECOND);
            habits.cache = Some(cache);
        }
        _ => {
            builds[1].id = our_name;
            ours.build = usize::from(dice.percent(50));
            match dice.from(0, 2) {
                0 => builds[1].application = 1,
                1 => builds[1].hides_hash = true,
                _ => {
                    habits.cut = Some(Cut {
                        list: Call::Builds,
                        keeps: 1,
                        ..Cut::draw(dice)
                    });
                }
            }
        }
    }
}

/// What stands in the list of builds and is none: often of one kind only.
fn clutter(dice: &mut Dice) -> Vec<Clutter> {
    if dice.percent(65) {
        return vec![dice.pick(&Clutter::ALL)];
    }
    let all = Clutter::ALL.into_iter();
    all.filter(|_| dice.percent(30)).collect()
}

/// The first one is ours.
fn builds(dice: &mut Dice) -> Vec<Build> {
    let count = dice.from(1, 4);
    // Others upload before, during and after the run.
    let moment = |dice: &mut Dice, percent: i64| {
        if dice.percent(percent) {
            dice.spread(SECOND, 10 * MINUTE)
        } else {
            Ms::MIN
        }
    };
    (0..count)
        .map(|n| {
            let same_text = n > 0 && dice.percent(25);
            let id = if same_text { 0 } else { n };
            Build {
                hash: format!("{:032x}", 0x4dde_0684_21cc_e336_u64 + n.unsigned_abs()),
                application: u64::from(n > 0 && dice.percent(25)),
                id: if dice.percent(5) {
                    String::new()
                } else {
                    format!("2.3.{id}(20306{id})")
                },
                friendly: if dice.percent(30) {
                    format!("Nightly {id}")
                } else {
                    String::new()
                },
                shown_by_friendly: dice.percent(15),
                listed: moment(dice, 30),
                named: if dice.percent(8) {
                    // Not while the world lasts.
                    Ms::MAX
                } else {
                    moment(dice, 8)
                },
                hides_hash: n > 0 && dice.percent(10),
            }
        })
        .collect()
}

fn others(dice: &mut Dice, ours: &Execution, builds: &[Build]) -> Vec<(Ms, Rc<Execution>)> {
    let mut others = Vec::new();
    for _ in 0..dice.pick(&[0, 1, 1, 1, 2, 3]) {
        let mut execution = Execution::draw(dice, builds);
        if dice.percent(50) {
            execution = Execution {
                runs: ours
                    .runs
                    .iter()
                    .map(|run| Run {
                        history: vec![
                            (run.history[0].0, Status::Running),
                            (
                                run.history[0].0 + SECOND,
                                dice.pick(&[Status::Passed, Status::Passed, Status::Failed]),
                            ),
                        ],
                        noise: Vec::new(),
                        forgotten: None,
                        ..run.clone()
                    })
                    .collect(),
                ..execution
            };
            let ends = execution.runs.iter().filter_map(|run| run.history.last());
            execution.over = ends.fold(execution.over, |over, (at, _)| over.max(*at));
        }
        let began = match dice.from(0, 9) {
            // At about the time of our trigger.
            0 => dice.from(-20 * SECOND, 40 * SECOND),
            1 | 2 => dice.from(-execution.over, ours.over + 2 * MINUTE),
            _ => -execution.over - dice.spread(SECOND, 24 * 60 * MINUTE),
        };
        if dice.percent(10)
            && let Some(run) = execution.runs.first_mut()
        {
            // A person corrects an old result while ours runs.
            let last = run.history.last().map_or(0, |(at, _)| *at);
            let then = last.max(-began + dice.from(0, ours.over));
            run.history
                .push((then, dice.pick(&[Status::Passed, Status::Failed])));
        }
        others.push((began, Rc::new(execution)));
    }
    others
}

fn faults(dice: &mut Dice, ours: &Execution) -> Vec<FaultPeriod> {
    if dice.percent(40) {
        return Vec::new();
    }
    let whole = ours.over + 2 * MINUTE;
    (0..dice.spread(1, 6))
        .map(|_| {
            let on = match dice.from(0, 9) {
                0 | 1 => Some(Call::Trigger),
                2 => Some(Call::Groups),
                3 => Some(Call::Rows),
                4 => Some(Call::Builds),
                5 => Some(Call::Abort),
                _ => None,
            };
            let from = if on == Some(Call::Trigger) || dice.percent(30) {
                0
            } else {
                dice.from(0, whole)
            };
            let fault = match draw_fault(dice) {
                // A poll is given up after 30 s; a trigger is worth minutes.
                Fault::Slow(_) if on == Some(Call::Trigger) => {
                    Fault::Slow(dice.spread(SECOND, 280 * SECOND))
                }
                fault => fault,
            };
            FaultPeriod {
                on,
                from,
                until: from + dice.spread(SECOND, whole + 1),
                percent: dice.pick(&[10, 30, 70, 100]),
                fault,
                happens: !fault.is_certain_refusal() && dice.percent(50),
            }
        })
        .collect()
}

pub(super) fn draw_fault(dice: &mut Dice) -> Fault {
    match dice.from(0, 14) {
        0 => Fault::Refused,
        1 => Fault::ConnectionHangs,
        2 | 3 => Fault::Reset,
        4 => Fault::Hangs,
        5 | 6 => Fault::Slow(dice.spread(SECOND, 40 * SECOND)),
        7 => Fault::TooMany(dice.percent(50).then(|| dice.spread(1, 120).unsigned_abs())),
        8 => Fault::Unavailable(dice.percent(50).then(|| dice.spread(1, 120).unsigned_abs())),
        9 => Fault::Answers(dice.pick(&[400, 401, 403, 404, 408, 409, 302, 500, 502, 504])),
        10 => Fault::Page,
        11 => Fault::CutOff,
        12 => Fault::Truncated,
        13 => Fault::Says(dice.pick(&[
            "",
            "null",
            "{}",
            "[]",
            "{\"data\":null}",
            "\"ok\"",
            "[1]",
            "[{}]",
        ])),
        _ => Fault::QuotesKey(dice.pick(&[400, 401, 500, 502])),
    }
}

//! What must be true of every world, whatever happened in it?
//!
//! Everything is checked against what truly happened on Sofy, which the gate cannot see.

use super::consistency::{LeftBehind, contradiction};
use super::sofy::{Live, State, Triggered};
use super::story::{Step, StepKind, Trace};
use super::upload;
use super::world::{Call, Fault, Glitch, Listing, Ms, Names, Run, SECOND, Status, Times, World};
use super::{KEY, Outcome};

/// The last poll, an abort, and a look at the previous run may outlast the deadline by this much.
const SLACK: Ms = 45 * SECOND;
/// What the runner waits after a signal before it insists.
const GRACE: Ms = 7_500;
/// The post step's patience, and one request that is under way when it is over.
const POST_STEP: Ms = 61 * SECOND;

/// Checks a world that was played.
pub(super) fn check(world: &World, trace: &Trace) -> Outcome {
    let state = trace.network.state();
    let mut outcome = Outcome {
        requests: state.requests,
        ..Outcome::default()
    };
    for step in &trace.steps {
        let facts = Facts {
            world,
            state: &state,
            step,
        };
        for (what, wrong) in [
            ("the key was shown", secret(step)),
            ("it ended late", facts.late()),
            (
                "outputs contradict each other",
                match step.kind {
                    StepKind::Upload => upload::inconsistent(step),
                    _ => inconsistent(step),
                },
            ),
            ("green without proof", facts.false_green()),
            ("an upload of nothing", facts.false_upload()),
            (
                "a build was verified that was not tested",
                facts.false_proof(),
            ),
        ] {
            if let Some(why) = wrong {
                outcome.broken.push(format!("{what}: {why}"));
            }
        }
        if step.kind == StepKind::Post {
            continue;
        }
        let of_upload = if step.kind == StepKind::Upload {
            "upload, "
        } else {
            ""
        };
        let conclusion = step.exit.map_or("killed", |_| step.output("conclusion"));
        outcome.ending = format!("{of_upload}{conclusion}");
        if facts.is_green() {
            outcome.blind = match facts.untrue() {
                Some(_) => facts.blind_spot(),
                None => facts.unknown_build(),
            };
        }
        match facts.needless() {
            Judged::Truly => outcome.sane = facts.doubt().is_none(),
            Judged::Doubted(cause) => outcome.needless = Some(cause),
            Judged::Wrongly(why) => outcome
                .broken
                .push(format!("the wrong verdict without a doubt: {why}")),
        }
    }
    if let Some(leak) = state.leaks.first() {
        outcome
            .broken
            .push(format!("the key was misplaced in a request: {leak}"));
    }
    if state.triggered_another_build {
        outcome
            .broken
            .push("a trigger names another build".to_owned());
    }
    outcome.broken.extend(second_trigger(&state));
    outcome.broken.extend(wrong_abort(world, &state, trace));
    outcome.broken.extend(left_running(world, &state, trace));
    outcome
}

/// Tells whether a text holds the key in any spelling.
pub(super) fn holds_key(text: &str) -> bool {
    let key = KEY.to_ascii_lowercase();
    // All spellings share their beginning, so that nearly all texts are looked through once.
    let Some((beginning, _)) = key.split_once('/') else {
        return false;
    };
    let text = text.to_ascii_lowercase();
    text.contains(beginning)
        && [
            key.clone(),
            key.replace('"', "\\\""),
            key.replace('"', "&quot;"),
            key.replace('"', "%22"),
            key.replace('/', "%2f").replace('"', "%22"),
            key.replace('/', "\\/").replace('"', "\\\""),
        ]
        .iter()
        .any(|spelling| text.contains(spelling))
}

/// The key in the runner's files and the log.
fn secret(step: &Step) -> Option<String> {
    step.files
        .iter()
        .chain([&step.log])
        .find(|text| holds_key(text))
        .and_then(|text| text.lines().find(|line| holds_key(line)))
        .map(str::to_owned)
}

/// Every output there, whatever the end, and none that contradicts another.
fn inconsistent(step: &Step) -> Option<String> {
    let exit = step.exit.filter(|_| step.kind != StepKind::Post)?;
    let outputs = step.outputs.iter();
    contradiction(&LeftBehind {
        exit: exit.into(),
        outputs: outputs
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
        json: &step.json,
        junit: step.junit(),
        summary: step.summary(),
        log: &step.log,
    })
}

/// How a verdict compares with the truth.
enum Judged {
    /// As it is; or nothing was to be judged.
    Truly,
    /// Red although all is well, for a reason that is documented.
    Doubted(&'static str),
    Wrongly(String),
}

/// A step in its world.
struct Facts<'a> {
    world: &'a World,
    state: &'a State,
    step: &'a Step,
}

/// The execution that we triggered, whatever group a step took for it.
fn our_execution(state: &State) -> Option<&Live> {
    state.executions.iter().find(|live| live.is_ours)
}

impl Facts<'_> {
    fn late(&self) -> Option<String> {
        let took = self.step.ended - self.step.began;
        let by_itself = match &self.world.upload {
            Some(upload) if self.step.kind == StepKind::Upload => upload.timeout + upload::SLACK,
            Some(_) | None => self.world.asked.timeout + SLACK,
        };
        let allowed = match (self.step.kind, self.step.cancelled) {
            (StepKind::Post, _) => POST_STEP,
            (_, Some(at)) => by_itself.min(at - self.step.began + GRACE),
            (_, None) => by_itself,
        };
        (took > allowed).then(|| format!("{took} ms of {allowed}"))
    }

    /// Green, though Sofy does not have our file under that hash.
    fn false_upload(&self) -> Option<String> {
        (self.step.kind == StepKind::Upload)
            .then(|| upload::false_green(self.world, self.state, self.step))
            .flatten()
    }

    fn is_green(&self) -> bool {
        self.step.exit == Some(0) && matches!(self.step.kind, StepKind::Gate | StepKind::Attach)
    }

    /// Green, though not every test run of our group passed, or on another build.
    fn false_green(&self) -> Option<String> {
        if !self.is_green() {
            return None;
        }
        if let Some(why) = self.untrue()
            && self.blind_spot().is_none()
        {
            return Some(why);
        }
        if !self.is_named()
            && self.world.says_that_it_is_cut(Call::Groups)
            && !self.step.output("test-run-group-id").is_empty()
        {
            return Some("adopted from a list that says that it is not whole".to_owned());
        }
        if !self.world.asked.public && self.state.before.says_so {
            return Some("triggered after a list that says that it is not whole".to_owned());
        }
        let ours = our_execution(self.state).filter(|ours| !self.judges_another(ours))?;
        (self.tests_another(ours) == Told::Always).then(|| "another build was tested".to_owned())
    }

    /// Why success is not the truth about the test runs that we triggered; none where it is.
    fn untrue(&self) -> Option<String> {
        let Some(ours) = our_execution(self.state) else {
            return Some("our run did not happen".to_owned());
        };
        if self.judges_another(ours) {
            return Some("another run was judged".to_owned());
        }
        if self.step.ended < ours.began + ours.plan.over {
            return Some("it was not over".to_owned());
        }
        let why = self.why_red(ours)?;
        Some(format!("{why}, in group {}", ours.id))
    }

    /// Tells whether the answer to the trigger named a group, to whoever waited for it.
    fn is_named(&self) -> bool {
        self.state.triggers.iter().any(|one| one.group.is_some())
    }

    /// Why the true verdict is red; none where all is well.
    fn why_red(&self, ours: &Live) -> Option<String> {
        if self.is_cut(ours) && self.world.says_that_it_is_cut(Call::Rows) {
            return Some("the list of test runs says that it is not whole".to_owned());
        }
        if self.has_an_unreadable_row(ours) {
            return Some("a test run cannot be read".to_owned());
        }
        self.why_red_if(ours, &ours.plan.truth())
    }

    /// Tells whether the list has, for good, something that cannot be read in place of one of our test runs.
    fn has_an_unreadable_row(&self, ours: &Live) -> bool {
        let mut runs = ours.plan.shown_of(self.world.keeps(Call::Rows));
        runs.any(|run| self.world.is_unreadable(ours, run) && run.shown_at_last().is_some())
    }

    /// Tells whether Sofy's list ends before the last of our test runs.
    fn is_cut(&self, ours: &Live) -> bool {
        let left_out = ours.plan.runs.iter().skip(self.world.keeps(Call::Rows));
        left_out.filter_map(Run::shown_at_last).next().is_some()
    }

    /// Why the verdict would be red, if our test runs had ended so.
    fn why_red_if(&self, ours: &Live, truth: &[Status]) -> Option<String> {
        let bad: Vec<Status> = truth
            .iter()
            .filter(|status| {
                **status != Status::Passed && !self.world.asked.tolerated.contains(status)
            })
            .copied()
            .collect();
        let all_passed = truth.iter().all(|status| *status == Status::Passed);
        let group = ours.plan.group.last().map(|(_, status)| *status);
        if !truth.contains(&Status::Passed) {
            Some("nothing passed".to_owned())
        } else if !bad.is_empty() {
            Some(format!("{bad:?}"))
        } else if all_passed && group != Some(Status::Complete) {
            Some("Sofy reports errors that its list does not show".to_owned())
        } else if group == Some(Status::New) {
            Some("an unknown status of the group".to_owned())
        } else {
            None
        }
    }

    /// Verified, though the list of builds never proved it since the run was over.
    fn false_proof(&self) -> Option<String> {
        if self.step.output("build-verified") != "true" {
            return None;
        }
        let group = self.step.output("test-run-group-id");
        let mut executions = self.state.executions.iter();
        let Some(judged) = executions.find(|live| live.id.to_string() == group) else {
            return Some("no group".to_owned());
        };
        let build = judged.plan.build;
        // A step that ends before the run read the list just before that.
        let over = match judged.began + judged.plan.over {
            over if over > self.step.ended => self.step.ended - 15 * SECOND,
            over => over,
        };
        let mut moments = self.moments_between(over, self.step.ended).into_iter();
        (!moments.any(|at| self.proves(build, at)))
            .then(|| format!("nothing proves build 0, and build {build} was tested"))
    }

    /// The moments at which the list of builds changed, with the first and the last.
    fn moments_between(&self, first: Ms, last: Ms) -> Vec<Ms> {
        let Self { world, state, .. } = self;
        let builds = world.builds.iter();
        let mut changes: Vec<Ms> = builds
            .flat_map(|build| [build.listed, build.named])
            .map(|at| at.saturating_add(state.gate_began))
            .collect();
        if let (Some(upload), Some(stored)) = (&world.upload, state.stored) {
            changes.push(stored.saturating_add(upload.listed_after));
        }
        changes.retain(|at| (first..last).contains(at));
        changes.extend([first.min(last), last]);
        changes
    }

    /// Tells whether the list of builds says of itself that it is not whole.
    fn says_that_builds_are_cut(&self, at: Ms) -> bool {
        let Self { world, state, .. } = self;
        let all = (0..world.builds.len()).filter(|n| world.lists(*n, state, at));
        world.says_that_it_is_cut(Call::Builds) && all.count() > world.listed(state, at).len()
    }

    /// Tells whether the list gives a build's name to the hash that was asked for, and to nothing else in it.
    fn proves(&self, build: usize, at: Ms) -> bool {
        let Self { world, state, .. } = self;
        let tested = world.builds[build].text();
        let listed = world.listed(state, at);
        let is_called = |n: &&usize| world.names(**n, state, at).contains(&tested);
        let mut clutter = world.habits.clutter.iter();
        !self.says_that_builds_are_cut(at)
            && clutter.all(|clutter| clutter.is_readable())
            // Elsewhere a hidden hash matters only under the same name.
            && !world.builds[0].hides_hash
            && !tested.is_empty()
            && listed.iter().filter(is_called).eq([&0])
    }

    /// Tells whether the list gives what was tested to other hashes of the same application only.
    fn tells_another(&self, ours: &Live, at: Ms) -> bool {
        let Self { world, state, .. } = self;
        let builds = &world.builds;
        let tested = builds[ours.plan.build].text();
        let names = |n: usize| world.names(n, state, at);
        let listed = world.listed(state, at);
        !self.says_that_builds_are_cut(at)
            && self.has_a_name(at)
            && !names(0).contains(&tested)
            && listed.iter().any(|n| {
                let build = &builds[*n];
                let is_of_the_same = build.application == builds[0].application;
                *n != 0 && !build.hides_hash && is_of_the_same && names(*n).contains(&tested)
            })
    }

    /// Whether the list of builds, since the run was over, tells that another build than ours was tested.
    fn tests_another(&self, ours: &Live) -> Told {
        let Self { world, state, step } = self;
        if !world.asked.public || !world.asked.app_hash || ours.plan.build == 0 {
            return Told::Never;
        }
        let over = ours.began + ours.plan.over;
        // While our hash has no name, the list is read again, for some seconds after the run has settled.
        let is_quick = world.habits.latency <= SECOND / 2 && world.habits.stale == 0;
        let is_whole = world.keeps(Call::Rows) == usize::MAX;
        let is_read_until = if is_quick && is_whole && !ours.plan.is_noisy() {
            ours.began + ours.plan.settles_after() + 4 * SECOND
        } else {
            over
        };
        let last = step.ended.max(is_read_until);
        let [from, until] = [over, last].map(|at| at - state.gate_began);
        let is_cached = (world.habits.cache).is_some_and(|cache| cache.list == Call::Builds);
        let is_hindered = is_cached || world.is_hindered(Call::Builds, from, until);
        let mut moments = self.moments_between(over, last);
        let is_told = |at: &Ms| self.tells_another(ours, *at);
        if !moments.iter().any(is_told) {
            return Told::Never;
        }
        moments.retain(|at| *at >= is_read_until || self.has_a_name(*at));
        match moments.iter().all(is_told) && !is_hindered {
            true => Told::Always,
            false => Told::Sometimes,
        }
    }

    /// Tells whether the list gives the hash that was asked for a name.
    fn has_a_name(&self, at: Ms) -> bool {
        let Self { world, state, .. } = self;
        world.listed(state, at).contains(&0) && !world.names(0, state, at).is_empty()
    }

    /// Why a success on another build than ours is none that a gate can know to be wrong.
    fn unknown_build(&self) -> Option<&'static str> {
        let Self { world, state, .. } = self;
        let ours = our_execution(state)?;
        if !world.asked.app_hash || ours.plan.build == 0 {
            return None;
        }
        let (tested, asked_for) = (&world.builds[ours.plan.build], &world.builds[0]);
        let text = tested.text();
        Some(if !world.asked.public {
            "another build was tested: the classic API has no list of builds"
        } else if self.tests_another(ours) == Told::Sometimes {
            "another build was tested: the list of builds was out of reach, or changed after the run"
        } else if text.is_empty() {
            "another build was tested: test runs do not name it"
        } else if asked_for.id == text || asked_for.friendly == text {
            "another build was tested: it has our build's name"
        } else if tested.application != asked_for.application {
            "another build was tested: it is another application's"
        } else {
            "another build was tested: the list of builds does not name both"
        })
    }

    /// What no gate can know, as docs/behaviour.md says.
    fn blind_spot(&self) -> Option<&'static str> {
        let Self { world, state, step } = self;
        let ours = our_execution(state);
        if world.asked.public && ours.is_none_or(|ours| self.judges_another(ours)) {
            return self.is_misled().or_else(|| self.adopts_theirs());
        }
        // What cannot be read to the end is no secret.
        let ours = ours.filter(|ours| !self.has_an_unreadable_row(ours));
        let keeps = world.keeps(Call::Rows);
        let taken_back = |ours: &Live| {
            let as_shown = ours.plan.shown_of(keeps).filter_map(Run::shown_at_last);
            let as_shown: Vec<Status> = as_shown.collect();
            // If none of our rows is left, the rows may be those of the previous execution.
            let none_is_left = as_shown.is_empty() && !ours.plan.runs.is_empty();
            !(self.is_cut(ours) && world.says_that_it_is_cut(Call::Rows))
                && self.why_red(ours).is_some()
                && (none_is_left || self.why_red_if(ours, &as_shown).is_none())
        };
        let runs_again = |ours: &Live| {
            let since = step.ended - ours.began;
            let changes_later = |run: &&Run| run.history.last().is_some_and(|(at, _)| *at > since);
            let mut late = ours.plan.runs.iter().filter(changes_later).peekable();
            late.peek().is_some() && late.all(|run| run.was_over_once(since))
        };
        let is_silently_cut = |ours: &Live| {
            let shown: Vec<Status> = ours.plan.shown_of(keeps).map(Run::end).collect();
            self.is_cut(ours)
                && !world.says_that_it_is_cut(Call::Rows)
                && self.why_red_if(ours, &shown).is_none()
        };
        if ours.is_some_and(is_silently_cut) {
            return Some("Sofy left test runs out of its list without a word");
        }
        if ours.is_some_and(runs_again) {
            return Some("Sofy ran a test again after the end of the group");
        }
        // Longer than the longest pause between two polls, a failure cannot go unseen.
        let was_plain = |ours: &Live| {
            let answered = state.triggers.iter().map(|one| one.until).max();
            let watched = step.began.max(answered.unwrap_or(0)) - ours.began;
            let pause = world.asked.poll_interval + 10 * SECOND + 6 * world.habits.latency;
            let mut runs = ours.plan.runs.iter();
            let can_be_read = !runs.any(|run| world.is_unreadable(ours, run));
            let mut runs = ours.plan.shown_of(keeps).filter(|_| can_be_read);
            runs.any(|run| {
                let Some((goes, _)) = run.forgotten else {
                    return false;
                };
                let fails = run.history.last().map_or(goes, |(at, _)| at + run.lag);
                let from = fails.max(run.listed).max(watched);
                let [since, until] = [from, goes].map(|at| at + ours.began - state.gate_began);
                let mut calls = [Call::Groups, Call::Rows].into_iter();
                // What hindered a poll shortly before may have asked for up to two minutes of silence.
                let since = since - 120 * SECOND;
                goes - from > pause && !calls.any(|call| world.is_hindered(call, since, until))
            })
        };
        if !state.saw_forgotten && ours.is_some_and(|ours| taken_back(ours) && !was_plain(ours)) {
            return Some("a failure was taken back before a look showed it");
        }
        if world.asked.public {
            return None;
        }
        // Rows that name no group, and theirs in the list before ours were ever seen there.
        let mut looks = state.looks.iter().filter(|look| look.at >= step.began);
        let first = looks.find(|look| look.ours + look.foreign > 0);
        if world.habits.names_group == Names::All {
            return None;
        }
        let ours = our_execution(state)?;
        let theirs_first = first.is_some_and(|look| look.ours == 0);
        // An old result that is shown as running for a while is what a new one looks like.
        let old_ran = world.others.iter().any(|(_, plan)| {
            let noise = plan.runs.iter().flat_map(|run| &run.noise);
            noise
                .map(|noise| noise.shows)
                .any(|shows| shows == Glitch::Status(Status::Running))
        });
        let is_alone = ours.plan.runs.is_empty() || !world.asked.tolerated.is_empty();
        if state.before.hides && !state.before.says_so && is_alone {
            return Some("the list before the trigger left out test runs without a word");
        }
        if ours.plan.runs.is_empty() && (theirs_first || old_ran) {
            return Some("ours has no test runs, and another execution has");
        }
        if first.is_some_and(|look| look.foreign > 0) && !world.asked.tolerated.is_empty() {
            return Some("another execution was listed with our first rows, and much is tolerated");
        }
        let began_later =
            |live: &Live| !live.is_ours && (ours.began..=step.ended).contains(&live.began);
        let later = state.executions.iter().any(began_later);
        let takes_the_place = world.habits.listing != Listing::All;
        if takes_the_place && theirs_first {
            return Some("another execution was listed before ours was seen");
        }
        let times_tell_nothing =
            world.habits.time_never_changes || world.habits.times == Times::Blank;
        (later && times_tell_nothing && (takes_the_place || !world.asked.tolerated.is_empty()))
            .then_some("times never change, and a later execution came into the list")
    }

    /// The answer to the trigger names an old group, which the list before it left out, and nothing tells.
    fn is_misled(&self) -> Option<&'static str> {
        let Self { world, state, step } = self;
        let is_doubtful = state.before.is_doubtful();
        let tells = is_doubtful && world.gives_times() && step.kind == StepKind::Gate;
        let is_named = |live: &Live| state.triggers.iter().any(|one| one.group == Some(live.id));
        let mut others = state.executions.iter().filter(|live| !live.is_ours);
        (others.any(is_named) && !tells).then_some(
            "the answer to the trigger names an old group, which the list before it left out",
        )
    }

    /// Our run is missing, the answer to its trigger was lost, and theirs began meanwhile.
    fn adopts_theirs(&self) -> Option<&'static str> {
        let Self { world, state, .. } = self;
        let slack = 2 * SECOND + world.habits.date_skew.abs() + 1;
        // The list gives the time of a group in whole seconds, so up to one too early.
        let slack_at_end = slack + SECOND;
        let theirs_began = |one: &Triggered| {
            // Without a hash that proves the build, 30 s are all.
            let until = if world.asked.app_hash {
                one.until
            } else {
                one.until.min(one.at + 30 * SECOND)
            };
            state.executions.iter().any(|live| {
                !live.is_ours && (one.at - slack..=until + slack_at_end).contains(&live.began)
            })
        };
        let too_late = |ours: &Live| {
            state
                .triggers
                .last()
                .is_some_and(|one| ours.began > one.until)
        };
        // The list is read for 15 s after the trigger, and not again.
        let is_listed_late = |ours: &Live| {
            let shown = ours.plan.group.first().map_or(0, |(at, _)| *at);
            let listed = ours.began + shown.max(world.habits.lists_group_after);
            let lost = state.triggers.last();
            lost.is_some_and(|one| listed > one.until + 15 * SECOND)
        };
        let ours = our_execution(state);
        let cause = match ours {
            ours if ours.is_none_or(too_late) => {
                "adopted: another execution began while the lost trigger was under way"
            }
            Some(ours) if is_listed_late(ours) => {
                "adopted: another execution began then, and ours was listed after the search"
            }
            _ => return None,
        };
        let adopted = |one: &Triggered| !one.certainly_not && theirs_began(one);
        state.triggers.iter().any(adopted).then_some(cause)
    }

    /// Tells whether the step took another group than ours for its own.
    fn judges_another(&self, ours: &Live) -> bool {
        self.world.asked.public && self.step.output("test-run-group-id") != ours.id.to_string()
    }

    /// Compares the verdict with the truth.
    fn needless(&self) -> Judged {
        if let (Some(drawn), StepKind::Upload) = (&self.world.upload, self.step.kind) {
            let conclusion = self.step.output("conclusion");
            let is_true = (conclusion == "success") == upload::is_to_succeed(drawn);
            if is_true || self.step.exit.is_none() || self.step.cancelled.is_some() {
                return Judged::Truly;
            }
            return match upload::doubt(drawn, self.state, self.step) {
                Some(cause) => Judged::Doubted(cause),
                None => Judged::Wrongly(format!(
                    "{conclusion} of an upload: {}",
                    self.step.output("reason")
                )),
            };
        }
        if !matches!(self.step.kind, StepKind::Gate | StepKind::Attach)
            || self.step.exit.is_none()
            || self.step.cancelled.is_some()
        {
            return Judged::Truly;
        }
        let conclusion = self.step.output("conclusion");
        let expected = match our_execution(self.state) {
            None if self.doubt().is_some() => "error",
            None => "success",
            Some(ours) if self.why_red(ours).is_some() => "failure",
            Some(ours) if self.tests_another(ours) == Told::Always => "failure",
            Some(_) => "success",
        };
        if conclusion == expected {
            return Judged::Truly;
        }
        match self.doubt() {
            Some(cause) if expected == "success" => Judged::Doubted(cause),
            Some(_) => Judged::Truly,
            None if self.blind_spot().is_some() => Judged::Truly,
            None => Judged::Wrongly(format!(
                "{conclusion} instead of {expected}: {}",
                self.step.output("reason")
            )),
        }
    }

    /// Why the world leaves room for a verdict other than the true one; none where it does not.
    fn doubt(&self) -> Option<&'static str> {
        let Self { world, state, step } = self;
        let deadline = step.began + world.asked.timeout;
        let Some(ours) = our_execution(state) else {
            let until = step.ended - state.gate_began;
            let calls = [Call::Rows, Call::Groups, Call::Trigger];
            let is_hindered = calls.iter().any(|call| world.is_hindered(*call, 0, until));
            let is_short = world.asked.timeout < 30 * SECOND + 20 * world.habits.latency;
            // A part of the schedule's test runs does not tell which ones are new.
            let says_so = world.says_that_it_is_cut(Call::Rows) || state.before.says_so;
            let is_cut = !world.asked.public && says_so;
            return (is_hindered || is_short || is_cut).then_some("nothing was triggered");
        };
        let plan = &ours.plan;
        let named = state.triggers.iter().find(|one| one.group == Some(ours.id));
        let answered = named.map_or(0, |one| one.until);
        let sent_at = named.map_or(ours.began, |one| one.at);
        let shown = (step.began)
            .max(answered)
            .max(ours.began + plan.shown_whole());
        // Something went wrong for so long, in one period or several, on the way to what the lists show.
        let [from, until] = [step.began, step.ended].map(|at| at - state.gate_began);
        let hindered: Ms = (world.faults.iter())
            .filter(|period| period.from <= until && period.until > from)
            .filter(|period| (period.on).is_none_or(|on| matches!(on, Call::Groups | Call::Rows)))
            .map(|period| period.until - period.from + period.fault.asks_for())
            .sum();
        let is_hindered = |least: Ms| hindered >= least;
        // An unknown word has 75 s to become a known one, an empty list 20 s.
        let is_unknown = plan.truth().contains(&Status::New)
            || plan
                .group
                .last()
                .is_none_or(|(_, status)| *status == Status::New);
        let patience = if is_unknown { 85 * SECOND } else { 30 * SECOND };
        let mut struck = state
            .struck
            .iter()
            .filter(|(at, ..)| (step.began..=step.ended).contains(at));
        let noise = |shows: Glitch| {
            plan.runs
                .iter()
                .flat_map(|run| &run.noise)
                .any(|noise| noise.shows == shows)
        };
        let by_schedule = !world.asked.public;
        let classic = by_schedule && world.habits.names_group != Names::All;
        [
            (
                named.is_none() && self.is_named(),
                "the answer to the trigger names an old group",
            ),
            (named.is_none(), "the answer to the trigger was lost"),
            (
                // A group that is not listed yet is polled at most 30 s apart.
                shown + world.asked.poll_interval.max(30 * SECOND) + patience
                    + 20 * world.habits.latency
                    > deadline,
                "no time is left before the deadline",
            ),
            (
                struck
                    .clone()
                    .any(|(at, ..)| at + 3 * 60 * SECOND > deadline),
                "trouble until the deadline",
            ),
            (
                // A group that Sofy has not named to the step may be a wrong input: the first no counts.
                (is_hindered(110 * SECOND) || step.kind == StepKind::Attach)
                    && struck.clone().any(|(_, _, fault)| fault.says_no()),
                "Sofy said no",
            ),
            (
                struck.any(|(_, call, fault)| {
                    matches!(call, Call::Groups | Call::Rows) && fault.lists_nothing()
                }),
                "for a while Sofy listed nothing",
            ),
            (
                self.tests_another(ours) == Told::Sometimes,
                "another build was tested, and the list tells so for a while",
            ),
            (
                world.keeps(Call::Rows) != usize::MAX,
                "the list of test runs is not whole",
            ),
            (
                (world.habits.cache).is_some_and(|cache| cache.list != Call::Builds),
                "the list of groups or of test runs came from a cache",
            ),
            (
                plan.runs.iter().any(|run| world.is_unreadable(ours, run)),
                "a test run cannot be read",
            ),
            (world.habits.hides_our_id, "our group is listed without its ID"),
            (
                plan.runs.iter().any(|run| run.history.len() > 2),
                "Sofy ran a test again",
            ),
            (noise(Glitch::Twice), "a row was listed twice"),
            (
                noise(Glitch::Nothing),
                "a row was gone for a while after the end",
            ),
            (
                plan.runs.iter().any(|run| run.forgotten.is_some()),
                "a failure was taken back for good",
            ),
            (
                noise(Glitch::Status(Status::Failed)),
                "a failure was shown and taken back",
            ),
            (
                by_schedule && plan.runs.iter().any(|run| run.waiting != Status::Running),
                "rows wait under a status that is not documented",
            ),
            (
                plan.group.last().is_none_or(|(_, status)| *status == Status::New),
                "the group ends under a status that is not documented",
            ),
            (classic && world.habits.time_never_changes, "times never change"),
            (classic && world.habits.time_moves, "times move"),
            (
                classic && world.habits.times == Times::Blank,
                "rows have no times",
            ),
            (
                by_schedule
                    && state.executions.iter().any(|live| {
                        !live.is_ours && live.began + live.plan.over + 60 * SECOND >= sent_at
                    }),
                "another execution at the time",
            ),
            (
                classic && state.before.hides,
                "the list before the trigger left out test runs",
            ),
            (
                classic && is_hindered(30 * SECOND),
                "silence before the first row",
            ),
            (
                classic && world.story.rerun,
                "a gate job was run again alone",
            ),
            (
                classic && matches!(world.habits.listing, Listing::Lingering(ms) if ours.began + ms + 30 * SECOND > deadline),
                "the previous execution is listed until the deadline",
            ),
        ]
        .into_iter()
        .find_map(|(applies, cause)| applies.then_some(cause))
    }
}

/// Whether the list of builds tells something from the end of a run to the end of its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Never,
    Sometimes,
    Always,
}

/// At most one trigger, except where the first certainly did not happen.
fn second_trigger(state: &State) -> Option<String> {
    let happened = state.triggers.iter().filter(|one| one.happened).count();
    if happened > 1 {
        return Some(format!("a second trigger: {happened} happened"));
    }
    let before_the_last = state.triggers.len().saturating_sub(1);
    state
        .triggers
        .iter()
        .take(before_the_last)
        .any(|one| !one.certainly_not)
        .then(|| "a second trigger after one that may have happened".to_owned())
}

/// Aborts that should not have been.
fn wrong_abort(world: &World, state: &State, trace: &Trace) -> Option<String> {
    let named = state.triggers.iter().find_map(|one| one.group);
    for abort in &state.aborts {
        let step = trace
            .steps
            .iter()
            .rev()
            .find(|step| step.began <= abort.at)?;
        let main = trace
            .steps
            .iter()
            .rev()
            .find(|step| step.began <= abort.at && step.kind != StepKind::Post)?;
        let wrong = |what: &str| Some(format!("a wrong abort: {what}"));
        if !world.asked.abort {
            return wrong("nobody asked for it");
        }
        let Some(group) = &abort.group else {
            return wrong("it names no group");
        };
        if main.kind == StepKind::Attach {
            if group != main.output("test-run-group-id") && main.exit.is_some() {
                return wrong("not the group of the input");
            }
        } else if named.map(|id| id.to_string()).as_ref() != Some(group) {
            return wrong("a group that Sofy did not name to us");
        }
        let last = state.looks.iter().rev().find(|look| look.at <= abort.at);
        // In the same poll: what a poll that failed has shown of the group is not kept.
        let group_then = last.and_then(|look| {
            let shows = |(request, id, _): &&(u64, u64, Status)| {
                *request + 1 == look.request && id.to_string() == *group
            };
            let shown = state.groups.iter().rev().find(shows);
            shown.map(|(_, _, status)| *status)
        });
        if step.kind != StepKind::Post && group_then.is_some_and(Status::is_terminal) {
            return wrong("the group was over");
        }
        let is_ours = our_execution(state).is_some_and(|ours| ours.id.to_string() == *group);
        let tells = state.before.is_doubtful() && world.gives_times();
        if step.kind == StepKind::Gate && !is_ours && group_then.is_some() && tells {
            return wrong("a group that began before the trigger, as its time says");
        }
    }
    None
}

/// A run that should have been aborted, and that nobody aborted though Sofy let us.
fn left_running(world: &World, state: &State, trace: &Trace) -> Option<String> {
    let main = trace
        .steps
        .iter()
        .rev()
        .find(|step| step.kind != StepKind::Post)?;
    let ours = our_execution(state)?;
    let deadline = main.began + world.asked.timeout;
    let heard_until = main
        .cancelled
        .unwrap_or(deadline)
        .min(deadline)
        .min(main.ended);
    let named = state
        .triggers
        .iter()
        .any(|one| one.group == Some(ours.id) && one.until < heard_until);
    let is_attached =
        main.output("test-run-group-id") == ours.id.to_string() && main.kind == StepKind::Attach;
    if !world.asked.public || !world.asked.abort || !(named || is_attached) {
        return None;
    }
    let is_unfinished = match main.output("conclusion") {
        // It was killed, and would have left the run running anyway.
        "" if main.kind == StepKind::Start => false,
        "cancelled" | "timed_out" | "" => main.exit != Some(0),
        // Where Sofy denies access, or shows an old or empty list without the group to attach to, nobody can abort.
        "error" => {
            let is_attach = main.kind == StepKind::Attach;
            let is_cached = is_attach && world.habits.cache.is_some();
            !is_cached
                && !world.faults.iter().any(|period| {
                    period.fault.says_no() || is_attach && period.fault.lists_nothing()
                })
        }
        _ => false,
    };
    let was_over = main.ended >= ours.began + ours.plan.over
        || (state.groups.iter()).any(|(_, id, status)| *id == ours.id && status.is_terminal());
    if !is_unfinished || was_over || ours.aborted.is_some() {
        return None;
    }
    // The post step has tried for a minute, or Sofy has answered as if it had done it.
    let post = trace.steps.iter().find(|step| step.kind == StepKind::Post);
    let tried = post.is_some_and(|post| {
        state.aborts.iter().any(|abort| abort.at >= post.began)
            && post.ended - post.began >= 59 * SECOND
    });
    let answered = state.aborts.iter().any(|abort| abort.answered);
    (!tried && !answered).then(|| "a run was left running".to_owned())
}

impl Fault {
    /// An answer that reads as an empty list is no trouble to us, but Sofy's status.
    pub(super) fn lists_nothing(self) -> bool {
        matches!(self, Self::Says("null" | "{}" | "[]" | "{\"data\":null}"))
    }

    /// The pause that Sofy asks for.
    pub(super) fn asks_for(self) -> Ms {
        match self {
            Self::TooMany(Some(seconds)) | Self::Unavailable(Some(seconds)) => {
                seconds as Ms * SECOND
            }
            _ => 0,
        }
    }

    /// Fault in which Sofy says no.
    pub(super) fn says_no(self) -> bool {
        matches!(self, Self::Answers(400..=499) | Self::QuotesKey(400..=499))
    }
}

//! What must be true of every world, whatever happened in it?
//!
//! Everything is checked against what truly happened at Sofy, which the gate cannot see.

use super::consistency::{LeftBehind, contradiction};
use super::sofy::{Live, State, Triggered};
use super::story::{Step, StepKind, Trace};
use super::upload;
use super::world::{Call, Fault, Glitch, Listing, Ms, Names, Run, SECOND, Status, Times, World};
use super::{KEY, Outcome};

/// The last look, an abort and its reports may outlast the deadline by this much.
const SLACK: Ms = 40 * SECOND;
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
        if facts.is_green()
            && our_execution(&state).is_none_or(|ours| facts.why_red(ours).is_some())
        {
            outcome.blind = facts.blind_spot();
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
        if self.blind_spot().is_some() {
            return None;
        }
        let Some(ours) = our_execution(self.state) else {
            return Some("nothing of ours ran".to_owned());
        };
        if self.step.ended < ours.began + ours.plan.over {
            return Some("it was not over".to_owned());
        }
        if let Some(why) = self.why_red(ours) {
            return Some(format!("{why}, in group {}", ours.id));
        }
        (self.world.asked.public && self.builds_tell_another(ours))
            .then(|| "another build was tested".to_owned())
    }

    /// Why the true verdict is red; none where all is well.
    fn why_red(&self, ours: &Live) -> Option<String> {
        self.why_red_if(ours, &ours.plan.truth())
    }

    /// Why the verdict would be red, had the test runs of ours ended so.
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

    /// Verified, though some other build was tested and the list could tell.
    fn false_proof(&self) -> Option<String> {
        let ours = our_execution(self.state)?;
        let (asked_for, tested) = (&self.world.builds[0], &self.world.builds[ours.plan.build]);
        let is_listed = self.is_listed(ours.plan.build);
        (self.step.output("build-verified") == "true"
            && ours.plan.build != 0
            && is_listed
            && tested.application == asked_for.application)
            .then(|| format!("build {} instead of 0", ours.plan.build))
    }

    /// Tells whether the list of builds, as it was answered last, gives what was tested to other
    /// hashes of the same application only.
    fn builds_tell_another(&self, ours: &Live) -> bool {
        let builds = &self.world.builds;
        let tested = builds[ours.plan.build].text();
        let asked_for = &builds[0];
        let is_called = |n: usize| {
            !tested.is_empty() && (builds[n].id == tested || builds[n].friendly == tested)
        };
        self.world.asked.app_hash
            && self.is_listed(0)
            && !is_called(0)
            && (1..builds.len()).any(|n| {
                self.is_listed(n) && builds[n].application == asked_for.application && is_called(n)
            })
    }

    /// Tells whether a build was in the list, when that was answered last in this step.
    fn is_listed(&self, build: usize) -> bool {
        let answered = self.state.builds_at.filter(|at| *at >= self.step.began);
        answered.is_some_and(|at| self.world.lists(build, self.state, at))
    }

    /// What no gate can know, as docs/behaviour.md says.
    fn blind_spot(&self) -> Option<&'static str> {
        let Self { world, state, step } = self;
        let taken_back = |ours: &Live| {
            let as_shown = ours.plan.runs.iter().filter_map(Run::shown_at_last);
            let as_shown: Vec<Status> = as_shown.collect();
            // Where nothing of ours is left, the rows may be those of the execution before.
            let none_is_left = as_shown.is_empty() && !ours.plan.runs.is_empty();
            self.why_red(ours).is_some()
                && (none_is_left || self.why_red_if(ours, &as_shown).is_none())
        };
        let runs_again = |ours: &Live| {
            let since = step.ended - ours.began;
            let changes_later = |run: &&Run| run.history.last().is_some_and(|(at, _)| *at > since);
            let mut late = ours.plan.runs.iter().filter(changes_later).peekable();
            late.peek().is_some() && late.all(|run| run.was_over_once(since))
        };
        if our_execution(state).is_some_and(runs_again) {
            return Some("Sofy ran a test again after the end of the group");
        }
        if !state.saw_forgotten && our_execution(state).is_some_and(taken_back) {
            return Some("a failure was taken back before a look showed it");
        }
        if world.asked.public {
            // Our trigger did not happen, its answer was lost, and theirs began meanwhile.
            let slack = 4 * SECOND + world.habits.date_skew.abs();
            let theirs_began = |one: &Triggered| {
                state.executions.iter().any(|live| {
                    !live.is_ours && (one.at - slack..=one.until + slack).contains(&live.began)
                })
            };
            let too_late = |ours: &Live| {
                state
                    .triggers
                    .last()
                    .is_some_and(|one| ours.began > one.until)
            };
            let ours_is_missing = our_execution(state).is_none_or(too_late);
            let adopted = |one: &Triggered| ours_is_missing && !one.certainly_not;
            return state
                .triggers
                .iter()
                .any(|one| adopted(one) && theirs_began(one))
                .then_some(
                    "adopted: another execution began while the lost trigger was under way",
                );
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
        let baseline_lied = state.struck.iter().any(|(at, call, fault)| {
            *at < ours.began && *call == Call::Rows && fault.lists_nothing()
        });
        if ours.plan.runs.is_empty() && (theirs_first || baseline_lied || old_ran) {
            return Some("ours has no test runs, and another execution has");
        }
        if first.is_some_and(|look| look.foreign > 0) && !world.asked.tolerated.is_empty() {
            return Some(
                "another execution was listed with the first of ours, and much is tolerated",
            );
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
        let truth = our_execution(self.state).map(|ours| self.why_red(ours));
        let expected = match truth {
            Some(None) => "success",
            Some(Some(_)) => "failure",
            None => "error",
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
            return Some("nothing was triggered");
        };
        let plan = &ours.plan;
        let named = state.triggers.iter().any(|one| one.group.is_some());
        let shown = step.began.max(ours.began + plan.shown_whole());
        let reason = step.output("reason");
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
            (!named, "the answer to the trigger was lost"),
            (
                shown + world.asked.poll_interval + 30 * SECOND + 20 * world.habits.latency
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
                reason.contains("Sofy refuses")
                    && struck.clone().any(|(_, _, fault)| fault.says_no()),
                "Sofy said no for two minutes",
            ),
            (
                struck.any(|(_, call, fault)| {
                    matches!(call, Call::Groups | Call::Rows) && fault.lists_nothing()
                }),
                "for a while Sofy listed nothing",
            ),
            (
                world.asked.app_hash && world.asked.public && plan.build != 0,
                "another build was tested",
            ),
            (
                plan.runs.iter().any(|run| run.history.len() > 2),
                "Sofy ran a test again",
            ),
            (noise(Glitch::Twice), "a row was listed twice"),
            (
                noise(Glitch::Nothing) && reason.contains("does not any more"),
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
                plan.runs.iter().any(|run| run.waiting == Status::Queued),
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
                        !live.is_ours && live.began + live.plan.over + 60 * SECOND >= ours.began
                    }),
                "another execution at the time",
            ),
            (
                classic && reason.contains("silent for more than a minute"),
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
        let group_then = last.and_then(|look| {
            let until = |(at, _): &&(Ms, Status)| *at <= look.at;
            state
                .group
                .iter()
                .rev()
                .find(until)
                .map(|(_, status)| *status)
        });
        if step.kind != StepKind::Post && group_then.is_some_and(Status::is_terminal) {
            return wrong("the group was over");
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
    let named = state.triggers.iter().any(|one| one.group.is_some());
    if !world.asked.public || !world.asked.abort || !(named || main.kind == StepKind::Attach) {
        return None;
    }
    let is_unfinished = match main.output("conclusion") {
        "cancelled" | "timed_out" | "" => main.exit != Some(0),
        "error" => main.output("reason").contains("Lost contact"),
        _ => false,
    };
    let was_over = main.ended >= ours.began + ours.plan.over
        || state.group.iter().any(|(_, status)| status.is_terminal());
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
    fn lists_nothing(self) -> bool {
        matches!(self, Self::Says("null" | "{}" | "[]" | "{\"data\":null}"))
    }

    /// Fault in which Sofy says no.
    pub(super) fn says_no(self) -> bool {
        matches!(self, Self::Answers(400..=499) | Self::QuotesKey(400..=499))
    }
}

//! What does Sofy do and answer in a world? The server and the wire, on tokio's paused clock.
//!
//! Answers are bytes with a status and headers: everything above the socket is the real code. What
//! Sofy does happens at moments that are fixed when a request is sent, whether or not the client is
//! still there then.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use jiff::Timestamp;
use reqwest::{Method, Request, Response};
use serde_json::{Value, json};
use tokio::time::{Instant, Sleep, sleep_until};

use super::dice::Dice;
use super::upload::{Had, Says, Upload};
use super::world::{
    Call, Clutter, Execution, Fault, FaultPeriod, Glitch, Listing, MINUTE, Ms, Names, SECOND, Sign,
    Status, Times, World,
};
use super::{GUID, KEY};
use crate::sofy::{ApiError, ErrorKind};

/// What the real client waits for a connection, and for the whole of an answer where the request says nothing else.
const CONNECT_TIMEOUT: Ms = 10 * SECOND;
const REQUEST_TIMEOUT: Ms = 30 * SECOND;
/// What an answer to a trigger is worth waiting for, since to give it up may cost a run.
pub(super) const TRIGGER_TIMEOUT: Ms = 300 * SECOND;

/// Sofy and the way to it; shared by everything that runs in a world.
#[derive(Clone)]
pub(super) struct Network(Rc<Sofy>);

struct Sofy {
    world: Rc<World>,
    start: Instant,
    /// When the world begins, by the runner's clock.
    epoch: Timestamp,
    state: RefCell<State>,
}

/// What has happened so far, for the invariants to look at.
#[derive(Default)]
pub(super) struct State {
    /// The upload is done, and when; what is drawn for the gate counts from then.
    pub(super) is_gate: bool,
    pub(super) gate_began: Ms,
    /// How often the file was sent, and since when Sofy has it.
    pub(super) uploads: usize,
    pub(super) stored: Option<Ms>,
    /// When Sofy first gave the hash of the whole file, after it had taken it.
    pub(super) accepted: Option<Ms>,
    pub(super) executions: Vec<Live>,
    pub(super) triggers: Vec<Triggered>,
    /// The latest list before the trigger.
    pub(super) before: Before,
    pub(super) aborts: Vec<Aborted>,
    /// The rows of every answer that arrived whole and can be read.
    pub(super) looks: Vec<Look>,
    /// What the answer to which request said of which group.
    pub(super) groups: Vec<(u64, u64, Status)>,
    /// One of our failures that Sofy takes back later was listed in a poll.
    pub(super) saw_forgotten: bool,
    /// Requests that held the key where it does not belong, or not where it does.
    pub(super) leaks: Vec<String>,
    /// A trigger did not name the build that was asked for.
    pub(super) triggered_another_build: bool,
    pub(super) requests: u64,
    pub(super) struck: Vec<(Ms, Call, Fault)>,
}

/// An execution that has begun, or will.
pub(super) struct Live {
    pub(super) id: u64,
    pub(super) is_ours: bool,
    pub(super) began: Ms,
    pub(super) plan: Rc<Execution>,
    pub(super) scheduled_at: String,
    pub(super) aborted: Option<Ms>,
}

#[derive(Clone, Debug)]
pub(super) struct Triggered {
    /// When it was sent, and when its end was on the wire: an answer, or the end of the connection.
    pub(super) at: Ms,
    pub(super) until: Ms,
    pub(super) happened: bool,
    /// The client can know that it did not happen.
    pub(super) certainly_not: bool,
    /// The group that the answer names, if the answer was whole and soon enough for whoever waits 5 minutes.
    pub(super) group: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct Aborted {
    pub(super) at: Ms,
    /// The group that the request names.
    pub(super) group: Option<String>,
    pub(super) answered: bool,
}

/// What a list before the trigger shows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    /// It leaves out what a later list shows.
    pub(super) hides: bool,
    pub(super) is_empty: bool,
    /// It, or its `Age`, says that it may leave something out.
    pub(super) says_so: bool,
}

impl Before {
    /// Tells whether a client has to expect that it leaves something out.
    pub(super) const fn is_doubtful(&self) -> bool {
        self.says_so || self.is_empty
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) at: Ms,
    /// Its number.
    pub(super) request: u64,
    pub(super) ours: usize,
    /// Rows of executions that began after ours was triggered, or ran when it was.
    pub(super) foreign: usize,
}

impl State {
    /// Tells whether a call is of the kind whose lists something strikes.
    fn is_struck(&self, call: Call, list: Call) -> bool {
        let is_before = || self.triggers.iter().all(|one| one.certainly_not);
        let lists_runs = matches!(call, Call::Groups | Call::Rows);
        list == call || list == Call::Before && lists_runs && is_before()
    }
}

impl Network {
    pub(super) fn new(world: Rc<World>) -> Self {
        let epoch = Timestamp::from_second(1_780_000_000).expect("a time");
        let sofy = Sofy {
            start: Instant::now(),
            epoch,
            state: RefCell::default(),
            world,
        };
        sofy.state.borrow_mut().stored = match sofy.world.upload.as_ref().map(|upload| upload.had) {
            Some(Had::ThisFile) => Some(Ms::MIN),
            Some(Had::ThisFileJustNow) => Some(-SECOND),
            Some(Had::Nothing | Had::AnotherFile) | None => None,
        };
        Self(Rc::new(sofy))
    }

    /// Lets begin, from now on, what is drawn for the gate.
    pub(super) fn begin_the_gate(&self) {
        let now = self.0.now();
        let mut state = self.0.state.borrow_mut();
        (state.is_gate, state.gate_began) = (true, now);
        drop(state);
        for (began, plan) in self.0.world.others.clone() {
            self.0.begin(now + began, plan, false);
        }
    }

    pub(super) fn state(&self) -> std::cell::Ref<'_, State> {
        self.0.state.borrow()
    }

    pub(super) fn now(&self) -> Ms {
        self.0.now()
    }

    /// Plays the way to Sofy, Sofy itself, and the way back.
    pub(super) async fn exchange(&self, request: Request) -> Result<Response, ApiError> {
        self.0.exchange(request).await
    }
}

/// An answer before a fault strikes it.
struct Answer {
    body: String,
    before: Before,
    /// How it says that its list is not whole.
    sign: Option<Sign>,
}

impl From<&str> for Answer {
    fn from(body: &str) -> Self {
        Self {
            body: body.to_owned(),
            before: Before::default(),
            sign: None,
        }
    }
}

/// How a request fares.
struct Fate {
    /// When Sofy acts on it.
    acts_at: Ms,
    /// Of which moment its answer tells, and when that was made, by its `Date`.
    shows_at: Ms,
    made_at: Ms,
    /// For how long it was in a cache.
    age: Ms,
    /// When the client has its answer, or none.
    ends_at: Ms,
    fault: Option<Fault>,
    happens: bool,
}

impl Sofy {
    fn now(&self) -> Ms {
        Ms::try_from(self.start.elapsed().as_millis()).unwrap_or(Ms::MAX)
    }

    fn instant(&self, at: Ms) -> Instant {
        self.start + Duration::from_millis(at.unsigned_abs())
    }

    fn begin(&self, began: Ms, plan: Rc<Execution>, is_ours: bool) -> u64 {
        let mut state = self.state.borrow_mut();
        let id = 70_000 + state.executions.len() as u64;
        let scheduled_at = self.clock(if self.world.habits.time_never_changes {
            -24 * 3600 * SECOND
        } else {
            began
        });
        state.executions.push(Live {
            id,
            is_ours,
            began,
            plan,
            scheduled_at,
            aborted: None,
        });
        id
    }

    /// What Sofy's wall clock says at a moment, as its rows spell it.
    fn clock(&self, at: Ms) -> String {
        let time = self.wall(at);
        if self.world.asked.public {
            return time.to_string();
        }
        // Without a zone, and with as many digits of the second as it pleases.
        jiff::tz::Offset::UTC.to_datetime(time).to_string()
    }

    fn wall(&self, at: Ms) -> Timestamp {
        let since = self.epoch.as_millisecond() + self.world.habits.skew + at;
        Timestamp::from_millisecond(since).expect("a time")
    }

    async fn exchange(&self, mut request: Request) -> Result<Response, ApiError> {
        let sent_at = self.now();
        let call = self.note(&request, sent_at);
        let fate = self.fate(call, sent_at);
        if let (Call::Upload, Some(upload)) = (call, &self.world.upload) {
            let body = request.body_mut().take().unwrap_or_default();
            return self.upload(upload, body, fate).await;
        }
        let request = &request;
        let certainly_not = fate.fault.is_some_and(Fault::is_certain_refusal);
        let acted = self.act(call, request, &fate, certainly_not);
        let patience = request.timeout().map_or(REQUEST_TIMEOUT, |timeout| {
            Ms::try_from(timeout.as_millis()).unwrap_or(Ms::MAX)
        });
        if fate.ends_at - sent_at >= patience {
            self.sleep_until(sent_at + patience).await;
            return lost("operation timed out");
        }
        self.sleep_until(fate.ends_at).await;
        let answer = self.answer(call, request, acted, &fate);
        if matches!(fate.fault, Some(Fault::Slow(_)) | None) {
            self.learn(call, request, acted, &fate, &answer);
        }
        self.tell(&fate, answer)
    }

    /// Sends an answer back, as far as a fault lets it.
    fn tell(&self, fate: &Fate, answer: Answer) -> Result<Response, ApiError> {
        let whole = |body: &str| Ok(self.respond(fate, 200, None, body.into()));
        match fate.fault {
            Some(Fault::Refused) => Err(ApiError::new(
                ErrorKind::NotSent,
                "Sofy could not be reached (Connection refused)",
            )),
            Some(Fault::ConnectionHangs) => Err(ApiError::new(
                ErrorKind::NotSent,
                "Sofy could not be reached (deadline has elapsed)",
            )),
            Some(Fault::Reset) => lost("connection reset by peer"),
            Some(Fault::Hangs) => lost("operation timed out"),
            Some(Fault::TooMany(after)) => Ok(self.refusal(fate, 429, after, "Too many requests")),
            Some(Fault::Unavailable(after)) => Ok(self.refusal(fate, 503, after, "Unavailable")),
            Some(Fault::Answers(status)) => {
                let message = format!("An error has occurred ({status}).");
                Ok(self.refusal(fate, status, None, &message))
            }
            Some(Fault::QuotesKey(status)) => {
                let message = format!("Key {} is odd: {KEY}", KEY.to_uppercase());
                Ok(self.refusal(fate, status, None, &message))
            }
            Some(Fault::Page) => {
                whole("<html><head><title>Gateway</title></head><body>Please wait</body></html>")
            }
            Some(Fault::Says(body)) => whole(body),
            Some(Fault::Truncated) => {
                let body = answer.body;
                let end = (0..=body.len() / 2)
                    .rev()
                    .find(|end| body.is_char_boundary(*end));
                whole(&body[..end.unwrap_or(0)])
            }
            Some(Fault::CutOff) => {
                let until = self.instant(self.now() + SECOND);
                let body = Cut::after(answer.body.into_bytes(), until);
                Ok(http::Response::new(reqwest::Body::wrap(body)).into())
            }
            Some(Fault::Slow(_)) | None => Ok(self.respond(fate, 200, None, answer)),
        }
    }

    /// Takes a file in, as far as a fault lets it, and says what it has become.
    async fn upload(
        &self,
        upload: &Upload,
        body: reqwest::Body,
        fate: Fate,
    ) -> Result<Response, ApiError> {
        let is_first = {
            let mut state = self.state.borrow_mut();
            state.uploads += 1;
            state.uploads == 1
        };
        self.sleep_until(match fate.fault {
            Some(Fault::ConnectionHangs) => fate.ends_at,
            Some(_) | None => fate.acts_at,
        })
        .await;
        let is_refused = fate.fault.is_some_and(Fault::is_certain_refusal);
        let early = upload.early.filter(|_| is_first && fate.fault.is_none());
        let length = upload.file.len();
        let mut taken = None;
        if !is_refused {
            let stalls = if is_first { upload.stalls } else { 0 };
            let is_cut = matches!(fate.fault, Some(Fault::Reset | Fault::Hangs)) && !fate.happens;
            let until = match early {
                Some(early) => Some(length * early.percent / 100),
                None => is_cut.then_some(length / 2),
            };
            taken = self.take(body, upload, stalls, until).await;
            if taken.is_none() && until.is_none() {
                return lost("error sending request");
            }
        }
        if let Some(early) = early {
            return Ok(self.early(upload, early.says, &fate));
        }
        if fate.fault == Some(Fault::Hangs) {
            // The client has no deadline of its own for this call, only a watch over what moves.
            return pending().await;
        }
        let known = {
            let mut state = self.state.borrow_mut();
            let known = state.stored.is_some() || upload.had == Had::AnotherFile;
            if fate.happens && !known && taken.as_deref() == Some(&upload.file[..]) {
                state.stored = Some(self.now());
            }
            known
        };
        if !is_refused {
            let slow = match fate.fault {
                Some(Fault::Slow(by)) => by,
                Some(_) | None => 0,
            };
            self.sleep_until(self.now() + upload.reads + slow).await;
        }
        if known
            && let Some(status) = upload.refuses
            && matches!(fate.fault, Some(Fault::Slow(_)) | None)
        {
            return Ok(self.refusal(&fate, status, None, "Build already exists."));
        }
        if taken.as_deref() == Some(&upload.file[..]) {
            let mut state = self.state.borrow_mut();
            state.accepted.get_or_insert(self.now());
        }
        let hash = upload.hash_of(&taken.unwrap_or_default());
        self.tell(&fate, self.accepted(&hash))
    }

    /// The answer to an upload that Sofy took.
    fn accepted(&self, hash: &str) -> Answer {
        let answer = match self.world.habits.shape >> 40 & 3 {
            0 => json!({"data": {"appHash": hash}, "message": "OK"}),
            1 => json!({"appHash": hash}),
            2 => json!([{"AppHash": hash}]),
            _ => json!({"data": [{"appHash": hash}]}),
        };
        answer.to_string().as_str().into()
    }

    /// Answers before the whole file is there, and keeps nothing of it.
    fn early(&self, upload: &Upload, says: Says, fate: &Fate) -> Response {
        match says {
            Says::Hash => self.respond(fate, 200, None, self.accepted(&upload.app_hash())),
            Says::Refused(status) => self.refusal(fate, status, None, "No."),
            Says::Page(status) => {
                self.respond(fate, status, None, "<html>Please wait</html>".into())
            }
            Says::Exists => self.refusal(fate, 400, None, "Build already exists."),
        }
    }

    /// Takes in the body of an upload, or so many bytes of it; gives the file if it arrived whole.
    async fn take(
        &self,
        body: reqwest::Body,
        upload: &Upload,
        stalls: Ms,
        until: Option<usize>,
    ) -> Option<Vec<u8>> {
        use http_body::Body as _;
        let mut body = std::pin::pin!(body);
        let mut taken = Vec::new();
        let half = upload.file.len() / 2;
        let mut stalled = false;
        while until.is_none_or(|until| taken.len() < until) {
            let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await else {
                break;
            };
            let piece = frame.ok()?.into_data().ok()?;
            taken.extend_from_slice(&piece);
            if taken.len() >= half && !std::mem::replace(&mut stalled, true) {
                self.sleep_until(self.now() + stalls).await;
            }
            // What stands around a small file is no small part of the whole.
            let share = piece.len() as f64 / upload.file.len().max(4_096) as f64;
            self.sleep_until(self.now() + (upload.takes as f64 * share) as Ms)
                .await;
        }
        let begins = taken
            .windows(8)
            .position(|part| part == b"\r\n\r\nPK\x03\x04");
        let (before, file) = taken.split_at(begins.map_or(0, |begins| begins + 4));
        let ends = file.windows(4).rposition(|part| part == b"\r\n--")?;
        let (file, after) = file.split_at(ends);
        let around = [before, after].concat();
        if super::invariants::holds_key(&String::from_utf8_lossy(&around)) {
            let mut state = self.state.borrow_mut();
            state.leaks.push("beside the file".to_owned());
        }
        until.is_none().then(|| file.to_vec())
    }

    async fn sleep_until(&self, at: Ms) {
        sleep_until(self.instant(at)).await;
    }

    /// Tells which call it is, and looks where the key is.
    fn note(&self, request: &Request, at: Ms) -> Call {
        let mut state = self.state.borrow_mut();
        state.requests += 1;
        let url = request.url();
        let body = request
            .body()
            .and_then(reqwest::Body::as_bytes)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .unwrap_or_default();
        let path = url.path();
        let call = if path.ends_with("/build-upload") || path.ends_with("/buildUpload") {
            Call::Upload
        } else if path.ends_with("/ScheduleAutomatedTestRun") || path.ends_with("/execute") {
            Call::Trigger
        } else if path.ends_with("/applications") {
            Call::Builds
        } else if *request.method() == Method::PUT {
            Call::Abort
        } else if path.ends_with("/test-run-groups") || url.query().is_some() {
            Call::Groups
        } else {
            Call::Rows
        };
        let in_header = request
            .headers()
            .iter()
            .filter(|(_, value)| value.as_bytes() == KEY.as_bytes())
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>();
        let carried = match (call, self.world.asked.public) {
            (Call::Upload, false) => in_header == ["subscriptionkey"],
            (Call::Builds, _) | (_, true) => in_header == ["x-sofy-auth-key"] && body.is_empty(),
            (_, false) => {
                let sent: Value = serde_json::from_str(&body).unwrap_or_default();
                in_header.is_empty() && sent["APIKey"] == KEY
            }
        };
        if !carried || super::invariants::holds_key(url.as_str()) {
            state.leaks.push(format!("{path} at {at}"));
        }
        let hash = &self.world.builds[0].hash;
        state.triggered_another_build |= call == Call::Trigger
            && self.world.asked.app_hash
            && !url.as_str().contains(hash)
            && !body.contains(hash);
        call
    }

    fn fate(&self, call: Call, at: Ms) -> Fate {
        let mut state = self.state.borrow_mut();
        let mut dice = Dice::about(self.world.seed, state.requests);
        let since = at - state.gate_began;
        let strikes = |period: &&FaultPeriod, dice: &mut Dice| {
            period.on.is_none_or(|on| state.is_struck(call, on))
                && (period.from..period.until).contains(&since)
                && dice.percent(period.percent)
        };
        let mut period = None;
        let faults = match &self.world.upload {
            Some(upload) if !state.is_gate => &upload.faults,
            Some(_) | None => &self.world.faults,
        };
        for candidate in faults {
            if strikes(&candidate, &mut dice) {
                period = Some(candidate);
                break;
            }
        }
        let there = dice.from(1, self.world.habits.latency.max(1));
        let back = dice.from(1, self.world.habits.latency.max(1));
        let acts_at = at + there;
        let fault = period.map(|period| period.fault);
        if state.is_struck(call, Call::Before) {
            let is_empty = fault.is_some_and(Fault::lists_nothing);
            state.before = Before {
                hides: is_empty,
                is_empty,
                says_so: false,
            };
        }
        if let Some(fault) = fault {
            state.struck.push((at, call, fault));
        }
        let (acts_at, ends_at) = match fault {
            Some(Fault::ConnectionHangs) => (acts_at, at + CONNECT_TIMEOUT),
            Some(Fault::Hangs) => (acts_at, Ms::MAX / 2),
            // Made early and long on its way, or the other way round.
            Some(Fault::Slow(by)) => (at + there + dice.from(0, by), at + there + by + back),
            _ => (acts_at, acts_at + back),
        };
        let is_look = matches!(call, Call::Groups | Call::Rows);
        // A copy may be behind, and the next one less so.
        let stale = match self.world.habits.stale {
            behind @ 1.. if is_look && dice.percent(30) => dice.from(behind / 2, behind),
            _ => 0,
        };
        let age = match self.world.habits.cache {
            Some(cache) if !state.is_struck(call, cache.list) => 0,
            Some(cache) if cache.list == Call::Groups && since >= MINUTE => 0,
            Some(cache) if cache.list == Call::Rows => acts_at % cache.oldest,
            Some(cache) if cache.always => cache.oldest,
            Some(cache) if dice.percent(60) => dice.from(SECOND, cache.oldest),
            Some(_) | None => 0,
        };
        Fate {
            shows_at: acts_at - stale - age,
            made_at: acts_at - age,
            age,
            acts_at,
            ends_at,
            fault,
            happens: period
                .is_none_or(|period| period.happens || matches!(period.fault, Fault::Slow(_))),
        }
    }

    /// Does what the request asks for; gives the group that a trigger made, or an abort stopped.
    fn act(&self, call: Call, request: &Request, fate: &Fate, certainly_not: bool) -> Option<u64> {
        match call {
            Call::Trigger => {
                let group = fate
                    .happens
                    .then(|| self.begin(fate.acts_at, Rc::clone(&self.world.ours), true));
                let mut state = self.state.borrow_mut();
                let is_over =
                    |live: &&Live| !live.is_ours && live.began + live.plan.over <= fate.acts_at;
                let others = state.executions.iter().filter(is_over);
                let old = others.max_by_key(|live| live.began).map(|live| live.id);
                let old = old.filter(|_| self.world.habits.names_an_old_group);
                let group = group.map(|ours| old.unwrap_or(ours));
                state.triggers.push(Triggered {
                    at: self.now(),
                    until: fate.ends_at.min(self.now() + TRIGGER_TIMEOUT),
                    happened: fate.happens,
                    certainly_not,
                    group: group.filter(|_| {
                        matches!(fate.fault, Some(Fault::Slow(_)) | None)
                            && fate.ends_at < self.now() + TRIGGER_TIMEOUT
                    }),
                });
                group
            }
            Call::Abort => {
                let group = request
                    .url()
                    .query_pairs()
                    .find(|(name, _)| name == "testRunGroupId")
                    .map(|(_, id)| id.into_owned());
                let mut state = self.state.borrow_mut();
                state.aborts.push(Aborted {
                    at: self.now(),
                    group: group.clone(),
                    answered: false,
                });
                let mut aborted = None;
                if fate.happens {
                    for live in &mut state.executions {
                        let meant = group.as_ref().is_none_or(|id| *id == live.id.to_string());
                        if meant && live.is_abortable(fate.acts_at) {
                            live.aborted.get_or_insert(fate.acts_at);
                            aborted = Some(live.id);
                        }
                    }
                }
                aborted
            }
            Call::Groups | Call::Rows | Call::Before | Call::Builds | Call::Upload => None,
        }
    }

    /// Notes what the client knows from now on.
    fn learn(
        &self,
        call: Call,
        request: &Request,
        acted: Option<u64>,
        fate: &Fate,
        answer: &Answer,
    ) {
        let (at, shown_at) = (fate.acts_at, fate.shows_at);
        let mut state = self.state.borrow_mut();
        if state.is_struck(call, Call::Before) {
            state.before = answer.before;
            state.before.says_so |= fate.age >= SECOND;
        }
        drop(state);
        match call {
            Call::Abort => {
                if let Some(abort) = self.state.borrow_mut().aborts.last_mut() {
                    abort.answered = acted.is_some();
                }
            }
            Call::Trigger | Call::Before | Call::Builds | Call::Upload => {}
            Call::Groups => {
                let state = &mut *self.state.borrow_mut();
                let habits = &self.world.habits;
                for live in &state.executions {
                    let since = match live.is_ours {
                        true if self.world.asked.public => live.began + habits.lists_group_after,
                        true => live.began,
                        false if habits.older == usize::MAX => live.began,
                        false => Ms::MAX,
                    };
                    if let Some(status) = live.shown_group(shown_at)
                        && since <= shown_at
                    {
                        state.groups.push((state.requests, live.id, status));
                    }
                }
            }
            Call::Rows => {
                let look = {
                    let state = self.state.borrow();
                    let listed = self.listed(&state, shown_at, asked_group(request).as_deref());
                    let is_unreadable = |live: &Live| {
                        let mut rows = live.shown_rows(shown_at).into_iter();
                        rows.any(|(run, _)| {
                            self.world.is_unreadable(live, run) && !self.leaves_out(live, run)
                        })
                    };
                    if listed.iter().any(|live| is_unreadable(live)) {
                        return;
                    }
                    // What was over before the trigger was sent is in the list before it.
                    let sent_at = state.triggers.last().map(|one| one.at);
                    let newer =
                        |live: &&&Live| sent_at.is_some_and(|at| live.began + live.plan.over >= at);
                    let rows = |live: &&Live| {
                        let rows = live.shown_rows(shown_at).into_iter();
                        rows.filter(|(run, _)| !self.leaves_out(live, run)).count()
                    };
                    Look {
                        at,
                        request: state.requests,
                        ours: listed.iter().filter(|live| live.is_ours).map(rows).sum(),
                        foreign: listed
                            .iter()
                            .filter(|live| !live.is_ours)
                            .filter(newer)
                            .map(rows)
                            .sum(),
                    }
                };
                let saw = self.state.borrow().executions.iter().any(|live| {
                    live.is_ours
                        && live.shown_rows(shown_at).iter().any(|(run, status)| {
                            run.forgotten.is_some()
                                && *status == Status::Failed
                                && !self.leaves_out(live, run)
                        })
                });
                let mut state = self.state.borrow_mut();
                state.saw_forgotten |= saw;
                state.looks.push(look);
            }
        }
    }

    fn refusal(&self, fate: &Fate, status: u16, after: Option<u64>, message: &str) -> Response {
        let body = if self.world.habits.shape & 1 == 0 {
            json!({"error": {"message": message, "details": "", "timestamp": "t"}})
        } else {
            json!({ "Message": message })
        };
        self.respond(fate, status, after, body.to_string().as_str().into())
    }

    /// Puts the head to an answer, whose `Date` is of when it was made.
    fn respond(
        &self,
        fate: &Fate,
        status: u16,
        retry_after: Option<u64>,
        answer: Answer,
    ) -> Response {
        let mut response = http::Response::new(answer.body);
        let status = match answer.sign {
            Some(Sign::Partial) => 206,
            Some(_) | None => status,
        };
        *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
        let headers = response.headers_mut();
        if self.world.habits.gives_date {
            let date = self.wall(fate.made_at + self.world.habits.date_skew);
            let date =
                jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date);
            headers.insert("date", date.expect("a date").parse().expect("a header"));
        }
        if fate.age > 0 {
            headers.insert("age", (fate.age / SECOND).into());
        }
        if answer.sign == Some(Sign::Link) {
            let link = "<https://sofy.invalid/more?page=2>; rel=\"next\"";
            headers.insert("link", link.parse().expect("a header"));
        }
        if let Some(seconds) = retry_after {
            headers.insert("retry-after", seconds.into());
        }
        response.into()
    }

    /// A list as Sofy's API gives it: most of the public ones in an envelope, which may say that some is left out.
    fn listed_as(
        &self,
        call: Call,
        mut entries: Vec<String>,
        mut left_out: usize,
        state: &State,
    ) -> Answer {
        let shape = self.world.habits.shape;
        let is_public = self.world.asked.public || call == Call::Builds;
        let cut = self.world.habits.cut;
        let cut = cut.filter(|cut| state.is_struck(call, cut.list));
        let before = cut.filter(|cut| cut.list == Call::Before);
        // So far they are in the order in which the executions began.
        let hidden = before.map_or(0, |cut| entries.len().saturating_sub(cut.keeps));
        entries.truncate(entries.len() - hidden);
        left_out += hidden;
        if self.world.habits.shuffles {
            Dice::about(self.world.seed, state.requests).shuffle(&mut entries);
        }
        let sign = cut.filter(|_| left_out > 0).and_then(|cut| cut.sign);
        let before = Before {
            hides: hidden > 0,
            is_empty: entries.is_empty(),
            says_so: sign.is_some(),
        };
        if !is_public || shape & 4 != 0 {
            let body = match &entries[..] {
                [one] if shape >> 44 & 7 == 0 && call != Call::Rows => one.clone(),
                all => format!("[{}]", all.join(",")),
            };
            let sign = sign.map(|sign| match sign {
                Sign::Partial => Sign::Partial,
                _ => Sign::Link,
            });
            return Answer { body, before, sign };
        }
        let (shown, all) = (entries.len(), entries.len() + left_out);
        let message = match sign {
            Some(Sign::Message) => format!("Fetched {shown} of {all} record(s)"),
            // In Sofy's own sample it is not the number of entries.
            Some(_) | None => format!("Fetched {} record(s)", shown as u64 + (shape >> 48 & 1)),
        };
        let more = match sign {
            Some(Sign::Total(field)) => format!(r#","{field}":{all}"#),
            Some(Sign::More(field)) => format!(r#","{field}":true"#),
            Some(Sign::Pages) => r#","totalPages":2"#.to_owned(),
            Some(Sign::NextPage) => r#","nextPage":"/more?page=2""#.to_owned(),
            Some(Sign::Pagination) => r#","meta":{"page":1,"hasMore":true}"#.to_owned(),
            Some(Sign::Error) => r#","error":{"message":"Some could not be read"}"#.to_owned(),
            Some(Sign::Message | Sign::Link | Sign::Partial) | None => String::new(),
        };
        Answer {
            body: format!(
                r#"{{"data":[{}],"message":"{message}"{more}}}"#,
                entries.join(",")
            ),
            before,
            sign,
        }
    }

    /// The answer to a call that Sofy took in.
    fn answer(&self, call: Call, request: &Request, acted: Option<u64>, fate: &Fate) -> Answer {
        let state = self.state.borrow();
        let at = fate.shows_at;
        let shape = self.world.habits.shape;
        let public = self.world.asked.public;
        let id = |id: u64| {
            if shape & 2 == 0 {
                json!(id)
            } else {
                json!(id.to_string())
            }
        };
        let body = match call {
            Call::Trigger => {
                let message = "Test runs are scheduled and in queue";
                let group = id(acted.unwrap_or_default());
                match (public, shape & 8 == 0) {
                    (false, _) => json!({"Message": message, "ScheduleTestRunsGroupID": group}),
                    (true, true) => {
                        json!({"data": [{"scheduleTestRunsGroupID": group}], "message": message})
                    }
                    (true, false) => json!({"testGroupsRunId": group, "message": message}),
                }
            }
            Call::Groups if public => {
                let mut groups = Vec::new();
                for live in self.recent(
                    state.executions.iter().filter(|live| live.began <= at),
                    |_| 1,
                ) {
                    if live.is_ours && at < live.began + self.world.habits.lists_group_after {
                        continue;
                    }
                    let Some(status) = live.shown_group(at) else {
                        continue;
                    };
                    let mut entry = json!({
                        "testRunGroupId": id(live.id),
                        "status": self.spelled(status),
                    });
                    if live.is_ours && self.world.habits.hides_our_id {
                        entry["testRunGroupId"] = Value::Null;
                    }
                    if self.world.habits.gives_executed_at {
                        entry["executedAt"] = json!(self.wall(live.began).to_string());
                    }
                    groups.push(entry.to_string());
                }
                if self.world.habits.lists_a_nameless_group {
                    groups.push(r#"{"testRunGroupId":null,"status":"Running"}"#.to_owned());
                }
                let left_out = usize::from(self.world.says_that_it_is_cut(call));
                return self.listed_as(call, groups, left_out, &state);
            }
            Call::Groups => {
                let asked = asked_group(request).unwrap_or_default();
                let group = state
                    .executions
                    .iter()
                    .find(|live| live.id.to_string() == asked && live.began <= at);
                let Some(status) = group.and_then(|live| live.shown_group(at)) else {
                    return "[]".into();
                };
                json!([{
                    "ScheduleTestRunsGroupID": id(asked.parse().unwrap_or_default()),
                    "ScheduleTestRunsGroupStatus": self.spelled(status),
                }])
            }
            Call::Rows => {
                let mut rows = Vec::new();
                let mut left_out = 0;
                for live in self.listed(&state, at, asked_group(request).as_deref()) {
                    for (run, status) in live.shown_rows(at) {
                        if self.leaves_out(live, run) {
                            left_out += 1;
                        } else if self.world.is_unreadable(live, run) {
                            rows.push("null".to_owned());
                        } else {
                            rows.push(self.row(live, run, status, at));
                        }
                    }
                }
                return self.listed_as(call, rows, left_out, &state);
            }
            Call::Builds => return self.applications(&state, at),
            Call::Upload | Call::Before => Value::Null,
            Call::Abort => json!({"message": match acted {
                Some(_) => "Scheduled run aborted by user successfully.",
                None => "No test runs could be aborted for this scheduled run. They may have \
                         already completed or are in a non-abortable state.",
            }}),
        };
        body.to_string().as_str().into()
    }

    /// Tells whether the list of an execution's test runs ends before this one.
    fn leaves_out(&self, live: &Live, run: &super::world::Run) -> bool {
        let mut shown = live.plan.shown_of(self.world.keeps(Call::Rows));
        !shown.any(|shown| std::ptr::eq(shown, run))
    }

    fn spelled(&self, status: Status) -> &'static str {
        let spellings = status.spellings();
        let variant = (self.world.habits.shape >> 8) as usize + status as usize;
        // Mostly as documented, which is the first.
        if self.world.habits.shape & 0x30 == 0 {
            spellings[variant % spellings.len()]
        } else {
            spellings[0]
        }
    }

    /// The executions whose rows the list shows.
    fn listed<'state>(
        &self,
        state: &'state State,
        at: Ms,
        asked: Option<&str>,
    ) -> Vec<&'state Live> {
        let mut begun: Vec<&Live> = state
            .executions
            .iter()
            .filter(|live| live.began <= at)
            .collect();
        if self.world.asked.public {
            begun.retain(|live| Some(live.id.to_string().as_str()) == asked);
            return begun;
        }
        begun.sort_by_key(|live| live.began);
        begun = self.recent(begun.into_iter(), |live| live.plan.runs.len());
        let newest = match self.world.habits.listing {
            Listing::All => 0,
            Listing::Newest => begun.len().saturating_sub(1),
            Listing::NewestWithRows => begun
                .iter()
                .rposition(|live| !live.shown_rows(at).is_empty())
                .unwrap_or(0),
            Listing::Lingering(lingers) => {
                let newest = begun.len().saturating_sub(1);
                match begun.last() {
                    Some(last) if at < last.began + lingers => newest.saturating_sub(1),
                    Some(_) | None => newest,
                }
            }
        };
        begun.split_off(newest.min(begun.len()))
    }

    /// Leaves out the oldest, where a list shows only so many entries that are older than ours.
    fn recent<'live>(
        &self,
        begun: impl Iterator<Item = &'live Live>,
        entries: impl Fn(&Live) -> usize,
    ) -> Vec<&'live Live> {
        let mut begun: Vec<&Live> = begun.collect();
        begun.sort_by_key(|live| std::cmp::Reverse(live.began));
        let ours = begun.iter().position(|live| live.is_ours);
        let mut left = self.world.habits.older;
        let mut place = 0;
        begun.retain(|live| {
            let is_older = ours.is_none_or(|ours| place > ours);
            place += 1;
            if is_older {
                let entries = entries(live);
                let fits = entries <= left;
                left = left.saturating_sub(entries);
                return fits;
            }
            true
        });
        begun.reverse();
        begun
    }

    /// None of what a world draws has in it what JSON escapes.
    fn row(&self, live: &Live, run: &super::world::Run, status: Status, at: Ms) -> String {
        let habits = &self.world.habits;
        let build = self.world.builds[live.plan.build].text();
        let status = match status {
            Status::Null => "null".to_owned(),
            status => format!("\"{}\"", self.spelled(status)),
        };
        let started = run
            .history
            .first()
            .map_or(0, |(at, _)| live.began + at + run.lag);
        let mut scheduled_at = if habits.time_moves && at >= started {
            self.clock(started)
        } else {
            live.scheduled_at.clone()
        };
        match habits.times {
            Times::Documented => {}
            Times::Respelt => scheduled_at = respelt(&scheduled_at, at),
            Times::Blank => scheduled_at.clear(),
        }
        if self.world.asked.public {
            return format!(
                r#"{{"scheduledRunName":"Nightly","testRunGroupId":{},"scenarioName":"{}","scheduledAt":"{scheduled_at}","build":"{build}","device":"{}","status":{status}}}"#,
                live.id, run.scenario, run.device,
            );
        }
        let (version, number) = match build.trim_end_matches(')').split_once('(') {
            Some((version, number)) => (version, number),
            None => (build, ""),
        };
        let names_group = match habits.names_group {
            Names::None => false,
            Names::Some => run.listed % 2 == 0,
            Names::All => true,
        };
        let group = if names_group {
            format!(r#","ScheduleTestRunsGroupID":{}"#, live.id)
        } else {
            String::new()
        };
        format!(
            r#"{{"Scheduled_Name":"Nightly","ScenarioName":"{}","ScheduledAt":"{scheduled_at}","Version":"{version}","CodeName":"","BuildNumber":"{number}","Manufacturer":"Apple","Model":"{}","Statusvalue":{status}{group}}}"#,
            run.scenario, run.device,
        )
    }

    fn applications(&self, state: &State, at: Ms) -> Answer {
        let habits = &self.world.habits;
        let has = |clutter: Clutter| habits.clutter.contains(&clutter);
        let listed = self.world.listed(state, at);
        let mut applications = Vec::new();
        for application in 0..2 {
            let mut builds = Vec::new();
            for n in &listed {
                let build = &self.world.builds[*n];
                if build.application != application {
                    continue;
                }
                let names = self.world.names(*n, state, at);
                let name = |name: &str| names.contains(&name).then(|| name.to_owned());
                builds.push(json!({
                    "app_hash": (!build.hides_hash).then_some(&build.hash),
                    "build_id": name(&build.id),
                    "build_friendly_name": name(&build.friendly),
                    "build_package_name": "io.x.y",
                }));
            }
            if application == 0 && has(Clutter::NullBuild) {
                builds.push(Value::Null);
            }
            if application == 0 && has(Clutter::TextBuild) {
                builds.insert(0, json!("see the portal"));
            }
            let builds = match builds.as_slice() {
                [one] if habits.shape >> 45 & 3 == 0 => one.clone(),
                _ => Value::Array(builds),
            };
            let guid = if application == 1 && has(Clutter::GuidIsObject) {
                json!({"guid": "app-1"})
            } else {
                json!(format!("app-{application}"))
            };
            applications.push(json!({
                "application_guid": guid,
                "platform_name": if application == 0 { "ANDROID" } else { "IOS" },
                "application_builds": builds,
            }));
        }
        for (clutter, application) in [
            (Clutter::NullApplication, Value::Null),
            (Clutter::TextApplication, json!("none")),
            (
                Clutter::BuildsAreText,
                json!({"application_guid": "app-2", "application_builds": ""}),
            ),
            (
                Clutter::NoBuilds,
                json!({"application_guid": "app-3", "application_builds": null}),
            ),
        ] {
            if has(clutter) {
                applications.push(application);
            }
        }
        let all = (0..self.world.builds.len()).filter(|n| self.world.lists(*n, state, at));
        let left_out = all.count() - listed.len();
        let applications = applications.iter().map(Value::to_string).collect();
        self.listed_as(Call::Builds, applications, left_out, state)
    }
}

impl Live {
    /// What Sofy says of the group at a moment.
    pub(super) fn shown_group(&self, at: Ms) -> Option<Status> {
        if self.aborted.is_some_and(|aborted| at >= aborted) && !self.was_over_at(self.aborted) {
            return Some(Status::CompleteWithErrors);
        }
        let shown = self.plan.group.iter().rev();
        shown
            .clone()
            .find(|(since, _)| self.began + since <= at)
            .map(|(_, status)| *status)
    }

    fn is_abortable(&self, at: Ms) -> bool {
        (self.began + self.plan.abortable..self.began + self.plan.over).contains(&at)
    }

    fn was_over_at(&self, at: Option<Ms>) -> bool {
        at.is_some_and(|at| at >= self.began + self.plan.over)
    }

    /// The rows that Sofy shows of it, each with its status.
    pub(super) fn shown_rows(&self, at: Ms) -> Vec<(&super::world::Run, Status)> {
        let mut rows = Vec::new();
        for run in &self.plan.runs {
            let Glitch::Status(mut status) = run.shown(at - self.began) else {
                continue;
            };
            if let Some(aborted) = self.aborted.filter(|aborted| at >= *aborted)
                && run
                    .history
                    .last()
                    .is_some_and(|(end, _)| self.began + end > aborted)
            {
                status = Status::Stopped;
            }
            rows.push((run, status));
            if run.is_shown_twice(at - self.began) {
                rows.push((run, status));
            }
        }
        rows
    }
}

fn lost(why: &str) -> Result<Response, ApiError> {
    let message = format!("Sofy did not answer ({why})");
    Err(ApiError::new(ErrorKind::OutcomeUnknown, message))
}

/// The same moment with another number of digits, which changes from look to look.
fn respelt(time: &str, at: Ms) -> String {
    let (time, zone) = time
        .strip_suffix('Z')
        .map_or((time, ""), |time| (time, "Z"));
    let zeros = "0".repeat(usize::try_from(at.rem_euclid(3)).unwrap_or(0));
    if time.contains('.') || zeros.is_empty() {
        format!(
            "{time}{}{zone}",
            if time.contains('.') { &zeros } else { "" }
        )
    } else {
        format!("{time}.{zeros}{zone}")
    }
}

/// The group that a request is about.
fn asked_group(request: &Request) -> Option<String> {
    let url = request.url();
    if let Some((_, id)) = url
        .query_pairs()
        .find(|(name, _)| name == "ScheduleTestRunsGroupID")
    {
        return Some(id.into_owned());
    }
    let (before, id) = url.path().rsplit_once('/')?;
    before
        .ends_with(&format!("{GUID}/status"))
        .then(|| id.to_owned())
}

/// A body whose connection is cut in its middle.
struct Cut {
    rest: Option<Bytes>,
    until: Pin<Box<Sleep>>,
}

impl Cut {
    fn after(mut body: Vec<u8>, until: Instant) -> Self {
        body.truncate(body.len() / 2);
        Self {
            rest: Some(body.into()),
            until: Box::pin(sleep_until(until)),
        }
    }
}

impl http_body::Body for Cut {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(half) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        match self.until.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into()))),
            Poll::Pending => Poll::Pending,
        }
    }
}

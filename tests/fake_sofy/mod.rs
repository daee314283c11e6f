//! What would Sofy say? A stateful double of both API generations on a socket of its own.
//!
//! Shared by the black-box tests and the examples. A thread for each connection and nothing but std: an HTTP
//! mock keeps no connection open past its answer, and half of what matters here is connections that are cut.
#![allow(
    dead_code,
    reason = "each target that includes this file uses its own part of it"
)]

pub(crate) mod upload;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use upload::{Build, Hashes, Upload, UploadFault};

/// The newest `ScheduledAt` before the first trigger, as the classic API spells it.
pub(crate) const YESTERDAY: &str = "2026-01-05T06:14:39.2";
/// For tests its clock stands still, at the second in which its first execution begins.
/// The group of yesterday's execution.
pub(crate) const YESTERDAYS_GROUP: u64 = 70_000;
/// A schedule of the classic API; every row passes unless the script says otherwise.
pub(crate) const CLASSIC: &str = "1888";
/// A schedule of the public API.
pub(crate) const PUBLIC: &str = "3f2b8c1e-7a4d-4e5f-9b6a-0c1d2e3f4a5b";

/// A scenario on a device, and how it ends.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) scenario: String,
    pub(crate) device: String,
    pub(crate) ends: String,
}

impl Row {
    pub(crate) fn new(scenario: &str, device: &str, ends: &str) -> Self {
        Self {
            scenario: scenario.to_owned(),
            device: device.to_owned(),
            ends: ends.to_owned(),
        }
    }
}

/// Which executions' rows the classic API lists: documented nowhere, so each is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Only those of the newest execution.
    NewestOnly,
    /// Those of every execution.
    All,
    /// The previous execution's for this many looks at the rows, then the newest's.
    Lagging(u32),
    /// Only the newest execution's, and `ScheduledAt` never changes.
    SameScheduledAt,
}

/// How long a run is queued and how long it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Counted in looks, so that a test takes no longer than it must.
    Looks { queued: u32, running: u32 },
    /// Counted in time, for people to watch; the clock is the real one then.
    Time { queued: Duration, running: Duration },
    /// Never done.
    Never,
}

/// What goes wrong with the trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TriggerFault {
    None,
    /// The run starts, the answer is a 500.
    ErrorAfterTheFact,
    /// The run starts, the connection ends without an answer.
    LostAnswer,
    /// No run starts: 429 this many times.
    Refused(u32),
    /// No run starts: 500 with the key and hostile text in its message.
    EchoedKey,
}

/// What the abort answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AbortAnswer {
    Aborted,
    NothingToAbort,
    ServerError,
}

/// Everything that a test may want to be different.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) listen: String,
    pub(crate) rows: Vec<Row>,
    /// Rows of single schedules that differ from `rows`.
    pub(crate) rows_of: BTreeMap<String, Vec<Row>>,
    /// The rows of the execution before; empty for a schedule that never ran.
    pub(crate) yesterday: Vec<Row>,
    pub(crate) listing: Listing,
    pub(crate) pace: Pace,
    /// The group's last status; `None` for what Sofy documents for such rows.
    pub(crate) group_ends: Option<String>,
    pub(crate) trigger: TriggerFault,
    pub(crate) bad_key: bool,
    pub(crate) abort: AbortAnswer,
    pub(crate) abort_delay: Duration,
    /// The group's ID as text instead of a number, in the other documented shape.
    pub(crate) id_as_text: bool,
    /// Whether a classic row carries its group, which is documented nowhere.
    pub(crate) rows_name_group: bool,
    /// Rows of the classic API have the fewest fields that say something, so that many fit in an answer.
    pub(crate) rows_are_short: bool,
    /// The rows of somebody else's run, which starts two seconds after each of this step's; none if empty.
    pub(crate) overlapping: Vec<Row>,
    /// After a trigger, this many requests are answered with a 503.
    pub(crate) outage: u32,
    /// One for each upload, in turn; those after them go well.
    pub(crate) uploads: Vec<UploadFault>,
    pub(crate) hashes: Hashes,
    /// The builds that Sofy has, those of uploads included.
    pub(crate) builds: Vec<Build>,
    /// For so many looks the list of builds does not show a new one, and for so many it fails.
    pub(crate) list_lags: u32,
    pub(crate) list_failures: u32,
}

impl Default for Script {
    fn default() -> Self {
        let rows = vec![
            Row::new("Log in", "Pixel 8", "Passed"),
            Row::new("Search", "Pixel 8", "Passed"),
            Row::new("Check out", "iPhone13,2", "Passed"),
        ];
        Self {
            listen: "127.0.0.1:0".to_owned(),
            yesterday: rows.clone(),
            rows,
            rows_of: BTreeMap::new(),
            listing: Listing::NewestOnly,
            pace: Pace::Looks {
                queued: 1,
                running: 1,
            },
            group_ends: None,
            trigger: TriggerFault::None,
            bad_key: false,
            abort: AbortAnswer::Aborted,
            abort_delay: Duration::ZERO,
            id_as_text: false,
            rows_name_group: false,
            rows_are_short: false,
            overlapping: Vec::new(),
            outage: 0,
            uploads: Vec::new(),
            hashes: Hashes::Md5,
            builds: Vec::new(),
            list_lags: 0,
            list_failures: 0,
        }
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) at: Instant,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.target
            .split_once('?')?
            .1
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    fn is_trigger(&self) -> bool {
        self.path().ends_with("/ScheduleAutomatedTestRun") || self.path().ends_with("/execute")
    }
}

/// The double; it stops when dropped.
pub(crate) struct FakeSofy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

impl FakeSofy {
    pub(crate) fn start(script: Script) -> Self {
        let listen = script.listen.clone();
        Self::try_start(script).unwrap_or_else(|error| panic!("cannot listen on {listen}: {error}"))
    }

    pub(crate) fn try_start(script: Script) -> std::io::Result<Self> {
        let listener = TcpListener::bind(&script.listen)?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            script,
            requests: Vec::new(),
            runs: Vec::new(),
            uploads: Vec::new(),
            stored: Vec::new(),
            refused: 0,
        }));
        let stopped = Arc::new(AtomicBool::new(false));
        let (shared, stop) = (Arc::clone(&state), Arc::clone(&stopped));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // What the client hangs up on is the client's business.
                thread::spawn(move || serve(&stream, &shared).ok());
            }
        });
        Ok(Self {
            address,
            state,
            stopped,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        lock(&self.state).requests.clone()
    }

    /// The uploads that arrived whole.
    pub(crate) fn uploads(&self) -> Vec<Upload> {
        lock(&self.state).uploads.clone()
    }

    /// How many triggers were received, refused ones included.
    pub(crate) fn triggers(&self) -> usize {
        let state = lock(&self.state);
        state.requests.iter().filter(|r| r.is_trigger()).count()
    }

    /// How many runs were started.
    pub(crate) fn runs(&self) -> usize {
        lock(&self.state).runs.len()
    }

    /// The queries of the aborts that were received.
    pub(crate) fn aborts(&self) -> Vec<String> {
        self.requests()
            .iter()
            .filter(|r| r.path().contains("/abort/"))
            .map(|r| {
                r.target
                    .split_once('?')
                    .map_or("", |(_, query)| query)
                    .to_owned()
            })
            .collect()
    }

    /// Starts a run as somebody else would, and tells its group.
    pub(crate) fn start_run(&self, schedule: &str) -> u64 {
        lock(&self.state).start_run(schedule)
    }
}

impl Drop for FakeSofy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        drop(TcpStream::connect_timeout(
            &self.address,
            Duration::from_secs(1),
        ));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn real_time(format: &str) -> String {
    jiff::Timestamp::now().strftime(format).to_string()
}

struct Run {
    schedule: String,
    group: u64,
    scheduled_at: String,
    /// When it was triggered, by the clock that `Date` shows.
    executed_at: String,
    rows: Vec<Row>,
    started: Instant,
    looks_at_group: u32,
    looks_at_rows: u32,
    aborted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Queued,
    /// With the share of test runs that are over, in percent.
    Running(usize),
    Done,
}

impl Run {
    fn phase(&self, pace: Pace) -> Phase {
        let (at, queued, running) = match pace {
            _ if self.aborted => return Phase::Done,
            Pace::Never => return Phase::Running(0),
            Pace::Looks { queued, running } => {
                let looks = self.looks_at_group.max(self.looks_at_rows);
                (
                    looks.saturating_sub(1).into(),
                    u128::from(queued),
                    u128::from(running),
                )
            }
            Pace::Time { queued, running } => (
                self.started.elapsed().as_millis(),
                queued.as_millis(),
                running.as_millis(),
            ),
        };
        if at < queued {
            Phase::Queued
        } else if at < queued + running {
            Phase::Running(usize::try_from((at - queued) * 100 / running.max(1)).unwrap_or(0))
        } else {
            Phase::Done
        }
    }

    /// Rows with their status now; none while the group is queued.
    fn rows_now(&self, pace: Pace) -> Vec<(&Row, String)> {
        let over = match self.phase(pace) {
            Phase::Queued => return Vec::new(),
            Phase::Running(percent) => self.rows.len() * percent / 100,
            Phase::Done => self.rows.len(),
        };
        let status = |(i, row): (usize, &Row)| match () {
            () if self.aborted => "Stopped".to_owned(),
            () if i < over => row.ends.clone(),
            () => "Running".to_owned(),
        };
        self.rows
            .iter()
            .enumerate()
            .map(|(i, row)| (row, status((i, row))))
            .collect()
    }

    fn status(&self, script: &Script) -> String {
        match self.phase(script.pace) {
            Phase::Queued => "Queued".to_owned(),
            Phase::Running(_) => "Running".to_owned(),
            Phase::Done if self.aborted => "Complete with errors".to_owned(),
            Phase::Done => script.group_ends.clone().unwrap_or_else(|| {
                let plain = |row: &Row| matches!(row.ends.as_str(), "Passed" | "Failed");
                if self.rows.iter().all(plain) {
                    "Complete"
                } else {
                    "Complete with errors"
                }
                .to_owned()
            }),
        }
    }
}

struct State {
    script: Script,
    requests: Vec<Request>,
    runs: Vec<Run>,
    uploads: Vec<Upload>,
    /// The digests of what was uploaded and kept.
    stored: Vec<String>,
    refused: u32,
}

enum Answer {
    Whole(u16, &'static str, String),
    Nothing,
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        Self::Whole(status, "application/json", body.to_string())
    }

    fn error(status: u16, message: &str) -> Self {
        Self::json(
            status,
            &json!({"error": {"message": message, "details": message, "timestamp": "2026-01-06T20:39:00.000Z"}}),
        )
    }
}

impl State {
    fn start_run(&mut self, schedule: &str) -> u64 {
        let n = self.runs.len() as u64 + 1;
        let group = YESTERDAYS_GROUP + n;
        let scheduled_at = match (self.script.listing, self.script.pace) {
            (Listing::SameScheduledAt, _) => YESTERDAY.to_owned(),
            // No two runs begin at the same time.
            (_, Pace::Time { .. }) => real_time(&format!("%Y-%m-%dT%H:%M:%S.{n:03}")),
            (_, _) => format!("2026-01-06T20:{n:02}:26.02"),
        };
        let rows = self
            .script
            .rows_of
            .get(schedule)
            .unwrap_or(&self.script.rows)
            .clone();
        self.runs.push(Run {
            schedule: schedule.to_owned(),
            group,
            scheduled_at,
            executed_at: real_time("%Y-%m-%dT%H:%M:%S%.3fZ"),
            rows,
            started: Instant::now(),
            looks_at_group: 0,
            looks_at_rows: 0,
            aborted: false,
        });
        group
    }

    /// The `Date` of an answer.
    fn date() -> String {
        real_time("%a, %d %b %Y %H:%M:%S GMT")
    }

    fn id(&self, group: u64) -> Value {
        if self.script.id_as_text {
            json!(group.to_string())
        } else {
            json!(group)
        }
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let path = request.path().trim_matches('/').to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        let body: Value = serde_json::from_str(&request.body).unwrap_or(Value::Null);
        let classic = matches!(parts.as_slice(), ["api", "CICD", _]);
        let key = if classic {
            body["APIKey"].as_str().unwrap_or_default().to_owned()
        } else {
            request
                .header("x-sofy-auth-key")
                .unwrap_or_default()
                .to_owned()
        };
        if key.is_empty() {
            return Answer::error(400, "Missing required headers.");
        }
        if self.script.bad_key {
            return Answer::error(401, "Invalid Auth Key.");
        }
        if !self.runs.is_empty() && self.script.outage > 0 {
            self.script.outage -= 1;
            return Answer::Whole(503, "text/html", "<h1>Back soon</h1>".to_owned());
        }
        let schedule = match body["ScheduledID"].as_u64() {
            Some(number) => number.to_string(),
            None if classic => return Answer::error(400, "ScheduledID must be a number."),
            None => String::new(),
        };
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["api", "CICD", "ScheduleAutomatedTestRun"]) => {
                self.trigger(&schedule, &key, classic)
            }
            ("POST", ["api", "CICD", "ScheduleAutomatedTestRunStatus"]) => {
                match request.query("ScheduleTestRunsGroupID") {
                    Some(group) => self.classic_group(&schedule, group),
                    None => self.classic_rows(&schedule),
                }
            }
            ("POST", ["scheduler-microservice", "scheduled-runs", guid, "execute"]) => {
                self.trigger(guid, &key, classic)
            }
            (
                "GET",
                [
                    "scheduler-microservice",
                    "scheduled-runs",
                    guid,
                    "status",
                    group,
                ],
            ) => self.public_rows(guid, group),
            (
                "GET",
                [
                    "scheduler-microservice",
                    "scheduled-runs",
                    guid,
                    "test-run-groups",
                ],
            ) => self.public_groups(guid),
            (
                "PUT",
                [
                    "scheduler-microservice",
                    "public",
                    "test-run",
                    "abort",
                    guid,
                ],
            ) => self.abort(guid, request.query("testRunGroupId")),
            ("GET", ["application-microservice", "public", "applications"]) => self.builds(),
            _ => Answer::Whole(
                404,
                "text/html",
                "<html><body>404 Not Found</body></html>".to_owned(),
            ),
        }
    }

    fn trigger(&mut self, schedule: &str, key: &str, classic: bool) -> Answer {
        match self.script.trigger {
            TriggerFault::Refused(times) if self.refused < times => {
                self.refused += 1;
                return Answer::error(429, "Too many requests.");
            }
            TriggerFault::EchoedKey => {
                return Answer::error(
                    500,
                    &format!(
                        "Validation failed for parameter 'subscriptionAuth' ({key}).\n::error::pwned ##[error]pwned"
                    ),
                );
            }
            _ => {}
        }
        let group = self.start_run(schedule);
        if !self.script.overlapping.is_empty() {
            self.start_run(schedule);
            if let Some(other) = self.runs.last_mut() {
                other.started += Duration::from_secs(2);
                other.rows.clone_from(&self.script.overlapping);
            }
        }
        match self.script.trigger {
            TriggerFault::ErrorAfterTheFact => return Answer::error(500, "Internal Server Error."),
            TriggerFault::LostAnswer => return Answer::Nothing,
            _ => {}
        }
        let id = self.id(group);
        let message =
            "Test runs are scheduled and in queue, Login to https://portal.sofy.ai for more info.";
        Answer::json(
            200,
            &match (classic, self.script.id_as_text) {
                (true, _) => json!({"Message": message, "ScheduleTestRunsGroupID": id}),
                (false, false) => {
                    json!({"data": [{"scheduleTestRunsGroupID": id}], "message": message})
                }
                (false, true) => json!({"testGroupsRunId": id, "message": message}),
            },
        )
    }

    fn classic_group(&mut self, schedule: &str, group: &str) -> Answer {
        let found = self
            .runs
            .iter_mut()
            .find(|run| run.schedule == schedule && run.group.to_string() == group);
        let Some(run) = found else {
            return Answer::json(200, &json!([]));
        };
        run.looks_at_group += 1;
        let (group, status) = (run.group, run.status(&self.script));
        Answer::json(
            200,
            &json!([{"ScheduleTestRunsGroupID": self.id(group), "ScheduleTestRunsGroupStatus": status}]),
        )
    }

    fn classic_rows(&mut self, schedule: &str) -> Answer {
        let (listing, pace) = (self.script.listing, self.script.pace);
        let (named, short) = (self.script.rows_name_group, self.script.rows_are_short);
        let row = |row: &Row, status: &str, at: &str, group: u64| {
            if short {
                return json!({
                    "ScenarioName": row.scenario, "ScheduledAt": at, "Model": row.device, "Statusvalue": status,
                });
            }
            let mut value = json!({
                "Scheduled_Name": "Nightly", "ScenarioName": row.scenario, "ScheduledAt": at,
                "Version": "1.43.0", "CodeName": "", "BuildNumber": "5768", "Manufacturer": "Acme",
                "Model": row.device, "Statusvalue": status,
            });
            if named {
                value["ScheduleTestRunsGroupID"] = json!(group);
            }
            value
        };
        let older = self
            .script
            .yesterday
            .iter()
            .map(|r| row(r, &r.ends, YESTERDAY, YESTERDAYS_GROUP));
        let mut ours = self
            .runs
            .iter_mut()
            .filter(|run| run.schedule == schedule)
            .collect::<Vec<_>>();
        let Some(newest) = ours.last_mut() else {
            return Answer::json(200, &older.collect());
        };
        newest.looks_at_rows += 1;
        let lags = matches!(listing, Listing::Lagging(n) if newest.looks_at_rows <= n);
        let rows_of = |run: &Run| -> Vec<Value> {
            run.rows_now(pace)
                .iter()
                .map(|(r, status)| row(r, status, &run.scheduled_at, run.group))
                .collect()
        };
        let rows: Vec<Value> = match (listing, ours.as_slice()) {
            (Listing::All, runs) => runs
                .iter()
                .flat_map(|run| rows_of(run))
                .chain(older)
                .collect(),
            (_, [.., previous, _]) if lags => rows_of(previous),
            (_, _) if lags => older.collect(),
            (_, [.., newest]) => rows_of(newest),
            (_, []) => Vec::new(),
        };
        Answer::json(200, &Value::Array(rows))
    }

    fn public_rows(&mut self, guid: &str, group: &str) -> Answer {
        let row = |row: &Row, status: &str, at: &str, group: u64| {
            let status = if status == "Stopped" {
                "Run Stopped"
            } else {
                status
            };
            json!({
                "scheduledRunName": "Nightly", "testRunGroupId": group,
                "scenarioName": row.scenario, "scheduledAt": format!("{at}Z"),
                "build": upload::BUILD, "device": row.device, "status": status,
            })
        };
        let pace = self.script.pace;
        let found = self
            .runs
            .iter_mut()
            .find(|run| run.schedule == guid && run.group.to_string() == group);
        let rows: Vec<Value> = match found {
            Some(run) => {
                run.looks_at_rows += 1;
                let now = run.rows_now(pace).into_iter();
                now.map(|(r, status)| row(r, &status, &run.scheduled_at, run.group))
                    .collect()
            }
            None if group == YESTERDAYS_GROUP.to_string() => {
                let yesterday = self.script.yesterday.iter();
                yesterday
                    .map(|r| row(r, &r.ends, YESTERDAY, YESTERDAYS_GROUP))
                    .collect()
            }
            None => Vec::new(),
        };
        Answer::json(200, &json!({"data": rows, "message": "OK"}))
    }

    fn public_groups(&mut self, guid: &str) -> Answer {
        let mut groups = Vec::new();
        for run in self.runs.iter_mut().filter(|run| run.schedule == guid) {
            run.looks_at_group += 1;
            let executed_at = run.executed_at.clone();
            groups.push((run.group, executed_at, run.status(&self.script)));
        }
        if !self.script.yesterday.is_empty() {
            groups.push((
                YESTERDAYS_GROUP,
                format!("{YESTERDAY}Z"),
                "Complete".to_owned(),
            ));
        }
        let groups: Vec<Value> = groups
            .into_iter()
            .map(|(group, at, status)| json!({"testRunGroupId": self.id(group), "executedAt": at, "status": status}))
            .collect();
        Answer::json(200, &json!({"data": groups, "message": "OK"}))
    }

    fn abort(&mut self, guid: &str, group: Option<&str>) -> Answer {
        match self.script.abort {
            AbortAnswer::Aborted => {}
            AbortAnswer::NothingToAbort => {
                return Answer::json(
                    200,
                    &json!({"message": "No test runs could be aborted for this scheduled run. They may have already completed or are in a non-abortable state."}),
                );
            }
            AbortAnswer::ServerError => return Answer::error(500, "Internal Server Error."),
        }
        for run in self.runs.iter_mut().filter(|run| run.schedule == guid) {
            // Unscoped it aborts other people's runs too: as Sofy does.
            run.aborted |= group.is_none_or(|group| group == run.group.to_string());
        }
        Answer::json(
            200,
            &json!({"message": format!("Scheduled run {guid} aborted by user ci@example.com successfully.")}),
        )
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim_end().split_once(':') {
            Some((key, value)) => headers.push((key.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    let length = headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let mut request = Request {
        method,
        target,
        headers,
        body: String::new(),
        at: Instant::now(),
    };
    if upload::is_upload(&request) {
        let answer = upload::take(&request, &mut reader, stream, length, state)?;
        return respond(stream, answer);
    }
    let mut body = vec![0; usize::try_from(length).unwrap_or(0)];
    reader.read_exact(&mut body)?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    let delay = {
        let mut state = lock(state);
        state.requests.push(request.clone());
        if request.path().contains("/abort/") {
            state.script.abort_delay
        } else {
            Duration::ZERO
        }
    };
    thread::sleep(delay);
    let answer = lock(state).answer(&request);
    respond(stream, answer)
}

fn respond(mut stream: &TcpStream, answer: Answer) -> std::io::Result<()> {
    let Answer::Whole(status, kind, body) = answer else {
        return Ok(());
    };
    let (date, length) = (State::date(), body.len());
    write!(
        stream,
        "HTTP/1.1 {status} Fake\r\nDate: {date}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    stream.flush()
}

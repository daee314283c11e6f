//! Does a step ever succeed over real sockets when it should not? Worlds drawn from seeds, all of them at once.
//!
//! The simulation of `src/tests` plays many more, and stands in for everything below the head of an answer. Here sockets,
//! connection tasks, process and clock are real. A world is Sofy with one run of a few seconds, and what its connections
//! do to the answers. What the step left behind is compared with what truly happened, as there.
//!
//! `SOFY_SOCKET_WORLDS` is the number of worlds, `SOFY_SOCKET_SEED` the first of them.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::consistency::{LeftBehind, contradiction};
use crate::dice::Dice;
use crate::fake_sofy::{CLASSIC, PUBLIC};
use crate::line::reset;
use crate::step::{Gate, KEY, PLACE, Step};

/// As many as start and end within a few seconds of the longest other claim.
const WORLDS: u64 = 50;

/// Milliseconds, mostly since our run began.
type Ms = i64;

const HASH: &str = "4dde068421cce336876808763aa19239";
const ANOTHER_HASH: &str = "5eef179532ddf447987919874bb2a340";
const BUILD: &str = "2.3.0(203060)";
const ANOTHER_BUILD: &str = "2.4.0(203061)";
const OURS: u64 = 77_001;

/// Connections are bad for so long; after that a step has the time to find out what is true.
const BAD_FOR: Ms = 4_000;

pub(crate) fn no_world_ends_in_a_success_that_is_not_true() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let first = number("SOFY_SOCKET_SEED").unwrap_or(0);
    let worlds = number("SOFY_SOCKET_WORLDS").unwrap_or(WORLDS);
    let place = PLACE.get();
    let ends: Vec<(u64, Step, Vec<String>)> = thread::scope(|scope| {
        let worlds: Vec<_> = (first..first + worlds)
            .map(|seed| {
                scope.spawn(move || {
                    PLACE.set(place);
                    play(seed)
                })
            })
            .collect();
        let ends = worlds.into_iter().map(|world| world.join().unwrap());
        ends.collect()
    });
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, step, _) in &ends {
        *counts.entry(step.output("conclusion")).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(end, count)| format!("{count} {end}"))
        .collect();
    let told = format!(
        "{worlds} worlds over real sockets (SOFY_SOCKET_WORLDS says how many): {}\n",
        counts.join(", ")
    );
    // Past what the test harness hides.
    io::stdout().write_all(told.as_bytes()).unwrap();
    let broken: Vec<_> = ends
        .iter()
        .filter(|(.., broken)| !broken.is_empty())
        .collect();
    let list: Vec<String> = broken
        .iter()
        .map(|(seed, _, broken)| {
            format!(
                "SOFY_SOCKET_SEED={seed} SOFY_SOCKET_WORLDS=1: {}",
                broken.join("; ")
            )
        })
        .collect();
    if let Some((seed, step, _)) = broken.first() {
        panic!(
            "{}\n{:#?}\n{}",
            list.join("\n"),
            World::of(*seed),
            step.stdout
        );
    }
}

fn play(seed: u64) -> (u64, Step, Vec<String>) {
    let world = World::of(seed);
    let server = Server::start(world.clone());
    let mut gate = Gate::at(&server.url)
        .input("schedule-id", if world.public { PUBLIC } else { CLASSIC })
        .input("timeout", &format!("{}s", world.timeout))
        .input("junit-path", "report.xml")
        .input("json-path", "report.json");
    if world.builds.is_some() {
        gate = gate.input("app-hash", HASH);
    }
    if world.tolerates {
        gate = gate.input("fail-on", "failed, not-executed, stopped");
    }
    let started = gate.start();
    if let Some(at) = world.cancelled {
        // Before that, nobody listens for signals.
        while server.lock().requests == 0 {
            thread::sleep(millis(20));
        }
        thread::sleep(Duration::from_millis(at.unsigned_abs()));
        server.lock().cancelled = Some(Instant::now());
        started.signal("INT");
    }
    let step = started.end();
    let broken = broken(&world, &server.lock(), &step);
    (seed, step, broken)
}

/// One run of a schedule, what Sofy lists of it, and what becomes of the answers.
#[derive(Clone, Debug)]
struct World {
    seed: u64,
    public: bool,
    /// Seconds.
    timeout: u64,
    tolerates: bool,
    cancelled: Option<Ms>,
    test_runs: Vec<TestRun>,
    /// When the group is shown as finished, and how.
    finished: Ms,
    group: &'static str,
    /// What the list of builds shows, if a hash is asked for.
    builds: Option<Builds>,
    /// The list of test runs leaves out the last one, and says so.
    is_cut: bool,
    /// The classic list has yesterday's test runs besides ours.
    lists_all: bool,
    /// Somebody's run of a minute before is listed only after our trigger.
    lags: bool,
    trigger: Trigger,
    /// Of a hundred answers, so many are lost as long as connections are bad.
    lost: i64,
    /// The same of answers that arrive in an odd form.
    odd: i64,
}

#[derive(Clone, Debug)]
struct TestRun {
    waits: Option<&'static str>,
    begins: Ms,
    ends: Ms,
    status: &'static str,
}

/// What the list of builds shows of the build that was tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Builds {
    Ours,
    /// It has our build's name, and so has another application's.
    SameNameElsewhere,
    Another,
    /// The same, uploaded while the run is on.
    AnotherIsNew,
    /// Ours is listed; some entry is no build.
    Unreadable,
    /// Ours is listed; more is left out.
    Cut,
    /// Ours has no name yet.
    Nameless,
}

/// What becomes of the trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    Answered,
    /// After so long.
    Late(Ms),
    /// Refused once, in words that leave no doubt.
    Refused,
    /// The answer is lost; it happened, or not.
    Lost {
        happens: bool,
    },
}

impl World {
    fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let luck = dice.pick(&[0, 0, 25]);
        let test_runs: Vec<TestRun> = (0..dice.from(1, 4))
            .map(|_| {
                let begins = dice.from(0, 700);
                TestRun {
                    waits: dice.pick(&[
                        Some("Running"),
                        Some("Running"),
                        Some("Queued"),
                        Some("Pending"),
                        Some(""),
                        None,
                    ]),
                    begins,
                    ends: begins + dice.from(200, 1_500),
                    status: if dice.percent(luck) {
                        dice.pick(&[
                            "Failed",
                            "Failed",
                            "Incomplete",
                            "Not Executed",
                            "Run Stopped",
                        ])
                    } else {
                        "Passed"
                    },
                }
            })
            .collect();
        let tested = |run: &TestRun| matches!(run.status, "Passed" | "Failed");
        let ends = test_runs.iter().map(|run| run.ends).max().unwrap_or(0);
        let public = dice.percent(60);
        let trigger = match dice.from(0, 9) {
            0 => Trigger::Lost { happens: true },
            1 => Trigger::Lost { happens: false },
            2 => Trigger::Refused,
            3 => Trigger::Late(dice.from(500, 2_500)),
            _ => Trigger::Answered,
        };
        let lost = dice.pick(&[0, 0, 20, 50]);
        let cancelled = dice.percent(10).then(|| dice.from(0, 4_000));
        Self {
            seed,
            public,
            timeout: if lost == 0 || cancelled.is_some() {
                120
            } else {
                11
            },
            tolerates: dice.percent(20),
            cancelled,
            finished: (ends + dice.pick(&[0, 0, -1_000, 1_000])).max(1),
            group: if test_runs.iter().all(tested) && !dice.percent(4) {
                "Complete"
            } else {
                "Complete with errors"
            },
            builds: (public && dice.percent(50)).then(|| {
                dice.pick(&[
                    Builds::Ours,
                    Builds::SameNameElsewhere,
                    Builds::Another,
                    Builds::AnotherIsNew,
                    Builds::Unreadable,
                    Builds::Cut,
                    Builds::Nameless,
                ])
            }),
            is_cut: public && test_runs.len() > 1 && dice.percent(8),
            lists_all: dice.percent(50),
            lags: dice.percent(30),
            test_runs,
            trigger,
            lost,
            odd: dice.pick(&[0, 30, 100]),
        }
    }

    /// When all that Sofy shows is as it stays.
    fn over(&self) -> Ms {
        let ends = self.test_runs.iter().map(|run| run.ends);
        ends.max().unwrap_or(0).max(self.finished)
    }

    /// Why success would not be true of our run.
    fn why_red(&self) -> Option<&'static str> {
        let is_fine = |run: &TestRun| {
            run.status == "Passed" || (self.tolerates && run.status == "Incomplete")
        };
        let passed = self.test_runs.iter().filter(|run| run.status == "Passed");
        if passed.clone().count() == 0 {
            Some("nothing passed")
        } else if !self.test_runs.iter().all(is_fine) {
            Some("a test run failed")
        } else if passed.count() == self.test_runs.len() && self.group != "Complete" {
            Some("Sofy reports errors")
        } else if self.is_cut {
            Some("the list is not whole")
        } else if matches!(self.builds, Some(Builds::Another | Builds::AnotherIsNew)) {
            Some("another build was tested")
        } else {
            None
        }
    }

    /// Tells whether nothing leaves room for another verdict than the true one.
    fn is_clear(&self) -> bool {
        let answered = matches!(
            self.trigger,
            Trigger::Answered | Trigger::Late(_) | Trigger::Refused
        );
        answered && self.lost == 0 && self.cancelled.is_none()
    }
}

/// What truly happened.
#[derive(Default)]
struct Truth {
    requests: u64,
    began: Option<Instant>,
    aborted: Option<Instant>,
    cancelled: Option<Instant>,
    /// Of every trigger that arrived: whether it happened, and whether the answer says that it did not.
    triggers: Vec<(bool, bool)>,
    /// The groups that aborts named.
    aborts: Vec<String>,
    /// Requests with the key in a wrong place, or without it.
    leaks: Vec<String>,
}

/// Finds what must not be, whatever happened in a world.
fn broken(world: &World, truth: &Truth, step: &Step) -> Vec<String> {
    let mut broken = Vec::new();
    let ended = Instant::now();
    let conclusion = step.output("conclusion");
    let over = truth.began.map(|began| began + millis(world.over()));
    if conclusion == "success" {
        let why = match over {
            None => Some("our run did not happen"),
            Some(over) if ended < over => Some("it was not over"),
            Some(_) if truth.aborted.is_some() => Some("it was aborted"),
            Some(_) => world.why_red(),
        };
        broken.extend(why.map(|why| format!("success without proof: {why}")));
    }
    let is_proven = world.builds == Some(Builds::Ours);
    if step.output("build-verified") == "true" && !is_proven {
        broken.push("a build was verified that nothing proves".to_owned());
    }
    let happened = truth.triggers.iter().filter(|(happened, _)| *happened);
    let (_, before_the_last) = truth.triggers.split_last().unwrap_or((&(false, true), &[]));
    if happened.count() > 1
        || before_the_last
            .iter()
            .any(|(_, certainly_not)| !certainly_not)
    {
        broken.push(format!("a second trigger: {:?}", truth.triggers));
    }
    if truth.aborts.iter().any(|group| *group != OURS.to_string()) {
        broken.push(format!("a wrong abort: {:?}", truth.aborts));
    }
    if step.shown().contains(KEY) {
        broken.push("the key was shown".to_owned());
    }
    broken.extend(
        truth
            .leaks
            .iter()
            .map(|leak| format!("the key was misplaced: {leak}")),
    );
    let json: Value = serde_json::from_str(&step.json).unwrap_or_default();
    let outputs = step.outputs.iter();
    let contradiction = contradiction(&LeftBehind {
        exit: step.status.unwrap_or(-1),
        outputs: outputs
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
        json: &json,
        junit: &step.junit,
        summary: &step.summary,
        log: &step.stdout,
    });
    broken.extend(contradiction.map(|why| format!("outputs contradict each other: {why}")));
    let expected = if world.why_red().is_some() {
        "failure"
    } else {
        "success"
    };
    if world.is_clear() && conclusion != expected {
        broken.push(format!(
            "{conclusion} instead of {expected}: {}",
            step.output("reason")
        ));
    }
    let early = over.is_none_or(|over| truth.cancelled.is_some_and(|at| at < over));
    if truth.cancelled.is_some() && early && !["cancelled", "error"].contains(&conclusion) {
        broken.push(format!("{conclusion} of a step that was cancelled"));
    }
    broken
}

/// Sofy on a socket of its own.
struct Server {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    world: World,
    start: Instant,
    truth: Mutex<Truth>,
}

impl Server {
    fn start(world: World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            world,
            start: Instant::now(),
            truth: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        // It ends with the process, as do those of the other claims.
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let serving = Arc::clone(&serving);
                thread::spawn(move || serving.serve(&socket).ok());
            }
        });
        Self { url, shared }
    }

    fn lock(&self) -> MutexGuard<'_, Truth> {
        self.shared.lock()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Trigger,
    Groups,
    TestRuns,
    Builds,
    Abort,
}

/// How an answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Closed,
    Reset,
    HalfAHead,
    HalfABody,
    NoEnd,
    NoHttp,
    Page,
    Silence,
    /// A status, and the seconds of `Retry-After`.
    Refusal(u16, Option<u8>),
}

/// In which form an answer arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Chunks,
    EarlyHints,
    InPieces,
    Http10,
    MoreThanItSays,
    AsHtml,
    Late,
}

const LOSSES: [Loss; 12] = [
    Loss::Closed,
    Loss::Reset,
    Loss::HalfAHead,
    Loss::HalfABody,
    Loss::NoEnd,
    Loss::NoHttp,
    Loss::Page,
    Loss::Silence,
    Loss::Refusal(429, None),
    Loss::Refusal(503, Some(1)),
    Loss::Refusal(502, None),
    Loss::Refusal(404, None),
];

/// What leaves open whether a trigger happened.
const UNCLEAR: [Loss; 8] = [
    Loss::Closed,
    Loss::Reset,
    Loss::HalfAHead,
    Loss::HalfABody,
    Loss::NoEnd,
    Loss::NoHttp,
    Loss::Page,
    Loss::Refusal(500, None),
];

const FORMS: [Form; 7] = [
    Form::Chunks,
    Form::EarlyHints,
    Form::InPieces,
    Form::Http10,
    Form::MoreThanItSays,
    Form::AsHtml,
    Form::Late,
];

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, socket: &TcpStream) -> io::Result<()> {
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        socket.set_nodelay(true)?;
        let Some(request) = Request::read(socket)? else {
            return Ok(());
        };
        let call = request.call();
        let number = {
            let mut truth = self.lock();
            truth.requests += 1;
            if !request.carries_the_key_rightly(self.world.public || call == Call::Builds) {
                truth.leaks.push(request.target.clone());
            }
            truth.requests
        };
        let mut dice = Dice::about(self.world.seed, number);
        let is_bad = self.start.elapsed() < millis(BAD_FOR);
        let loss = match (call, self.world.trigger) {
            (Call::Trigger, Trigger::Lost { .. }) => Some(dice.pick(&UNCLEAR)),
            (Call::Trigger, Trigger::Refused) if self.lock().triggers.is_empty() => {
                Some(dice.pick(&[Loss::Refusal(429, Some(1)), Loss::Refusal(503, Some(1))]))
            }
            (Call::Trigger, _) => None,
            (_, _) => (is_bad && dice.percent(self.world.lost)).then(|| dice.pick(&LOSSES)),
        };
        if let (Call::Trigger, Trigger::Late(by)) = (call, self.world.trigger) {
            thread::sleep(millis(by));
        }
        self.act(call, &request, loss);
        // Made now, and perhaps long on its way.
        let (date, body) = (self.wall(Instant::now()), self.body(call, &mut dice));
        let form = if dice.percent(self.world.odd) {
            dice.pick(&FORMS)
        } else {
            Form::Plain
        };
        match loss {
            Some(loss) => lose(socket, loss, &date, &body),
            None => say(socket, form, &date, &body),
        }
    }

    /// Does what the request asks for.
    fn act(&self, call: Call, request: &Request, loss: Option<Loss>) {
        let now = Instant::now();
        let mut truth = self.lock();
        match call {
            Call::Trigger => {
                let certainly_not = matches!(loss, Some(Loss::Refusal(429 | 503, _)));
                let happens = match self.world.trigger {
                    Trigger::Lost { happens } => happens,
                    Trigger::Answered | Trigger::Late(_) | Trigger::Refused => !certainly_not,
                };
                truth.triggers.push((happens, certainly_not));
                if happens {
                    truth.began.get_or_insert(now);
                }
            }
            Call::Abort => {
                let group = request.target.split_once("testRunGroupId=");
                truth.aborts.push(group.map_or("", |(_, id)| id).to_owned());
                let is_over = truth
                    .began
                    .is_none_or(|began| began + millis(self.world.over()) <= now);
                if !is_over {
                    truth.aborted.get_or_insert(now);
                }
            }
            Call::Groups | Call::TestRuns | Call::Builds => {}
        }
    }

    /// What Sofy answers, as it stands now.
    fn body(&self, call: Call, dice: &mut Dice) -> String {
        let truth = self.lock();
        let world = &self.world;
        let since = truth
            .began
            .map(|began| Ms::try_from(began.elapsed().as_millis()).unwrap_or(Ms::MAX));
        match call {
            Call::Trigger if world.public => json!({"data": [{"scheduleTestRunsGroupID": OURS}], "message": "OK"}),
            Call::Trigger => json!({"Message": "OK", "ScheduleTestRunsGroupID": OURS}),
            Call::Abort => json!({"message": "Scheduled run aborted by user successfully."}),
            Call::Builds => self.builds(since),
            Call::Groups => {
                let group = since.map(|since| match since {
                    _ if truth.aborted.is_some() => "Complete with errors",
                    since if since >= world.finished => world.group,
                    since if since > 200 => "Running",
                    _ => "Queued",
                });
                if !world.public {
                    let group = group.unwrap_or_default();
                    return json!([{"ScheduleTestRunsGroupID": OURS, "ScheduleTestRunsGroupStatus": group}]).to_string();
                }
                let entry = |id: u64, at: Instant, status: &str| {
                    json!({"testRunGroupId": id, "executedAt": self.timestamp(at).to_string(), "status": status})
                };
                let minutes_ago = |minutes: u64| self.start.checked_sub(Duration::from_secs(60 * minutes));
                let mut groups = vec![entry(70_000, minutes_ago(9).unwrap_or(self.start), "Complete")];
                if let (true, Some(before)) = (world.lags && !truth.triggers.is_empty(), minutes_ago(1)) {
                    groups.push(entry(76_999, before, "Running"));
                }
                groups.extend(truth.began.zip(group).map(|(began, status)| entry(OURS, began, status)));
                json!({"data": groups, "message": "OK"})
            }
            Call::TestRuns => self.test_runs(truth.began.zip(since), truth.aborted.is_some(), dice),
        }
        .to_string()
    }

    fn test_runs(&self, run: Option<(Instant, Ms)>, is_aborted: bool, dice: &mut Dice) -> Value {
        let world = &self.world;
        let row = |n: usize, at: Instant, status: Option<&str>| {
            let at = self.timestamp(at).to_string();
            if world.public {
                return json!({
                    "scheduledRunName": "Nightly", "testRunGroupId": OURS, "scenarioName": format!("Scenario {n}"),
                    "scheduledAt": at, "build": self.tested(), "device": "Pixel 8", "status": status,
                });
            }
            json!({
                "Scheduled_Name": "Nightly", "ScenarioName": format!("Scenario {n}"),
                "ScheduledAt": at.trim_end_matches('Z'), "Version": "2.3.0", "CodeName": "", "BuildNumber": "203060",
                "Manufacturer": "Google", "Model": "Pixel 8", "Statusvalue": status,
            })
        };
        let mut rows: Vec<Value> = Vec::new();
        if !world.public && (run.is_none() || world.lists_all) {
            let yesterday = self.start.checked_sub(Duration::from_secs(3_600));
            let yesterday = yesterday.unwrap_or(self.start);
            rows.extend((0..world.test_runs.len()).map(|n| row(n, yesterday, Some("Passed"))));
        }
        if let Some((began, since)) = run {
            rows.extend(world.test_runs.iter().enumerate().map(|(n, run)| {
                let status = match since {
                    since if since >= run.ends => Some(run.status),
                    _ if is_aborted => Some("Stopped"),
                    since if since >= run.begins => Some("Running"),
                    _ => run.waits,
                };
                row(n, began, status)
            }));
        }
        if world.is_cut {
            rows.pop();
        }
        dice.shuffle(&mut rows);
        if !world.public {
            return Value::Array(rows);
        }
        json!({"data": rows, "message": "OK", "hasNextPage": world.is_cut})
    }

    /// The name of the build that is tested.
    fn tested(&self) -> &'static str {
        match self.world.builds {
            Some(Builds::Another | Builds::AnotherIsNew) => ANOTHER_BUILD,
            Some(_) | None => BUILD,
        }
    }

    fn builds(&self, since: Option<Ms>) -> Value {
        let build = |hash: &str, name: Value| json!({"app_hash": hash, "build_id": name, "build_friendly_name": null});
        let ours = build(HASH, json!(BUILD));
        let another = build(ANOTHER_HASH, json!(ANOTHER_BUILD));
        let android = |builds: Vec<Value>| json!({"application_guid": "android", "application_builds": builds});
        let is_new = since.is_none_or(|since| since < self.world.over() / 2);
        let applications = match self.world.builds {
            Some(Builds::Another) => vec![android(vec![ours, another])],
            Some(Builds::AnotherIsNew) if !is_new => vec![android(vec![ours, another])],
            Some(Builds::SameNameElsewhere) => vec![
                android(vec![ours]),
                json!({"application_guid": "ios", "application_builds": [build(ANOTHER_HASH, json!(BUILD))]}),
            ],
            Some(Builds::Unreadable) => vec![json!("none"), android(vec![ours, Value::Null])],
            Some(Builds::Nameless) => vec![android(vec![
                build(HASH, Value::Null),
                build(ANOTHER_HASH, json!(BUILD)),
            ])],
            Some(Builds::Ours | Builds::AnotherIsNew | Builds::Cut) | None => {
                vec![android(vec![ours])]
            }
        };
        let message = match self.world.builds {
            Some(Builds::Cut) => "Fetched 1 of 5 record(s)",
            Some(_) | None => "Fetched 1 record(s)",
        };
        json!({"data": applications, "message": message})
    }

    /// Sofy's clock is not ours.
    fn timestamp(&self, at: Instant) -> Timestamp {
        let noon = Timestamp::from_second(1_780_000_000).unwrap();
        match at.checked_duration_since(self.start) {
            Some(since) => noon.checked_add(since).unwrap(),
            None => noon.checked_sub(self.start - at).unwrap(),
        }
    }

    fn wall(&self, at: Instant) -> String {
        let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
        printer
            .timestamp_to_rfc9110_string(&self.timestamp(at))
            .unwrap()
    }
}

struct Request {
    method: String,
    target: String,
    head: String,
    body: String,
}

impl Request {
    fn read(socket: &TcpStream) -> io::Result<Option<Self>> {
        let mut reader = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(None);
            }
        }
        let length = head.to_lowercase().lines().find_map(|line| {
            let length = line.strip_prefix("content-length:")?;
            length.trim().parse::<usize>().ok()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let mut words = head.split(' ').map(str::to_owned);
        Ok(Some(Self {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            body: String::from_utf8_lossy(&body).into_owned(),
            head,
        }))
    }

    fn call(&self) -> Call {
        let path = self.target.split('?').next().unwrap_or_default();
        if path.ends_with("/ScheduleAutomatedTestRun") || path.ends_with("/execute") {
            Call::Trigger
        } else if path.ends_with("/applications") {
            Call::Builds
        } else if self.method == "PUT" {
            Call::Abort
        } else if path.ends_with("/test-run-groups") || self.target.contains('?') {
            Call::Groups
        } else {
            Call::TestRuns
        }
    }

    /// Tells whether the key is where it belongs and nowhere else.
    fn carries_the_key_rightly(&self, in_the_head: bool) -> bool {
        let lines = self.head.lines().filter(|line| line.contains(KEY));
        let lines: Vec<String> = lines.map(str::to_lowercase).collect();
        let is_in_the_body = self.body.contains(KEY);
        if in_the_head {
            lines == [format!("x-sofy-auth-key: {KEY}")] && !is_in_the_body
        } else {
            lines.is_empty() && self.body.contains(&format!(r#""APIKey":"{KEY}""#))
        }
    }
}

const fn millis(ms: Ms) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

/// Answers, in whatever form.
fn say(mut socket: &TcpStream, form: Form, date: &str, body: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: application/json\r\n");
    let length = body.len();
    let whole = format!("{head}Content-Length: {length}\r\n\r\n{body}");
    match form {
        Form::Plain => write!(socket, "{whole}"),
        Form::Chunks => {
            let (first, second) = body.split_at(body.len() / 2);
            let chunks = [first, second].map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len()));
            write!(
                socket,
                "{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
                chunks.concat()
            )
        }
        Form::EarlyHints => write!(
            socket,
            "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{whole}"
        ),
        Form::InPieces => whole.as_bytes().chunks(40).try_for_each(|piece| {
            thread::sleep(millis(10));
            socket.write_all(piece)
        }),
        Form::Http10 => write!(socket, "HTTP/1.0 200 OK\r\nDate: {date}\r\n\r\n{body}"),
        Form::MoreThanItSays => write!(socket, "{whole}{whole}"),
        Form::AsHtml => {
            let head = head.replace("application/json", "text/html; charset=utf-8");
            write!(socket, "{head}Content-Length: {length}\r\n\r\n{body}")
        }
        Form::Late => {
            thread::sleep(millis(1_500));
            write!(socket, "{whole}")
        }
    }
}

/// Loses an answer.
fn lose(mut socket: &TcpStream, loss: Loss, date: &str, body: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nDate: {date}\r\n");
    let length = body.len();
    let half = &body[..length / 2];
    match loss {
        Loss::Closed => Ok(()),
        Loss::Reset => reset(socket),
        Loss::HalfAHead => write!(socket, "{}", &head[..head.len() - 4]),
        Loss::HalfABody => write!(socket, "{head}Content-Length: {length}\r\n\r\n{half}"),
        Loss::NoEnd => write!(
            socket,
            "{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n"
        ),
        Loss::NoHttp => write!(socket, "SSH-2.0-OpenSSH_9.6\r\n"),
        Loss::Page => write!(
            socket,
            "{head}Content-Length: 26\r\n\r\n<html>Please wait.</html>\r\n"
        ),
        Loss::Silence => {
            thread::sleep(millis(2_500));
            Ok(())
        }
        Loss::Refusal(status, after) => {
            let after = after.map_or_else(String::new, |after| format!("Retry-After: {after}\r\n"));
            let said = r#"{"error":{"message":"An error has occurred."}}"#;
            write!(
                socket,
                "HTTP/1.1 {status} No\r\nDate: {date}\r\n{after}Content-Length: {}\r\n\r\n{said}",
                said.len()
            )
        }
    }
}

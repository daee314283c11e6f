//! What must hold, whatever comes in? Each property takes what came in, and panics where it is broken.
//!
//! Must not know who made up what came in: proptest, libFuzzer, or a file.

#![expect(
    clippy::expect_used,
    reason = "where a property cannot be looked at, it does not hold"
)]

use std::cell::RefCell;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Component, Path};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::multipart::Part;
use reqwest::{Method, Url};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::gate::abort::{self, AbortOutcome, STATE};
use crate::gate::attribution::{Run, previous_execution};
use crate::gate::build_check;
use crate::gate::verdict::{Ending, Observation, judge};
use crate::github::Runner;
use crate::github::command;
use crate::inputs::{self};
use crate::model::previous::PreviousRun;
use crate::model::report::Report;
use crate::model::schedule::Details;
use crate::model::schedule::Generation;
use crate::model::schedule::Origin;
use crate::model::schedule::ResultsAfter;
use crate::model::schedule::{ScheduleId, TriggerRequest};
use crate::model::test_run::{Completeness, Group, Snapshot, TestRun};
use crate::model::verdict::{Conclusion, Policy, Verdict};
use crate::report::annotations::{Annotation, Severity, annotations};
use crate::report::progress::Progress;
use crate::report::upload::UploadReport;
use crate::report::{Publication, junit, outputs, summary};
use crate::secret::ApiKey;
use crate::sofy::upload::{self, UploadAnswer, Uploads as _};
use crate::sofy::{ApiError, Baseline, BuildList, Classic, Public, SofyApi};
use crate::tests::fixtures::{at, written};
use crate::tests::network::simulate;

/// It has what JSON escapes in two ways, and letters of both cases.
const KEY: &str = "Se/cret\"Key-42";
/// Every letter of it may stand in a hash too.
const KEY_LIKE_A_HASH: &str = "Se/cret+Key-42";
const GUID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const GROUP: &str = "70001";
const HASH: &str = "4dde0684";

/// How every call is answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: http::StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    pub(super) fn new(status: u16, body: Vec<u8>) -> Self {
        Self {
            status: http::StatusCode::from_u16(status).unwrap_or_default(),
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    /// Adds a header; one that HTTP could not carry is left out.
    pub(super) fn with(mut self, name: &[u8], value: &[u8]) -> Self {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            self.headers.insert(name, value);
        }
        self
    }
}

/// A Sofy that answers every call alike, and clients of both generations.
struct Sofy {
    runtime: Runtime,
    answer: Rc<RefCell<Answer>>,
    /// What it was asked.
    asked: Rc<RefCell<Vec<(Method, Url)>>>,
    classic: Classic,
    public: Public,
    uploads: [upload::Sofy; 2],
}

thread_local! {
    static SOFY: Sofy = Sofy::start();
    static OUTPUTS: RefCell<Outputs> = RefCell::new(Outputs::open());
}

/// The runner's file of outputs, opened once: to close one that was emptied is to wait for the disk.
struct Outputs {
    runner: Runner,
    file: File,
}

impl Outputs {
    fn open() -> Self {
        let (file, path) = tempfile::NamedTempFile::new().expect("a file").into_parts();
        let env = [("GITHUB_OUTPUT".to_owned(), path.display().to_string())];
        let runner = Runner::open(&env);
        // Its name goes with `path`.
        Self { runner, file }
    }

    fn with(&mut self, pairs: &[(&str, String)]) -> String {
        self.file.set_len(0).expect("an empty file");
        self.runner.set_outputs(pairs);
        self.file.rewind().expect("the beginning");
        let mut written = String::new();
        self.file.read_to_string(&mut written).expect("outputs");
        written
    }
}

impl Sofy {
    fn start() -> Self {
        _ = rustls::crypto::ring::default_provider().install_default();
        let answer = Rc::new(RefCell::new(Answer::new(200, Vec::new())));
        let asked = Rc::new(RefCell::new(Vec::new()));
        let (given, noted) = (Rc::clone(&answer), Rc::clone(&asked));
        simulate(Some(Rc::new(move |request| {
            noted
                .borrow_mut()
                .push((request.method().clone(), request.url().clone()));
            let Answer {
                status,
                headers,
                body,
            } = given.borrow().clone();
            let mut response = http::Response::new(body);
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Box::pin(async move { Ok(response.into()) })
        })));
        let key = ApiKey::new(KEY.into());
        Self {
            // Whatever waits for a moment that is told by a header must not cost it.
            runtime: Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("a runtime"),
            answer,
            asked,
            classic: Classic::new(None, key.clone(), 1888).expect("a client"),
            public: Public::new(None, key, GUID.into()).expect("a client"),
            uploads: [Generation::Classic, Generation::Public].map(|generation| {
                let key = ApiKey::new(KEY_LIKE_A_HASH.into());
                upload::Sofy::new(None, key, generation).expect("a client")
            }),
        }
    }

    /// From now on, every call is answered so.
    fn answers(&self, answer: &Answer) {
        self.answer.replace(answer.clone());
        self.asked.take();
    }
}

/// Whatever Sofy answers, it is read within bounds, and what is understood is reported whole.
pub(super) fn answers(answer: &Answer) {
    SOFY.with(|sofy| {
        sofy.answers(answer);
        let understood = sofy
            .runtime
            .block_on(async { [read_all(&sofy.classic).await, read_all(&sofy.public).await] });
        understood.into_iter().for_each(Understood::assert_reported);
    });
}

/// Whatever an upload and its list of builds are answered, a success has a hash, and nothing has the key.
pub(super) fn uploads(answer: &Answer) -> [UploadReport; 2] {
    SOFY.with(|sofy| {
        sofy.answers(answer);
        sofy.uploads
            .each_ref()
            .map(|uploads| sofy.runtime.block_on(upload_once(uploads)))
    })
}

/// Whatever a gate and an upload are given, no problem repeats the key. `pairs` go without the prefix `INPUT_`.
pub(super) fn inputs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    let ours = [("API-KEY", KEY), ("SCHEDULE-ID", GUID)];
    let key = ours[0];
    // Whoever named an input by the key has shown it already.
    let pairs = pairs.filter(|(name, _)| name.replace('_', "-") != key.0 && !shows(name, KEY));
    let env: Vec<(String, String)> = ours
        .into_iter()
        .chain(pairs)
        .map(|(name, value)| (format!("INPUT_{name}"), value.to_owned()))
        .collect();
    let assert_said = |problems: &[String]| {
        assert!(!problems.is_empty());
        for problem in problems {
            assert!(!shows(problem, KEY), "{problem}");
            assert_line(&command::message("error", "", problem), KEY);
        }
    };
    match inputs::parse(&env) {
        Ok(inputs) => {
            assert!((1..=600).contains(&inputs.poll_interval.as_secs()));
            assert!(!inputs.timeout.is_zero());
            let paths = [&inputs.paths.junit, &inputs.paths.json];
            let mut paths = paths.into_iter().flatten();
            assert!(paths.all(|path| is_inside(path)), "{inputs:?}");
            assert!(
                inputs.api_url.as_ref().is_none_or(may_have_the_key),
                "{inputs:?}"
            );
            assert!(!shows(&format!("{inputs:?}"), KEY), "{inputs:?}");
        }
        Err(problems) => assert_said(&problems),
    }
    let (app_path, limit) = inputs::upload::search(&env);
    assert!(!limit.is_zero());
    match inputs::upload::parse(&env, Ok(app_path)) {
        Ok(inputs) => {
            assert!(
                inputs.api_url.as_ref().is_none_or(may_have_the_key),
                "{inputs:?}"
            );
            assert!(!shows(&format!("{inputs:?}"), KEY), "{inputs:?}");
        }
        Err(problems) => assert_said(&problems),
    }
}

/// Whatever the runner hands to the post step, it aborts the one group that this action saved, or nothing.
pub(super) fn state(text: &str) {
    let words: Vec<&str> = text.split(' ').collect();
    let schedule = words.get(1).copied().unwrap_or_default();
    let id = ScheduleId::parse(schedule);
    let saved = id.and_then(|id| abort::saved_group(text, &id));
    if saved.is_some() {
        assert_eq!(words.len(), 3, "{text:?}");
        assert!(is_harmless(words[1]) && is_harmless(words[2]), "{text:?}");
    }
    let env = [
        (format!("STATE_{STATE}"), text),
        ("INPUT_API-KEY".to_owned(), KEY),
        ("INPUT_SCHEDULE-ID".to_owned(), schedule),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let aborted = Answer::new(
        200,
        br#"{"message":"Aborted by you successfully"}"#.to_vec(),
    );
    SOFY.with(|sofy| {
        sofy.answers(&aborted);
        let signal = watch::channel(None).1;
        let done = sofy
            .runtime
            .block_on(abort::post_step(abort::Unfinished::of(&env), signal));
        let asked = sofy.asked.take();
        let is_public = words.get(1).is_some_and(|schedule| schedule.contains('-'));
        if saved.is_none() {
            assert!(
                !matches!(done, AbortOutcome::Aborted(_)),
                "{text:?}: {done:?}"
            );
        }
        if saved.is_none() || !is_public {
            assert!(asked.is_empty(), "{text:?}: {asked:?}");
            return;
        }
        let [(method, url), status @ ..] = &asked[..] else {
            panic!("{text:?}: {asked:?}");
        };
        assert_eq!(method, Method::PUT);
        assert!(
            status.iter().all(|(method, _)| method == Method::GET),
            "{asked:?}"
        );
        assert!(
            url.path().ends_with(&format!("/abort/{}", words[1])),
            "{url}"
        );
        assert_eq!(url.query(), Some(&*format!("testRunGroupId={}", words[2])));
    });
}

/// What a step saves, the post step reads as it was, where Sofy gave the group a name that it can have.
pub(super) fn saved_state(schedule: &str, group: &str) {
    let Some(schedule) = ScheduleId::parse(schedule) else {
        return;
    };
    if crate::model::group_id::GroupId::parse(group).is_some() {
        let saved = abort::state(&schedule, &group.into());
        assert_eq!(abort::saved_group(&saved, &schedule), Some(group.into()));
    }
}

/// An earlier step's output is read as it was written, or not at all.
pub(super) fn results_after(text: &str) {
    if let Some(read) = ResultsAfter::parse(text) {
        assert_eq!(
            ResultsAfter::parse(&read.to_string()),
            Some(read),
            "{text:?}"
        );
    }
}

/// Whatever a report holds, its readers get it whole. The rows are scenario, device, status and time.
pub(super) fn report(texts: &[String; 9], rows: &[[String; 4]]) {
    // As the border with Sofy does.
    let redact = |text: &String| ApiKey::new(KEY.into()).redact(text.clone());
    let texts = texts.each_ref().map(redact);
    let test_runs = |rows: &[[String; 4]]| -> Vec<TestRun> {
        let rows = rows.iter().map(|row| row.each_ref().map(redact));
        rows.map(|[scenario, device, status, time]| at(&time, &scenario, &device, &status))
            .collect()
    };
    let mut report = judged(test_runs(rows), &texts[0]);
    report.previous = PreviousRun::of(&test_runs(&rows[rows.len() / 2..]));
    let known = |text: &String| Some(text.clone()).filter(|text| !text.trim().is_empty());
    report.schedule_name = known(&texts[1]);
    report.group_status = known(&texts[2]);
    report.abort = known(&texts[3]);
    report.app_hash = known(&texts[4]);
    report.verdict.reason.clone_from(&texts[5]);
    report.verdict.advice = known(&texts[6]);
    report.verdict.warnings = vec![texts[7].clone()];
    report.inputs_to_attach = vec![("results-after", texts[8].clone())];

    assert_readable(&report);
}

/// Tells whether a text shows the key, in whatever case, as it is or as JSON escapes it.
///
/// On purpose not by what redacts it.
fn shows(text: &str, key: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let plain = key.to_ascii_lowercase();
    let escaped = plain.replace('"', "\\\"");
    [escaped.replace('/', "\\/"), escaped, plain]
        .iter()
        .any(|spelling| text.contains(spelling))
}

fn has_key(text: &str) -> bool {
    shows(text, KEY)
}

/// Tells whether a text is of letters, digits, hyphens and underscores: it becomes part of an address.
fn is_harmless(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= 100 && text.chars().all(plain)
}

/// Tells whether a path stays in the folder that it starts from.
fn is_inside(path: &Path) -> bool {
    let mut parts = path.components();
    path.file_name().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// Tells whether what is sent there is encrypted, or stays near.
fn may_have_the_key(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let near = ["127.", "10.", "172.", "192.168.", "[::1]", "[fc", "[fd"];
    let is_near = near.iter().any(|start| host.starts_with(start));
    url.scheme() == "https" || is_near || !host.contains(['.', ':'])
}

/// What a generation's calls understood.
#[derive(Default)]
struct Understood {
    schedule_name: String,
    group: Option<Group>,
    test_runs: Vec<TestRun>,
    previous: PreviousRun,
    builds: Option<BuildList>,
    /// What Sofy said of an abort.
    said: String,
    /// What could not be understood.
    errors: Vec<ApiError>,
}

/// Makes every call of a generation, and gives what it understood.
async fn read_all<A: SofyApi>(api: &A) -> Understood {
    let mut understood = Understood::default();
    let errors = &mut understood.errors;
    match api.trigger(&TriggerRequest::default()).await {
        Ok(named) => assert!(named.iter().all(|id| is_harmless(id) && !has_key(id))),
        Err(error) => errors.push(error),
    }
    match api.abort(&GROUP.into()).await {
        Ok(said) => {
            assert!(
                !shows(&said, KEY) && said.chars().count() <= 2_001,
                "{said}"
            );
            understood.said = said;
        }
        Err(error) => errors.push(error),
    }
    match api.builds().await {
        Ok(builds) => {
            for build in &builds.list {
                assert!(!shows(&format!("{build:?}"), KEY), "{build:?}");
            }
            understood.builds = Some(builds);
        }
        Err(error) => errors.push(error),
    }
    match api.group(&GROUP.into()).await {
        Ok(group) => {
            assert!(!shows(&group.verbatim, KEY), "{group:?}");
            understood.group = Some(group);
        }
        Err(error) => errors.push(error),
    }
    let mut listed = Vec::new();
    match api.baseline().await {
        Ok(Baseline::Rows(rows)) => {
            understood.previous = PreviousRun::of(&previous_execution(rows.clone()));
            listed.extend(rows);
        }
        Ok(Baseline::Groups(groups)) => {
            let known = |id: &str| is_harmless(id) && !has_key(id);
            assert!(groups.list.iter().all(|group| known(&group.id)));
            assert!(groups.before(&GROUP.into()).is_none_or(|id| known(id)));
        }
        Err(error) => errors.push(error),
    }
    match api.rows(&GROUP.into()).await {
        Ok(rows) => {
            assert!(!shows(&rows.schedule_name, KEY), "{}", rows.schedule_name);
            understood.schedule_name = rows.schedule_name;
            listed.extend(rows.list);
        }
        Err(error) => errors.push(error),
    }
    for ApiError { message, .. } in errors {
        assert!(
            !has_key(message) && message.chars().count() < 1_000,
            "{message}"
        );
    }
    let mut run = Run::triggered(GROUP.into(), Origin::Triggered, None);
    let (test_runs, _) = run.attribute(Some(&Group::parse("Complete")), listed);
    for run in &test_runs {
        let status = run.status.to_string();
        for text in [
            &run.scenario,
            &run.device,
            &run.build,
            &status,
            &run.scheduled_at.to_string(),
        ] {
            assert!(text.chars().count() <= 2_001 && !shows(text, KEY), "{text}");
        }
    }
    understood.test_runs = test_runs;
    understood
}

impl Understood {
    /// Makes a report of it, and holds that to what its readers rely on.
    fn assert_reported(self) {
        let listed = self.builds.unwrap_or_default();
        let group = self.group.unwrap_or_else(|| Group::parse("Complete"));
        let mut report = judged(self.test_runs, &group.verbatim);
        report.app_hash = Some(HASH.to_owned());
        report.build_check = Some(build_check::check(HASH, &listed, &report.test_runs));
        // They quote the same answer.
        let error = self.errors.into_iter().next();
        report
            .verdict
            .warnings
            .extend(error.map(|error| error.message));
        report.abort = Some(self.said);
        report.schedule_name = Some(self.schedule_name);
        report.group_status = Some(group.verbatim);
        report.previous = self.previous;
        assert_readable(&report);
    }
}

/// Makes both calls of an upload, and gives what is reported of what they understood.
async fn upload_once(sofy: &upload::Sofy) -> UploadReport {
    let assert_said = |said: &str| {
        assert!(!shows(said, KEY_LIKE_A_HASH), "{said}");
        assert!(said.chars().count() < 1_000, "{said}");
    };
    let file = Part::bytes(b"PK").file_name("app.apk");
    let mut report = match sofy.upload(&Details::default(), file).await {
        Ok(UploadAnswer::Created(app_hash)) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_+/=".contains(c);
            assert!(app_hash.chars().all(plain), "{app_hash:?}");
            assert!((8..=256).contains(&app_hash.len()), "{app_hash:?}");
            assert!(!shows(&app_hash, KEY_LIKE_A_HASH), "{app_hash}");
            UploadReport {
                app_hash,
                uploaded: Some(true),
                ..UploadReport::of(Verdict::new(Conclusion::Success, "app.apk was uploaded"))
            }
        }
        Ok(UploadAnswer::AlreadyExists(said)) => {
            assert_said(&said);
            UploadReport::of(Verdict::new(Conclusion::Error, said))
        }
        Ok(UploadAnswer::NotSofy(error)) | Err(error) => {
            assert_said(&error.message);
            UploadReport::of(Verdict::new(Conclusion::Error, error.message).advise(error.advice))
        }
    };
    match sofy.builds().await {
        Ok(builds) => {
            for build in &builds.list {
                assert!(!shows(&format!("{build:?}"), KEY_LIKE_A_HASH), "{build:?}");
                assert_ne!(build.app_hash.as_deref(), Some(""), "{build:?}");
            }
            if let Some(build) = builds.list.first() {
                build.name().clone_into(&mut report.build);
            }
        }
        Err(error) => assert_said(&error.message),
    }
    "app.apk".clone_into(&mut report.file);
    let publication = Publication::of_upload(&report);
    assert_page(&publication.summary, KEY_LIKE_A_HASH);
    for annotation in &publication.annotations {
        assert_annotation(annotation, KEY_LIKE_A_HASH);
    }
    for (name, value) in &publication.outputs {
        assert!(!shows(value, KEY_LIKE_A_HASH), "{name}: {value}");
    }
    assert_written(&publication.outputs);
    report
}

fn judged(test_runs: Vec<TestRun>, group: &str) -> Report {
    let seen = Observation {
        still_running: false,
        snapshot: Some(Snapshot {
            schedule_name: String::new(),
            group: Group::parse(group),
            test_runs: test_runs.clone(),
            ambiguous: None,
            completeness: Completeness::default(),
        }),
        lost: Vec::new(),
        retried: Vec::new(),
        queued: None,
        build_check: None,
        origin: Origin::Triggered,
        ending: Ending::Settled,
    };
    if let Some(snapshot) = &seen.snapshot {
        for line in Progress::default().lines(snapshot, None, Duration::ZERO) {
            assert_line(&format!("sofy | {}", command::plain(&line)), KEY);
        }
    }
    let report = Report {
        test_runs,
        ..Report::of(judge(&seen, &Policy::default()))
    };
    let passed = |run: &TestRun| run.status.to_string() == "Passed";
    assert!(
        !report.verdict.conclusion.is_green()
            || !report.test_runs.is_empty() && report.test_runs.iter().all(passed),
        "green though something did not pass"
    );
    report
}

/// What every reader may rely on, whatever the report holds.
fn assert_readable(report: &Report) {
    for annotation in annotations(report) {
        assert_annotation(&annotation, KEY);
    }
    let count = report.test_runs.len();

    let pairs = outputs::pairs(report);
    for (name, value) in &pairs {
        assert!(!has_key(value), "{name}: {value}");
    }
    assert_written(&pairs);
    let value = |wanted: &str| {
        &pairs
            .iter()
            .find(|(name, _)| *name == wanted)
            .expect("listed")
            .1
    };
    let results = value("results-json");
    assert!(
        results.len() <= 98_304 && !results.contains('\n'),
        "{results}"
    );
    let shown: Vec<Value> = serde_json::from_str(results).expect("JSON");
    assert_eq!(shown.len() == count, value("results-truncated") == "false");
    let counts = [
        "passed",
        "failed",
        "incomplete",
        "not-executed",
        "stopped",
        "other",
    ];
    let sum = counts.map(|name| {
        value(&format!("{name}-count"))
            .parse::<usize>()
            .expect("a number")
    });
    assert_eq!(sum.iter().sum::<usize>(), count);

    let json = written(|out| outputs::write_json(report, out));
    assert!(!has_key(&json), "{json}");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["results"].as_array().map(Vec::len), Some(count));
    assert_eq!(json["total_count"], count);

    assert_xml(&written(|out| junit::write(report, out)), report);
    assert_page(&summary::render(report), KEY);
}

/// The XML is XML, and each test run has a case with all of its name that a person could read.
fn assert_xml(xml: &str, report: &Report) {
    assert!(!has_key(&xml.replace("&quot;", "\"")), "{xml}");
    assert!(!xml.contains("##["), "{xml}");
    let forbidden = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{fffe}' | '\u{ffff}');
    assert!(!xml.contains(forbidden), "{xml:?}");
    let read = quick_junit::Report::deserialize_from_str(xml).expect("XML");
    let letters = |text: &str| {
        let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        // What has no name is given one.
        let letters = letters.replace("Unnamedscenario", "");
        // One of two equal names has a number.
        letters
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .to_owned()
    };
    let suites = read.test_suites.iter();
    let cases = suites.flat_map(|suite| &suite.test_cases);
    let mut cases: Vec<String> = cases.map(|case| letters(case.name.as_str())).collect();
    if cases.len() == report.test_runs.len() + 1 {
        // The last one carries a verdict that no test run shows.
        cases.pop();
    }
    let runs = report.test_runs.iter();
    let mut runs: Vec<String> = runs.map(|run| letters(&run.scenario)).collect();
    cases.sort();
    runs.sort();
    assert_eq!(cases, runs, "{xml}");
}

/// A page of Markdown whose every text is text, and which GitHub takes.
fn assert_page(page: &str, key: &str) {
    assert!(page.len() <= 1_048_576, "{page}");
    assert!(!page.contains("##["), "{page}");
    let unseen = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!page.contains(unseen), "{page:?}");
    assert!(!shows(&as_read(page), key), "{page}");
}

/// The text of a page as people read it. The only entities are those that we write, of ASCII.
fn as_read(page: &str) -> String {
    let page = page.replace("<wbr>", "");
    let mut parts = page.split("&#");
    let mut read = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let entity = part
            .split_once(';')
            .and_then(|(number, rest)| Some((char::from(number.parse::<u8>().ok()?), rest)));
        let (c, rest) = entity.unwrap_or_else(|| panic!("not an entity that we write: {page}"));
        read.push(c);
        read.push_str(rest);
    }
    read
}

fn assert_annotation(annotation: &Annotation, key: &str) {
    let level = match annotation.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let line = command::message(level, &annotation.title, &annotation.text);
    assert!(
        line.starts_with("::error") || line.starts_with("::warning"),
        "{line}"
    );
    assert_line(&line, key);
}

/// What is printed is one line, and no command but the one that it begins with.
fn assert_line(line: &str, key: &str) {
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(!line.contains("##["), "{line}");
    let decoded = line.replace("%2C", ",").replace("%3A", ":");
    assert!(!shows(&decoded.replace("%25", "%"), key), "{line}");
}

/// The pairs come back from the runner's file as they were, and nothing else does.
fn assert_written(pairs: &[(&str, String)]) {
    let written = OUTPUTS.with_borrow_mut(|outputs| outputs.with(pairs));
    let mut rest = written.as_str();
    for (name, value) in pairs {
        let (head, after) = rest.split_once('\n').expect("a head");
        let (read, delimiter) = head.split_once("<<").expect("a delimiter");
        let end = format!("\n{delimiter}\n");
        let (value_read, after) = after.split_once(&end).expect("an end");
        assert_eq!((read, value_read), (*name, value.as_str()));
        rest = after;
    }
    assert_eq!(rest, "");
}

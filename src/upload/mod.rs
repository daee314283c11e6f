//! The story of an upload: send the file until Sofy has it, or prove that it had it before.

pub(crate) mod app_file;
mod progress;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::inputs;
use crate::inputs::upload::UploadInputs;
use crate::model::schedule::AppHash;
use crate::model::verdict::{Conclusion, Verdict};
use crate::report::upload::{Delivery, UploadReport};
use crate::retry::{Jitter, Patience, backoff};
use crate::sofy::upload::{Payload, Sofy, UploadAnswer, Uploads};
use crate::sofy::{ApiError, ErrorKind};
use crate::stop::{Stop, StopReason};
use crate::text::{bytes, span};
use crate::upload::app_file::{AppFile, Sent};
use crate::upload::progress::{Progress, Transfer};

/// How often the transfer is looked at: the tenths of a fast one are said without delay.
const TICK: Duration = Duration::from_millis(250);

/// For so long Sofy's list of builds may not show what Sofy says that it has.
const LAG: Duration = Duration::from_secs(20);

/// The pause between two polls of a list that lags.
const LAG_PAUSE: Duration = Duration::from_secs(3);

/// How long the name of the build may keep a success waiting.
const BUILD_NAME: Duration = Duration::from_secs(10);

/// An upload that is ready to begin: its file is open, and its client has read the CA certificates.
pub(crate) struct Upload {
    inputs: UploadInputs<AppFile>,
    sofy: Sofy,
    stop: Stop,
}

/// Why an upload does not begin.
pub(crate) enum NotReady {
    BadInputs(Vec<String>),
    Ended(UploadReport),
}

impl Upload {
    /// Opens all that only root may open. Sends nothing, and starts no thread, which would keep root.
    pub(crate) async fn prepare(
        env: &[(String, String)],
        workspace: &Path,
        signal: Receiver<Option<&'static str>>,
    ) -> Result<Self, NotReady> {
        let (app_path, limit) = inputs::upload::search(env);
        let mut stop = Stop::new(limit, signal);
        let mut folders = vec![workspace.to_owned()];
        let temporary = inputs::value_of(env, "RUNNER_TEMP");
        folders.extend((!temporary.is_empty()).then(|| PathBuf::from(temporary)));
        let app = match app_path {
            Some(path) => {
                let found = stop
                    .run_until_stopped(app_file::find(&folders, Path::new(&path)))
                    .await;
                Some(found.map_err(|reason| {
                    let failure = Failure::stopped(reason, "searching for the file");
                    NotReady::Ended(UploadReport::of(failure.verdict(limit)))
                })?)
            }
            None => None,
        };
        let inputs = inputs::upload::parse(env, app).map_err(NotReady::BadInputs)?;
        match Sofy::new(inputs.api_url.as_ref(), inputs.api_key.clone(), inputs.api) {
            Ok(sofy) => Ok(Self { inputs, sofy, stop }),
            Err(error) => Err(NotReady::Ended(report(
                &inputs,
                Failure::Api(error).verdict(limit),
            ))),
        }
    }

    /// Uploads the file.
    pub(crate) async fn run(self, jitter: Jitter) -> UploadReport {
        run_upload(&self.sofy, &self.inputs, self.stop, jitter).await
    }
}

async fn run_upload<U: Uploads>(
    sofy: &U,
    inputs: &UploadInputs<AppFile>,
    mut stop: Stop,
    jitter: Jitter,
) -> UploadReport {
    let start = Instant::now();
    let app = &inputs.app;
    tracing::info!("uploading {} ({})", app.path(), bytes(app.size()));
    if app.name().to_lowercase().ends_with("-unsigned.apk") {
        tracing::warn!(
            "{} is probably not signed, and no device installs an unsigned app; upload a signed one",
            app.path()
        );
    }
    let report = match deliver(sofy, inputs, &mut stop, jitter).await {
        Ok(uploaded) => UploadReport {
            app_hash: uploaded.app_hash,
            build: uploaded.build,
            delivery: Some(uploaded.delivery),
            ..report(inputs, Verdict::new(Conclusion::Success, uploaded.reason))
        },
        Err(failure) => report(inputs, failure.verdict(inputs.timeout)),
    };
    UploadReport {
        duration: start.elapsed(),
        ..report
    }
}

/// A build that Sofy has.
struct UploadedBuild {
    app_hash: String,
    build: String,
    delivery: Delivery,
    reason: String,
}

/// Why there is no hash.
enum Failure {
    Stopped {
        reason: StopReason,
        /// What was being done, and how far it was.
        doing: String,
        /// What went wrong before.
        last: Option<ApiError>,
    },
    /// The next attempt would be after the deadline.
    TooLate {
        pause: Duration,
        error: ApiError,
    },
    Api(ApiError),
    /// The file is not what it was when it was found.
    Changed(String),
    /// Sofy has a build like ours, and nothing shows that it is ours.
    Unproven {
        said: String,
        because: String,
    },
}

/// Sends the file until Sofy has it.
async fn deliver<U: Uploads>(
    sofy: &U,
    inputs: &UploadInputs<AppFile>,
    stop: &mut Stop,
    jitter: Jitter,
) -> Result<UploadedBuild, Failure> {
    let start = Instant::now();
    let (mut failures, mut reached) = (0, false);
    let mut not_sofy_since = None;
    let mut last = None;
    loop {
        let error = match attempt(sofy, inputs, stop).await {
            Ok(UploadAnswer::Created(app_hash)) => {
                return Ok(UploadedBuild {
                    build: build_name(sofy, &app_hash, stop).await,
                    app_hash: app_hash.as_str().to_owned(),
                    delivery: Delivery::Uploaded,
                    reason: format!("{} was uploaded", inputs.app.path()),
                });
            }
            Ok(UploadAnswer::AlreadyExists { said }) => {
                return find_existing(sofy, &inputs.app, said, stop).await;
            }
            Ok(UploadAnswer::NotSofy(error)) => {
                not_sofy_since.get_or_insert_with(Instant::now);
                error
            }
            Err(Failure::Api(error)) => {
                not_sofy_since = None;
                error
            }
            Err(failure) => return Err(failure.after(last)),
        };
        failures += 1;
        reached |= error.kind != ErrorKind::NotSent;
        let patience = match (not_sofy_since, error.is_transient()) {
            (Some(_), _) => Patience::OF_A_REFUSAL,
            (None, false) => Patience::NONE,
            (None, true) if reached => Patience::ENDLESS,
            (None, true) => Patience::BEFORE_A_RUN,
        };
        if !patience.allows(failures, not_sofy_since.unwrap_or(start).elapsed()) {
            return Err(Failure::Api(error));
        }
        let pause = backoff(failures, error.retry_after, jitter());
        if pause >= stop.deadline().duration_since(Instant::now()) {
            return Err(Failure::TooLate { pause, error });
        }
        tracing::info!("{}; trying again in {}", error.message, span(pause));
        last = Some(error);
        if let Err(reason) = stop.run_until_stopped(sleep(pause)).await {
            return Err(Failure::stopped(reason, "waiting for the next attempt").after(last));
        }
    }
}

/// Sends the file once, from its start, and holds a hash to what was sent.
async fn attempt<U: Uploads>(
    sofy: &U,
    inputs: &UploadInputs<AppFile>,
    stop: &mut Stop,
) -> Result<UploadAnswer, Failure> {
    let app = &inputs.app;
    app.check_unchanged().map_err(Failure::Changed)?;
    // An answer ends the sending, however early it comes: without this, the connection goes on in the background.
    let sent = Sent::default();
    let payload = Payload {
        name: app.name(),
        size: app.size(),
        pieces: app.pieces(&sent),
    };
    let answer = watched(
        sofy.upload(&inputs.details, payload),
        &sent,
        app.size(),
        stop,
    )
    .await?;
    if let UploadAnswer::Created(_) = &answer {
        app.check_unchanged().map_err(Failure::Changed)?;
        if sent.bytes() < app.size() {
            let (sent, size) = (bytes(sent.bytes()), bytes(app.size()));
            let why = format!(
                "Sofy answered with a hash after {sent} of {size}, so it is not the hash of this file"
            );
            return Err(Failure::Api(
                ApiError::new(ErrorKind::Rejected, why).advise(AGAIN),
            ));
        }
    }
    Ok(answer)
}

/// Waits for the end of a call and logs how far it is.
async fn watched(
    call: impl Future<Output = Result<UploadAnswer, ApiError>>,
    sent: &Sent,
    size: u64,
    stop: &mut Stop,
) -> Result<UploadAnswer, Failure> {
    let start = Instant::now();
    let mut transfer = Transfer::of(size);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut call = std::pin::pin!(call);
    loop {
        tokio::select! {
            biased;
            reason = stop.reached() => {
                let state = transfer.state(sent.bytes(), start.elapsed());
                return Err(Failure::stopped(reason, format!("uploading ({state})")));
            }
            answer = &mut call => return answer.map_err(Failure::Api),
            _ = ticks.tick() => match transfer.look(sent.bytes(), start.elapsed()) {
                Progress::Quiet => {}
                Progress::Line(line) => tracing::info!("{line}"),
                Progress::Stuck(why) => {
                    return Err(Failure::Api(ApiError::new(ErrorKind::OutcomeUnknown, why)));
                }
            },
        }
    }
}

/// Looks for the build that Sofy refused to take twice: only the MD5 of our file proves it.
async fn find_existing<U: Uploads>(
    sofy: &U,
    app: &AppFile,
    said: String,
    stop: &mut Stop,
) -> Result<UploadedBuild, Failure> {
    tracing::info!("Sofy already has this build; looking up its hash");
    let search = async {
        let md5 = app
            .md5()
            .await
            .map_err(|error| Failure::Changed(error.to_string()))?;
        let start = Instant::now();
        loop {
            let because = match sofy.builds().await {
                Ok(builds) => {
                    let ours = builds.list.iter().find(|build| build.has_hash(&md5));
                    if let Some(build) = ours {
                        return Ok(UploadedBuild {
                            app_hash: build.app_hash.clone().unwrap_or_default(),
                            build: build.name().to_owned(),
                            delivery: Delivery::AlreadyThere,
                            reason: "Sofy already has this very file: the listed hash is its MD5"
                                .to_owned(),
                        });
                    }
                    "no hash in Sofy's list of builds is its MD5".to_owned()
                }
                Err(error) => error.message,
            };
            if start.elapsed() >= LAG {
                return Err(Failure::Unproven { said, because });
            }
            sleep(LAG_PAUSE).await;
        }
    };
    match stop.run_until_stopped(search).await {
        Ok(found) => found,
        Err(reason) => Err(Failure::stopped(
            reason,
            "looking for the build in Sofy's list",
        )),
    }
}

/// What Sofy's list calls a build; blank if the list does not tell.
async fn build_name<U: Uploads>(sofy: &U, app_hash: &AppHash, stop: &mut Stop) -> String {
    let listed = stop
        .run_until_stopped(timeout(BUILD_NAME, sofy.builds()))
        .await;
    let Ok(Ok(Ok(builds))) = listed else {
        return String::new();
    };
    let build = builds
        .list
        .iter()
        .find(|build| build.has_hash(app_hash.as_str()));
    build
        .map(|build| build.name().to_owned())
        .unwrap_or_default()
}

/// What the inputs say, and how it ended.
fn report(inputs: &UploadInputs<AppFile>, verdict: Verdict) -> UploadReport {
    UploadReport {
        file: inputs.app.path(),
        size: inputs.app.size(),
        ..UploadReport::of(verdict)
    }
}

/// What to do if an upload may simply be repeated.
const AGAIN: &str = "Run the job again: a build that Sofy already has is recognised.";

impl Failure {
    fn stopped(reason: StopReason, doing: impl Into<String>) -> Self {
        let doing = doing.into();
        Self::Stopped {
            reason,
            doing,
            last: None,
        }
    }

    /// Adds what went wrong before.
    fn after(self, last: Option<ApiError>) -> Self {
        match self {
            Self::Stopped { reason, doing, .. } => Self::Stopped {
                reason,
                doing,
                last,
            },
            other => other,
        }
    }

    fn verdict(self, timeout: Duration) -> Verdict {
        let timeout = span(timeout);
        match self {
            Self::Stopped {
                reason,
                doing,
                last,
            } => {
                let last = last.map(|error| format!("; before that: {}", error.message));
                let advice = match reason {
                    StopReason::Signal(_) => AGAIN.to_owned(),
                    StopReason::Deadline(_) => {
                        format!("If it only needs more time, raise the input timeout. {AGAIN}")
                    }
                };
                let state = format!(" while {doing}{}", last.unwrap_or_default());
                Verdict::stopped(reason, &state).advise(advice)
            }
            Self::TooLate { pause, error } => Verdict::new(
                Conclusion::TimedOut,
                format!(
                    "the next attempt would be in {}, past the timeout of {timeout}; {}",
                    span(pause),
                    error.message
                ),
            )
            .advise(format!("Raise the input timeout. {AGAIN}")),
            Self::Api(error) => {
                let reason = match error.kind {
                    ErrorKind::Rejected => {
                        format!("Sofy did not accept the build: {}", error.message)
                    }
                    ErrorKind::NotSent | ErrorKind::OutcomeUnknown | ErrorKind::NotFound => {
                        error.message.clone()
                    }
                };
                Verdict::new(Conclusion::Error, reason).advise(error.with_details(&error.advice))
            }
            Self::Changed(why) => Verdict::new(
                Conclusion::Error,
                format!("the file changed after the upload began ({why})"),
            )
            .advise("Let nothing write to the file while it is uploaded, then run the job again."),
            Self::Unproven { said, because } => Verdict::new(
                Conclusion::Error,
                format!("Sofy says {said}, but it is not proven to be this very file: {because}"),
            )
            .advise(
                "Give the build a new build number and upload it again; or copy the hash of the \
                 build from Sofy's portal and pass it as app-hash.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schedule::{Build, Details, Generation};
    use crate::secret::ApiKey;
    use crate::sofy::BuildList;
    use crate::tests::fixtures::stop;
    use crate::tests::scripted::{Public, failure};
    use futures_util::StreamExt as _;
    use std::fs;

    const APP: &[u8] = b"PK\x03\x04";
    /// The MD5 of that.
    const MD5: &str = "10893fd7cff66dca193f658ca9438d15";
    const HASH: &str = "aaaaaaa1";
    const NOW: Duration = Duration::ZERO;
    /// Before the file was taken.
    const EARLY: Duration = Duration::from_millis(1);
    const MINUTE: Duration = Duration::from_secs(60);
    const HOURS: Duration = Duration::from_secs(5 * 3600);

    fn created() -> Result<UploadAnswer, ApiError> {
        let app_hash = AppHash::parse(HASH).expect("a hash");
        Ok(UploadAnswer::Created(app_hash))
    }

    fn exists() -> Result<UploadAnswer, ApiError> {
        let said = "\"Build already exists.\"".to_owned();
        Ok(UploadAnswer::AlreadyExists { said })
    }

    fn not_sofy() -> Result<UploadAnswer, ApiError> {
        Ok(UploadAnswer::NotSofy(failure(ErrorKind::OutcomeUnknown)))
    }

    fn builds(hashes: &[&str]) -> Result<Vec<Build>, ApiError> {
        let build = |hash: &&str| Build {
            app_hash: Some((*hash).to_owned()),
            application: "g".into(),
            id: "4.2.0(1187)".into(),
            friendly_name: String::new(),
        };
        Ok(hashes.iter().map(build).collect())
    }

    async fn inputs_in(folder: &Path) -> UploadInputs<AppFile> {
        fs::write(folder.join("app.apk"), APP).expect("an app");
        let found = app_file::find(&[folder.to_owned()], Path::new("app.apk")).await;
        UploadInputs {
            api_key: ApiKey::new("k3y-of-uploads".into()),
            app: found.expect("the app"),
            details: Details::default(),
            api: Generation::Public,
            api_url: None,
            timeout: 15 * MINUTE,
        }
    }

    /// Runs an upload of up to 15 minutes, with a signal after some of them.
    async fn run(api: &Public, signal: Option<Duration>) -> UploadReport {
        let folder = tempfile::tempdir().expect("a folder");
        let inputs = inputs_in(folder.path()).await;
        let (sender, stop) = stop(inputs.timeout);
        let signalling = async {
            if let Some(after) = signal {
                sleep(after).await;
                sender.send(Some("SIGINT")).expect("a listener");
            }
        };
        let (report, ()) = tokio::join!(run_upload(api, &inputs, stop, || 0.0), signalling);
        report
    }

    #[tokio::test(start_paused = true)]
    async fn what_sofy_takes_is_named_by_its_list() {
        for (listed, expected, why) in [
            (
                builds(&["bb", "AAAAAAA1"]),
                "4.2.0(1187)",
                "whatever its case",
            ),
            (builds(&["bb"]), "", "not listed yet"),
            (Err(failure(ErrorKind::Rejected)), "", "no list to be had"),
        ] {
            let api = Public::new().upload(created(), NOW).builds(listed);

            let report = run(&api, None).await;

            assert_eq!(report.verdict.conclusion, Conclusion::Success, "{why}");
            assert_eq!(report.app_hash, HASH, "{why}");
            assert_eq!((report.file.as_str(), report.size), ("app.apk", 4), "{why}");
            assert_eq!(report.delivery, Some(Delivery::Uploaded), "{why}");
            assert_eq!(report.build, expected, "{why}");
            assert_eq!(api.calls("builds").len(), 1, "{why}");
        }
        for (signal, why) in [
            (None, "a silent list"),
            (Some(Duration::from_secs(1)), "a signal"),
        ] {
            let api = Public::new().upload(created(), NOW).slow_builds(HOURS);

            let report = run(&api, signal).await;

            assert_eq!(report.app_hash, HASH, "{why} does not cost the hash");
            assert!(report.duration <= BUILD_NAME, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unclear_is_sent_again_with_growing_pauses_until_the_deadline() {
        let api = Public::new()
            .upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW)
            .upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW)
            .upload(created(), NOW)
            .builds(builds(&[]));
        let never = Public::new().upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW);

        let report = run(&api, None).await;
        let timed_out = run(&never, None).await;

        assert_eq!(report.app_hash, HASH);
        let at: Vec<u64> = api.calls("upload").iter().map(Duration::as_secs).collect();
        assert_eq!(at, [0, 1, 3]);
        assert_eq!(timed_out.verdict.conclusion, Conclusion::TimedOut);
        assert!(
            timed_out.verdict.reason.contains("502"),
            "{}",
            timed_out.verdict.reason
        );
        assert!(never.calls("upload").len() > 15);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_final_is_sent_once() {
        let api = Public::new().upload(Err(failure(ErrorKind::Rejected)), NOW);

        let report = run(&api, None).await;

        assert_eq!(report.verdict.conclusion, Conclusion::Error);
        assert_eq!(report.delivery, None);
        assert_eq!(api.calls("upload").len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sofy_that_was_never_reached_is_given_up_sooner_than_one_that_was() {
        let unreachable = Public::new().upload(Err(failure(ErrorKind::NotSent)), NOW);
        let reached = Public::new()
            .upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW)
            .upload(Err(failure(ErrorKind::NotSent)), NOW);

        let given_up = run(&unreachable, None).await;
        let patient = run(&reached, None).await;

        assert_eq!(given_up.verdict.conclusion, Conclusion::Error);
        assert!(given_up.verdict.reason.contains("could not be reached"));
        assert!(given_up.duration < MINUTE);
        assert_eq!(patient.verdict.conclusion, Conclusion::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_obeyed_and_said_where_it_is_too_late() {
        let wait = |seconds| {
            let mut error = failure(ErrorKind::OutcomeUnknown);
            error.retry_after = Some(Duration::from_secs(seconds));
            Err(error)
        };
        let api = Public::new()
            .upload(wait(90), NOW)
            .upload(created(), NOW)
            .builds(builds(&[]));
        let too_late = Public::new().upload(wait(1_000), NOW);

        let report = run(&api, None).await;
        let late = run(&too_late, None).await;

        assert_eq!(report.app_hash, HASH);
        assert_eq!(api.calls("upload")[1], Duration::from_secs(90));
        assert_eq!(report.duration, Duration::from_secs(90));
        assert_eq!(late.verdict.conclusion, Conclusion::TimedOut);
        assert!(
            late.verdict.reason.contains("would be in 16m40s"),
            "{}",
            late.verdict.reason
        );
        assert!(late.duration < MINUTE, "not waited for");
    }

    #[tokio::test(start_paused = true)]
    async fn a_build_that_sofy_has_is_proven_by_the_md5_of_the_file_alone() {
        for (listed, proven, why) in [
            (builds(&[HASH, MD5]), true, "the file's MD5"),
            (builds(&[&MD5.to_uppercase()]), true, "whatever its case"),
            (builds(&[HASH]), false, "another hash, though the only one"),
            (builds(&[]), false, "no builds"),
            (
                Err(failure(ErrorKind::Rejected)),
                false,
                "no list to be had",
            ),
        ] {
            let api = Public::new().upload(exists(), NOW).builds(listed);

            let report = run(&api, None).await;

            let delivery = proven.then_some(Delivery::AlreadyThere);
            assert_eq!(report.delivery, delivery, "{why}");
            assert_eq!(report.app_hash.eq_ignore_ascii_case(MD5), proven, "{why}");
            let advice = report.verdict.advice.unwrap_or_default();
            assert_eq!(advice.contains("new build number"), !proven, "{why}");
            let conclusion = if proven {
                Conclusion::Success
            } else {
                Conclusion::Error
            };
            assert_eq!(report.verdict.conclusion, conclusion, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_that_lags_is_polled_for_twenty_seconds_whatever_happened_before() {
        let at_once = || Public::new().upload(exists(), NOW);
        let after_a_lost_answer = || {
            Public::new()
                .upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW)
                .upload(exists(), NOW)
        };
        for (api, why) in [
            (at_once(), "another job uploaded the same file"),
            (after_a_lost_answer(), "an answer was lost"),
        ] {
            let api = api
                .builds(builds(&[]))
                .builds(Err(failure(ErrorKind::OutcomeUnknown)))
                .builds(Err(failure(ErrorKind::Rejected)))
                .builds(builds(&[MD5]));

            assert_eq!(run(&api, None).await.app_hash, MD5, "{why}");
        }
        for (api, why) in [
            (at_once(), "another job uploaded the same file"),
            (after_a_lost_answer(), "an answer was lost"),
        ] {
            let api = api.builds(builds(&[HASH]));

            let report = run(&api, None).await;

            assert_eq!(report.verdict.conclusion, Conclusion::Error, "{why}");
            let polls = api.calls("builds");
            let polled_for = polls[polls.len() - 1] - polls[0];
            assert!((LAG..LAG + LAG_PAUSE).contains(&polled_for), "{polls:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_hash_before_the_end_of_the_file_is_not_the_hash_of_the_file() {
        let api = Public::new().upload(created(), EARLY);

        let report = run(&api, None).await;

        assert_eq!(report.verdict.conclusion, Conclusion::Error);
        assert_eq!((report.app_hash.as_str(), report.delivery), ("", None));
        assert!(report.verdict.reason.contains("after 0 B of 4 B"));
        assert_eq!(api.calls("upload").len(), 1, "Sofy's own word is final");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_perhaps_not_sofy_is_outlived_for_two_minutes() {
        let passing = Public::new()
            .upload(not_sofy(), NOW)
            .upload(not_sofy(), NOW)
            .upload(Err(failure(ErrorKind::OutcomeUnknown)), 3 * MINUTE)
            .upload(not_sofy(), NOW)
            .upload(created(), NOW)
            .builds(builds(&[]));
        let lasting = Public::new().upload(not_sofy(), NOW);

        assert_eq!(run(&passing, None).await.app_hash, HASH);
        let report = run(&lasting, None).await;

        assert_eq!(report.verdict.conclusion, Conclusion::Error);
        let attempts = lasting.calls("upload");
        let last = attempts[attempts.len() - 1];
        assert!((2 * MINUTE..4 * MINUTE).contains(&last), "{attempts:?}");
    }

    /// Accepts a file that somebody writes to meanwhile.
    struct Meanwhile<'a>(&'a Path, fn(&Path));

    impl Uploads for Meanwhile<'_> {
        async fn upload(
            &self,
            _details: &Details,
            mut payload: Payload,
        ) -> Result<UploadAnswer, ApiError> {
            // Longer than a tick of the file system's clock.
            std::thread::sleep(Duration::from_millis(20));
            self.1(self.0);
            while let Some(piece) = payload.pieces.next().await {
                piece
                    .map_err(|error| ApiError::new(ErrorKind::OutcomeUnknown, error.to_string()))?;
            }
            created()
        }

        async fn builds(&self) -> Result<BuildList, ApiError> {
            Ok(BuildList::default())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_changes_while_it_is_sent_has_no_hash() {
        type Write = fn(&Path);
        let writes: [(Write, bool, &str); 5] = [
            (|_| {}, false, "nothing happens to it"),
            (
                |path| fs::write(path, [APP, APP].concat()).expect("written"),
                true,
                "it grows",
            ),
            (
                |path| fs::write(path, b"PK").expect("written"),
                true,
                "it shrinks",
            ),
            (
                |path| fs::write(path, b"PK\x03\x05").expect("written"),
                true,
                "it is rewritten",
            ),
            (
                |path| {
                    fs::remove_file(path).expect("removed");
                    fs::write(path, b"another").expect("written");
                },
                false,
                "the open file is what was sent, whatever has its name now",
            ),
        ];
        for (write, has_changed, why) in writes {
            let folder = tempfile::tempdir().expect("a folder");
            let inputs = inputs_in(folder.path()).await;
            let (_sender, stop) = stop(inputs.timeout);
            let sofy = Meanwhile(&folder.path().join("app.apk"), write);

            let report = run_upload(&sofy, &inputs, stop, || 0.0).await;

            assert_eq!(report.app_hash.is_empty(), has_changed, "{why}");
            let reason = &report.verdict.reason;
            assert_eq!(reason.contains("changed"), has_changed, "{why}: {reason}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_ends_every_phase() {
        let sending = || Public::new().upload(created(), HOURS);
        let pausing = || Public::new().upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW);
        let looking = || Public::new().upload(exists(), NOW).slow_builds(HOURS);
        for (api, words, why) in [
            (sending(), "0 B of 4 B", "while it is sent"),
            (
                pausing(),
                "waiting for the next attempt",
                "between two attempts",
            ),
            (looking(), "looking for the build", "while polling the list"),
        ] {
            let report = run(&api, Some(Duration::from_millis(500))).await;

            assert_eq!(report.verdict.conclusion, Conclusion::Cancelled, "{why}");
            assert!(
                report.verdict.reason.contains(words),
                "{why}: {}",
                report.verdict.reason
            );
            assert!(report.duration < Duration::from_secs(1), "{why}");
        }
        for (api, why) in [
            (sending(), "while it is sent"),
            (looking(), "while looking"),
        ] {
            let report = run(&api, None).await;

            assert_eq!(report.verdict.conclusion, Conclusion::TimedOut, "{why}");
            assert!(report.duration <= 15 * MINUTE, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_that_is_stuck_is_cut_and_sent_again() {
        let api = Public::new()
            .upload(created(), HOURS)
            .upload(created(), NOW)
            .builds(builds(&[]));

        let report = run(&api, None).await;

        assert_eq!(report.app_hash, HASH);
        assert!(api.calls("upload")[1] > MINUTE);
    }
}

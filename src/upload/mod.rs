//! The story of an upload: send the file until Sofy has it, or prove that it had it before.

pub(crate) mod app_file;
mod progress;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep, timeout};

use crate::inputs::{self, upload::UploadInputs};
use crate::model::schedule::Build;
use crate::model::verdict::{Conclusion, Verdict};
use crate::report::upload::UploadReport;
use crate::retry::{Jitter, Patience, Retry};
use crate::sofy::upload::{Sofy, UploadAnswer, Uploads};
use crate::sofy::{ApiError, BuildList, ErrorKind};
use crate::stop::{Stop, StopReason};
use crate::text::{bytes, span};
use app_file::AppFile;
use progress::Transfer;

/// How often the transfer is looked at: the tenths of a fast one are said without delay.
const TICK: Duration = Duration::from_millis(250);

/// For so long Sofy's list of builds may not show what Sofy says that it has.
const LAG: Duration = Duration::from_secs(20);

/// The pause between two polls of a list that lags.
const LAG_PAUSE: Duration = Duration::from_secs(3);

/// How long the name of the build may keep a success waiting.
const BUILD_NAME: Duration = Duration::from_secs(10);

/// What to do if an upload may simply be repeated.
const AGAIN: &str = "Run the job again: a build that Sofy already has is recognised.";

/// What to do after the deadline.
const LATE: &str = "If it just needs more time, raise `timeout`. Run the job again: a build that Sofy already has is \
    recognised.";

/// What to do if Sofy has a build like ours, and nothing shows that it is ours.
const UNPROVEN: &str = "Give the build a new build number and upload it again, or copy the hash of the build from \
    Sofy's portal and pass it as `app-hash`.";

/// An upload that is ready to begin: its file is open, and its client has read the CA certificates.
pub(crate) struct Upload<S = Sofy> {
    inputs: UploadInputs<AppFile>,
    sofy: S,
    stop: Stop,
}

/// Why a step does not begin.
pub(crate) enum NotReady {
    BadInputs(Vec<String>),
    Ended(Verdict),
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
        let temporary = Path::new(inputs::value_of(env, "RUNNER_TEMP"));
        let search = AppFile::find([workspace, temporary], Path::new(&app_path));
        let found = stop.run_until_stopped(search).await;
        let ended = |reason| NotReady::Ended(stopped(reason, "searching for the file"));
        let found = found.map_err(ended)?;
        let inputs = inputs::upload::parse(env, found).map_err(NotReady::BadInputs)?;
        let sofy = Sofy::new(inputs.api_url.as_ref(), inputs.api_key.clone(), inputs.api)
            .map_err(|error| NotReady::Ended(failed(error)))?;
        Ok(Self { inputs, sofy, stop })
    }
}

impl<S: Uploads> Upload<S> {
    /// Uploads the file.
    pub(crate) async fn run(mut self, jitter: Jitter) -> UploadReport {
        let start = Instant::now();
        let (path, size) = (self.inputs.app.path.clone(), self.inputs.app.size);
        tracing::info!("uploading {path} ({})", bytes(size));
        if path.to_lowercase().ends_with("-unsigned.apk") {
            tracing::warn!("{path} is probably not signed, and no device installs such an app");
        }
        let delivered = self.deliver(jitter).await;
        UploadReport {
            file: path,
            size,
            duration: start.elapsed(),
            ..delivered.unwrap_or_else(UploadReport::of)
        }
    }

    /// Sends the file until Sofy has it, or until that is given up.
    async fn deliver(&mut self, jitter: Jitter) -> Result<UploadReport, Verdict> {
        // What is perhaps not Sofy's answer is counted by itself, and only in a row.
        let (mut failures, mut not_sofy) = (Retry::new(jitter), Retry::new(jitter));
        let mut reached = false;
        loop {
            let (error, retry, patience) = match self.attempt().await? {
                Ok(UploadAnswer::Created(app_hash)) => return Ok(self.created(app_hash).await),
                Ok(UploadAnswer::AlreadyExists(said)) => return self.find_existing(&said).await,
                Ok(UploadAnswer::NotSofy(error)) => (error, &mut not_sofy, Patience::OF_A_REFUSAL),
                Err(error) => {
                    not_sofy.succeeded();
                    let patience = match error.kind {
                        _ if !error.is_transient() => Patience::NONE,
                        ErrorKind::NotSent if !reached => Patience::BEFORE_A_RUN,
                        _ => Patience::ENDLESS,
                    };
                    (error, &mut failures, patience)
                }
            };
            reached |= error.kind != ErrorKind::NotSent;
            let now = Instant::now();
            let Some(pause) = retry.failed((), now, error.retry_after, patience) else {
                return Err(failed(error));
            };
            let (next, message) = (span(pause), error.message);
            if pause >= self.stop.deadline.duration_since(now) {
                let limit = span(self.stop.timeout);
                let why = format!(
                    "{message}; the next attempt would be in {next}, past the timeout of {limit}"
                );
                return Err(Verdict::new(Conclusion::TimedOut, why).advise(LATE));
            }
            tracing::info!("{message}; trying again in {next}");
            let paused = self.stop.run_until_stopped(sleep(pause)).await;
            let doing = format!("waiting for the next attempt; before that: {message}");
            paused.map_err(|reason| stopped(reason, &doing))?;
        }
    }

    /// Sends the file once, from its start, logs how far it is, and holds a hash to what was sent.
    ///
    /// A verdict is the end of the upload; an error may not be.
    async fn attempt(&mut self) -> Result<Result<UploadAnswer, ApiError>, Verdict> {
        let app = &self.inputs.app;
        app.check_unchanged().map_err(changed)?;
        let start = Instant::now();
        let sent = Arc::new(AtomicU64::new(0));
        let mut transfer = Transfer::of(app.size);
        let call = self.sofy.upload(&self.inputs.details, app.part(&sent));
        let mut call = std::pin::pin!(call);
        let answer = loop {
            match self.stop.run_until_stopped(timeout(TICK, &mut call)).await {
                Ok(Ok(answer)) => break answer,
                Ok(Err(_)) => {}
                Err(reason) => {
                    let state = transfer.state(start.elapsed());
                    return Err(stopped(reason, &format!("uploading ({state})")));
                }
            }
            match transfer.update(sent.load(Ordering::Relaxed), start.elapsed()) {
                Ok(None) => {}
                Ok(Some(line)) => tracing::info!("{line}"),
                Err(why) => break Err(ApiError::new(ErrorKind::OutcomeUnknown, why)),
            }
        };
        if let Ok(UploadAnswer::Created(_)) = answer {
            app.check_unchanged().map_err(changed)?;
            let sent = sent.load(Ordering::Relaxed);
            if sent < app.size {
                let (sent, size) = (bytes(sent), bytes(app.size));
                let why = format!(
                    "Sofy answered with a hash after {sent} of {size}, so it is not the hash of this file"
                );
                return Ok(Err(ApiError::new(ErrorKind::Rejected, why).advise(AGAIN)));
            }
        }
        Ok(answer)
    }

    /// Reports a build that Sofy took, with its name if the list of builds has one.
    async fn created(&mut self, app_hash: String) -> UploadReport {
        let list = timeout(BUILD_NAME, self.sofy.builds());
        let builds = self.stop.run_until_stopped(list).await;
        let builds = builds.ok().and_then(Result::ok);
        let builds = builds.and_then(Result::ok).unwrap_or_default();
        let reason = format!("{} was uploaded", self.inputs.app.path);
        UploadReport {
            build: listed(builds, &app_hash).map_or_else(String::new, |build| build.name().into()),
            app_hash,
            uploaded: Some(true),
            ..UploadReport::of(Verdict::new(Conclusion::Success, reason))
        }
    }

    /// Looks for the build that Sofy refused to take twice: only the MD5 of our file proves it.
    async fn find_existing(&mut self, said: &str) -> Result<UploadReport, Verdict> {
        tracing::info!("Sofy already has this build; looking up its hash");
        let search = async {
            let md5 = self.inputs.app.md5().await.map_err(changed)?;
            let start = Instant::now();
            loop {
                let because = match self.sofy.builds().await.map(|builds| listed(builds, &md5)) {
                    Err(error) => error.message,
                    Ok(None) => "no hash in Sofy's list of builds is this file's MD5".to_owned(),
                    Ok(Some(build)) => {
                        let reason = "Sofy already has this very file: the listed hash is its MD5";
                        return Ok(UploadReport {
                            build: build.name().to_owned(),
                            app_hash: build.app_hash.unwrap_or_default(),
                            uploaded: Some(false),
                            ..UploadReport::of(Verdict::new(Conclusion::Success, reason))
                        });
                    }
                };
                if start.elapsed() >= LAG {
                    let why = format!(
                        "Sofy says {said}, but it is not proven to be this file: {because}"
                    );
                    return Err(Verdict::new(Conclusion::Error, why).advise(UNPROVEN));
                }
                sleep(LAG_PAUSE).await;
            }
        };
        let found = self.stop.run_until_stopped(search).await;
        found.unwrap_or_else(|reason| Err(stopped(reason, "looking for the build in Sofy's list")))
    }
}

/// Finds the build of a hash in Sofy's list.
fn listed(builds: BuildList, app_hash: &str) -> Option<Build> {
    let mut list = builds.list.into_iter();
    list.find(|build| build.has_hash(app_hash))
}

fn stopped(reason: StopReason, doing: &str) -> Verdict {
    let advice = match reason {
        StopReason::Signal(_) => AGAIN,
        StopReason::Deadline(_) => LATE,
    };
    Verdict::stopped(reason, &format!(" while {doing}")).advise(advice)
}

fn failed(error: ApiError) -> Verdict {
    let advice = error.with_details(&error.advice);
    let reason = match error.kind {
        ErrorKind::Rejected => format!("Sofy did not accept the build: {}", error.message),
        _ => error.message,
    };
    Verdict::new(Conclusion::Error, reason).advise(advice)
}

/// The file is not what it was when it was found, or can no longer be read.
fn changed(error: io::Error) -> Verdict {
    let reason = format!("The file changed after the upload began ({error})");
    Verdict::new(Conclusion::Error, reason)
        .advise("Let nothing write to the file while it is uploaded, then run the job again.")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::github::log;
    use crate::model::schedule::{Details, Generation};
    use crate::secret::ApiKey;
    use crate::tests::fixtures::stop;
    use crate::tests::scripted::{Public, failure, taken};
    use reqwest::multipart::Part;
    use std::fs;

    const APP: &[u8] = b"PK\x03\x04";
    /// The MD5 of that.
    pub(crate) const MD5: &str = "10893fd7cff66dca193f658ca9438d15";
    pub(crate) const HASH: &str = "aaaaaaa1";
    const NOW: Duration = Duration::ZERO;
    /// Before the file was taken.
    const EARLY: Duration = Duration::from_millis(1);
    pub(crate) const MINUTE: Duration = Duration::from_secs(60);
    const HOURS: Duration = Duration::from_secs(5 * 3600);

    pub(crate) fn created() -> Result<UploadAnswer, ApiError> {
        Ok(UploadAnswer::Created(HASH.to_owned()))
    }

    pub(crate) fn exists() -> Result<UploadAnswer, ApiError> {
        let said = "\"Build already exists.\"".to_owned();
        Ok(UploadAnswer::AlreadyExists(said))
    }

    pub(crate) fn not_sofy() -> Result<UploadAnswer, ApiError> {
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
        let found = AppFile::find([folder, Path::new("")], Path::new("app.apk")).await;
        UploadInputs {
            api_key: ApiKey::new("k3y-of-uploads".into()),
            app: found.expect("the app"),
            details: Details::default(),
            api: Generation::Public,
            api_url: None,
        }
    }

    impl<U: Uploads> Uploads for &U {
        async fn upload(&self, details: &Details, file: Part) -> Result<UploadAnswer, ApiError> {
            (**self).upload(details, file).await
        }

        async fn builds(&self) -> Result<BuildList, ApiError> {
            (**self).builds().await
        }
    }

    /// Runs an upload of up to 15 minutes, with a signal after some of them.
    pub(crate) async fn run(api: &Public, signal: Option<Duration>) -> UploadReport {
        let folder = tempfile::tempdir().expect("a folder");
        let inputs = inputs_in(folder.path()).await;
        let (sender, stop) = stop(15 * MINUTE);
        let signalling = async {
            if let Some(after) = signal {
                sleep(after).await;
                sender.send(Some("SIGINT")).expect("a listener");
            }
        };
        let upload = Upload {
            inputs,
            sofy: api,
            stop,
        };
        let (report, ()) = tokio::join!(upload.run(|| 0.0), signalling);
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
            assert_eq!(report.uploaded, Some(true), "{why}");
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
    async fn an_app_that_is_probably_not_signed_is_a_warning() {
        for (path, warnings) in [("Shop-Unsigned.APK", 1), ("shop.apk", 0)] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut inputs = inputs_in(folder.path()).await;
            inputs.app.path = path.to_owned();
            let (_sender, stop) = stop(MINUTE);
            let sofy = &Public::new().upload(Err(failure(ErrorKind::Rejected)), NOW);
            let style = log::Style {
                debug: false,
                commands: false,
            };
            let _listening = log::tests::listening(style);

            Upload { inputs, sofy, stop }.run(|| 0.0).await;

            let log = log::tests::taken_down();
            let words = format!("warning: {path} is probably not signed");
            assert_eq!(log.matches(&words).count(), warnings, "{log}");
            assert_eq!(log.matches("not signed").count(), warnings, "{log}");
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
        assert_eq!(report.uploaded, None);
        assert_eq!(api.calls("upload").len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sofy_that_was_never_reached_is_given_up_sooner_than_one_that_was() {
        let unreachable = Public::new().upload(Err(failure(ErrorKind::NotSent)), NOW);
        let reached = Public::new()
            .upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW)
            .upload(Err(failure(ErrorKind::NotSent)), NOW);

        let reached_twice = Public::new()
            .upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW)
            .upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW)
            .upload(Err(failure(ErrorKind::NotSent)), NOW);
        let busy = Public::new().upload(Err(failure(ErrorKind::Busy)), NOW);

        let given_up = run(&unreachable, None).await;
        let patient = run(&reached, None).await;
        let patient_with_429 = run(&busy, None).await;

        assert_eq!(given_up.verdict.conclusion, Conclusion::Error);
        assert!(given_up.verdict.reason.contains("could not be reached"));
        assert!(given_up.duration < MINUTE);
        assert_eq!(patient.verdict.conclusion, Conclusion::TimedOut);
        let conclusion = run(&reached_twice, None).await.verdict.conclusion;
        assert_eq!(conclusion, Conclusion::TimedOut, "it was reached twice");
        let conclusion = patient_with_429.verdict.conclusion;
        assert_eq!(conclusion, Conclusion::TimedOut, "a 429 is an answer");
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

        let report = run(&api, None).await;

        assert_eq!(report.app_hash, HASH);
        assert_eq!(api.calls("upload")[1], Duration::from_secs(90));
        assert_eq!(report.duration, Duration::from_secs(90));
        for (seconds, words) in [(1_000, "would be in 16m40s"), (900, "would be in 15m")] {
            let too_late = Public::new().upload(wait(seconds), NOW);

            let late = run(&too_late, None).await;

            assert_eq!(late.verdict.conclusion, Conclusion::TimedOut);
            let reason = late.verdict.reason;
            assert!(reason.contains(words), "{reason}");
            assert!(late.duration < MINUTE, "not waited for");
        }
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

            let uploaded = proven.then_some(false);
            assert_eq!(report.uploaded, uploaded, "{why}");
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
    async fn a_list_that_takes_twenty_seconds_is_not_read_again() {
        let api = Public::new().upload(exists(), NOW).slow_builds(LAG);

        let report = run(&api, None).await;

        assert_eq!(report.verdict.conclusion, Conclusion::Error);
        assert_eq!(api.calls("builds").len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hash_before_the_end_of_the_file_is_not_the_hash_of_the_file() {
        let api = Public::new().upload(created(), EARLY);

        let report = run(&api, None).await;

        assert_eq!(report.verdict.conclusion, Conclusion::Error);
        assert_eq!((report.app_hash.as_str(), report.uploaded), ("", None));
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
        async fn upload(&self, _details: &Details, file: Part) -> Result<UploadAnswer, ApiError> {
            // Longer than a tick of the file system's clock.
            std::thread::sleep(Duration::from_millis(20));
            self.1(self.0);
            taken(file).await?;
            created()
        }

        async fn builds(&self) -> Result<BuildList, ApiError> {
            Ok(BuildList::default())
        }
    }

    /// Runs an upload while somebody writes to its file.
    pub(crate) async fn run_while(write: fn(&Path)) -> UploadReport {
        let folder = tempfile::tempdir().expect("a folder");
        let inputs = inputs_in(folder.path()).await;
        let (_sender, stop) = stop(15 * MINUTE);
        let sofy = Meanwhile(&folder.path().join("app.apk"), write);
        Upload { inputs, sofy, stop }.run(|| 0.0).await
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
            let report = run_while(write).await;

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
                "waiting for the next attempt; before that: Sofy answered 502",
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

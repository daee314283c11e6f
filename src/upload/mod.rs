//! The story of an upload: send the file until Sofy has it, or prove that it had it before.

pub(crate) mod app_file;
mod digests;
mod progress;

use std::io;
use std::time::Duration;

use tokio::sync::watch::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::inputs::upload::UploadInputs;
use crate::model::verdict::{Conclusion, Verdict};
use crate::report::upload::{Delivery, UploadReport};
use crate::retry::{Jitter, Patience, backoff};
use crate::sofy::upload::{Payload, Received, Sent, Sofy, Uploads};
use crate::sofy::{ApiError, ErrorKind};
use crate::stop::{Stop, StopReason};
use crate::text::{bytes, span};
use crate::upload::app_file::{AppFile, Reading};
use crate::upload::digests::Digests;
use crate::upload::progress::{Look, Transfer};

/// How often the transfer is looked at: the tenths of a fast one are said without delay.
const TICK: Duration = Duration::from_millis(250);

/// For so long Sofy's list of builds may not show what it took a moment ago.
const LAG: Duration = Duration::from_secs(20);

/// The pause between two looks at a list that lags.
const LAG_PAUSE: Duration = Duration::from_secs(3);

/// How long the name of the build may keep a success waiting.
const BUILD_NAME: Duration = Duration::from_secs(10);

/// Runs the upload with the API generation that the inputs choose.
pub(crate) async fn run(
    inputs: &UploadInputs<AppFile>,
    signal: Receiver<Option<&'static str>>,
    jitter: Jitter,
) -> UploadReport {
    let stop = Stop::new(inputs.timeout, signal);
    let key = inputs.api_key.clone();
    match Sofy::new(inputs.api_url.as_ref(), key, inputs.api) {
        Ok(sofy) => run_upload(&sofy, inputs, stop, jitter).await,
        Err(error) => report(inputs, Failure::Api(error).verdict(inputs.timeout)),
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
    let delivered = deliver(sofy, inputs, &mut stop, jitter).await;
    let report = match delivered {
        Ok(had) => UploadReport {
            app_hash: had.app_hash,
            build: had.build,
            delivery: Some(had.delivery),
            ..report(inputs, Verdict::new(Conclusion::Success, had.reason))
        },
        Err(failure) => report(inputs, failure.verdict(inputs.timeout)),
    };
    UploadReport {
        duration: start.elapsed(),
        ..report
    }
}

/// A build that Sofy has.
struct Had {
    app_hash: String,
    build: String,
    delivery: Delivery,
    reason: String,
}

/// Why there is no hash.
enum Failure {
    StopReason {
        limit: StopReason,
        /// How far the upload was.
        state: String,
        /// What went wrong before.
        last: Option<ApiError>,
    },
    /// The next attempt would be after the deadline.
    TooLate {
        pause: Duration,
        error: ApiError,
    },
    Api(ApiError),
    Unreadable(io::Error),
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
) -> Result<Had, Failure> {
    let start = Instant::now();
    let mut failures = 0;
    let mut reached = false;
    let mut last = None;
    loop {
        let received = match attempt(sofy, inputs, stop).await {
            Ok(received) => received,
            Err(Failure::StopReason { limit, state, .. }) => {
                return Err(Failure::StopReason { limit, state, last });
            }
            Err(failure) => return Err(failure),
        };
        let error = match received {
            Attempt {
                received: Ok(Received::As { app_hash }),
                ..
            } => {
                return Ok(Had {
                    build: build_name(sofy, &app_hash, stop).await,
                    app_hash,
                    delivery: Delivery::Uploaded,
                    reason: format!("{} was uploaded", inputs.app.path()),
                });
            }
            Attempt {
                received: Ok(Received::Before { said }),
                digests,
            } => {
                let digests = match digests {
                    Some(digests) => digests,
                    None => match stop.run_until_stopped(inputs.app.digests()).await {
                        Ok(digests) => digests.map_err(Failure::Unreadable)?,
                        Err(limit) => return Err(limited(limit, "while reading the file")),
                    },
                };
                let patience = if reached { LAG } else { Duration::ZERO };
                return had_before(sofy, &digests, said, patience, stop).await;
            }
            Attempt {
                received: Err(error),
                ..
            } => error,
        };
        failures += 1;
        reached |= error.kind != ErrorKind::NotSent;
        let patience = if reached {
            Patience::ENDLESS
        } else {
            Patience::BEFORE_A_RUN
        };
        if !error.is_transient() || !patience.allows(failures, start.elapsed()) {
            return Err(Failure::Api(error));
        }
        let pause = backoff(failures, error.retry_after, jitter());
        if Instant::now() + pause >= stop.deadline() {
            return Err(Failure::TooLate { pause, error });
        }
        tracing::info!("{}; trying again in {}", error.message, span(pause));
        last = Some(error);
        if let Err(limit) = stop.run_until_stopped(sleep(pause)).await {
            let state = "before another attempt".to_owned();
            return Err(Failure::StopReason { limit, state, last });
        }
    }
}

/// How one attempt ended.
struct Attempt {
    received: Result<Received, ApiError>,
    /// Those of what was sent; none where Sofy answered before the end.
    digests: Option<Digests>,
}

/// Sends the file once, from its start.
async fn attempt<U: Uploads>(
    sofy: &U,
    inputs: &UploadInputs<AppFile>,
    stop: &mut Stop,
) -> Result<Attempt, Failure> {
    let app = &inputs.app;
    let sent = Sent::default();
    let Reading { pieces, digests } = app.read();
    let payload = Payload {
        name: app.name(),
        size: app.size(),
        pieces,
        sent: sent.clone(),
    };
    let call = sofy.upload(&inputs.details, payload);
    let received = watched(call, &sent, app.size(), stop).await?;
    // Nobody takes its pieces any more, so that the reader comes to its end.
    let digests = match stop.run_until_stopped(digests).await {
        Ok(digests) => digests.map_err(io::Error::other).flatten(),
        Err(limit) => return Err(limited(limit, "while reading the file")),
    };
    match (received, digests) {
        (Err(_), Err(error)) => Err(Failure::Unreadable(error)),
        (received, digests) => Ok(Attempt {
            received,
            digests: digests.ok().flatten(),
        }),
    }
}

/// Waits for the end of a call and says how far it is.
async fn watched(
    call: impl Future<Output = Result<Received, ApiError>>,
    sent: &Sent,
    size: u64,
    stop: &mut Stop,
) -> Result<Result<Received, ApiError>, Failure> {
    let start = Instant::now();
    let mut transfer = Transfer::of(size);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut call = std::pin::pin!(call);
    loop {
        tokio::select! {
            biased;
            limit = stop.reached() => {
                return Err(limited(limit, transfer.state(sent.bytes(), start.elapsed())));
            }
            received = &mut call => return Ok(received),
            _ = ticks.tick() => match transfer.look(sent.bytes(), start.elapsed()) {
                Look::Quiet => {}
                Look::Line(line) => tracing::info!("{line}"),
                Look::Stuck(why) => return Ok(Err(ApiError::new(ErrorKind::OutcomeUnknown, why))),
            },
        }
    }
}

/// Looks for the build that Sofy refused to take twice: only a hash that is a digest of our file proves it.
async fn had_before<U: Uploads>(
    sofy: &U,
    digests: &Digests,
    said: String,
    patience: Duration,
    stop: &mut Stop,
) -> Result<Had, Failure> {
    const LOOKING: &str = "while looking for the build in Sofy's list";
    tracing::info!("Sofy has such a build already; looking for the hash of this file in its list");
    let start = Instant::now();
    loop {
        let listed = stop.run_until_stopped(sofy.builds()).await;
        let (because, again) = match listed {
            Ok(Ok(builds)) => {
                let ours = builds.list.iter().find_map(|build| {
                    let digest = digests.name(&build.app_hash)?;
                    Some((build, digest))
                });
                if let Some((build, digest)) = ours {
                    return Ok(Had {
                        app_hash: build.app_hash.clone(),
                        build: build.name().to_owned(),
                        delivery: Delivery::HadBefore,
                        reason: format!(
                            "Sofy has this very build already: the hash is the file's {digest}"
                        ),
                    });
                }
                let because = "no hash in its list of builds is a digest of this file";
                (because.to_owned(), start.elapsed() < patience)
            }
            Ok(Err(error)) => {
                let again = error.is_transient() && start.elapsed() < LAG;
                (error.message, again)
            }
            Err(limit) => return Err(limited(limit, LOOKING)),
        };
        if !again {
            return Err(Failure::Unproven { said, because });
        }
        if let Err(limit) = stop.run_until_stopped(sleep(LAG_PAUSE)).await {
            return Err(limited(limit, LOOKING));
        }
    }
}

fn limited(limit: StopReason, state: impl Into<String>) -> Failure {
    Failure::StopReason {
        limit,
        state: state.into(),
        last: None,
    }
}

/// What Sofy's list calls a build; blank where a look does not tell.
async fn build_name<U: Uploads>(sofy: &U, app_hash: &str, stop: &mut Stop) -> String {
    match stop
        .run_until_stopped(timeout(BUILD_NAME, sofy.builds()))
        .await
    {
        Ok(Ok(Ok(builds))) => builds
            .list
            .iter()
            .find(|build| build.app_hash.eq_ignore_ascii_case(app_hash))
            .map(|build| build.name().to_owned())
            .unwrap_or_default(),
        Ok(Ok(Err(error))) => {
            tracing::debug!("the build's name is not known: {}", error.message);
            String::new()
        }
        Ok(Err(_)) | Err(_) => String::new(),
    }
}

/// What the inputs say, and how it ended.
fn report(inputs: &UploadInputs<AppFile>, verdict: Verdict) -> UploadReport {
    UploadReport {
        file: inputs.app.path(),
        size: inputs.app.size(),
        ..UploadReport::of(verdict)
    }
}

/// What to do wherever an upload may simply be done again.
const AGAIN: &str = "Run the job again: a build that Sofy has already is recognised.";

impl Failure {
    fn verdict(self, timeout: Duration) -> Verdict {
        let before = |last: Option<ApiError>| {
            last.map(|error| format!("; before that, {}", error.message))
                .unwrap_or_default()
        };
        match self {
            Self::StopReason { limit, state, last } => {
                let advice = match limit {
                    StopReason::Signal(_) => AGAIN.to_owned(),
                    StopReason::Deadline(_) => format!("Raise the input timeout. {AGAIN}"),
                };
                Verdict::stopped(limit, &format!(": {state}{}", before(last))).advise(advice)
            }
            Self::TooLate { pause, error } => Verdict::new(
                Conclusion::TimedOut,
                format!(
                    "the next attempt would be in {}, after the timeout of {}; {}",
                    span(pause),
                    span(timeout),
                    error.message
                ),
            )
            .advise(format!("Raise the input timeout. {AGAIN}")),
            Self::Api(error) => {
                let what = match error.kind {
                    ErrorKind::Rejected => "Sofy does not take the build",
                    ErrorKind::NotSent => "Sofy cannot be reached",
                    ErrorKind::OutcomeUnknown | ErrorKind::NotFound => {
                        "Sofy does not answer as it should"
                    }
                };
                Verdict::new(Conclusion::Error, format!("{what}: {}", error.message))
                    .advise(error.advice)
            }
            Self::Unreadable(error) => Verdict::new(
                Conclusion::Error,
                format!("the file changed or cannot be read any more ({error})"),
            )
            .advise("Let nothing write to the file while it is uploaded."),
            Self::Unproven { said, because } => Verdict::new(
                Conclusion::Error,
                format!(
                    "Sofy says {said}, but it is not proven to be this very file, because {because}"
                ),
            )
            .advise(
                "Give the build a new build number and upload it again; or take the hash of the \
                 build from Sofy's portal and hand it over as app-hash.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::Runner;
    use crate::model::schedule::Build;
    use crate::model::schedule::Details;
    use crate::model::schedule::Generation;
    use crate::secret::ApiKey;
    use crate::tests::fixtures::stop;
    use crate::tests::scripted::{Public, failure};
    use std::path::Path;

    const APP: &[u8] = b"PK\x03\x04";
    /// The MD5 of that.
    const MD5: &str = "10893fd7cff66dca193f658ca9438d15";
    const NOW: Duration = Duration::ZERO;
    const MINUTE: Duration = Duration::from_secs(60);
    const HOURS: Duration = Duration::from_secs(5 * 3600);

    fn received(app_hash: &str) -> Result<Received, ApiError> {
        let app_hash = app_hash.to_owned();
        Ok(Received::As { app_hash })
    }

    fn before() -> Result<Received, ApiError> {
        let said = "\"Build already exists.\"".to_owned();
        Ok(Received::Before { said })
    }

    fn builds(hashes: &[&str]) -> Result<Vec<Build>, ApiError> {
        let build = |hash: &&str| Build {
            app_hash: (*hash).to_owned(),
            application: "g".into(),
            id: "4.2.0(1187)".into(),
            friendly_name: String::new(),
        };
        Ok(hashes.iter().map(build).collect())
    }

    /// Runs an upload of up to 15 minutes, with a signal after some of them.
    async fn run(api: &Public, signal: Option<Duration>) -> UploadReport {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("app.apk"), APP).expect("an app");
        let workspace = folder.path().display().to_string();
        let runner = Runner::open(&[("GITHUB_WORKSPACE".to_owned(), workspace)]);
        let inputs = UploadInputs {
            api_key: ApiKey::new("k3y-of-uploads".into()),
            app: app_file::find(&runner, Path::new("app.apk")).expect("the app"),
            details: Details::default(),
            api: Generation::Public,
            api_url: None,
            timeout: 15 * MINUTE,
        };
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
            (builds(&["bb", "AA"]), "4.2.0(1187)", "whatever its case"),
            (builds(&["bb"]), "", "not listed yet"),
            (Err(failure(ErrorKind::Rejected)), "", "no list to be had"),
        ] {
            let api = Public::new().upload(received("aa"), NOW).builds(listed);

            let report = run(&api, None).await;

            assert_eq!(report.verdict.conclusion, Conclusion::Success, "{why}");
            assert_eq!(report.app_hash, "aa", "{why}");
            assert_eq!((report.file.as_str(), report.size), ("app.apk", 4), "{why}");
            assert_eq!(report.delivery, Some(Delivery::Uploaded), "{why}");
            assert_eq!(report.build, expected, "{why}");
            assert_eq!(api.calls("builds").len(), 1, "{why}");
        }
        for (signal, why) in [
            (None, "a silent list"),
            (Some(Duration::from_secs(1)), "a signal"),
        ] {
            let api = Public::new().upload(received("aa"), NOW).slow_builds(HOURS);

            let report = run(&api, signal).await;

            assert_eq!(report.app_hash, "aa", "{why} does not cost the hash");
            assert!(report.duration <= BUILD_NAME, "{why}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unclear_is_sent_again_with_growing_pauses_until_the_deadline() {
        let api = Public::new()
            .upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW)
            .upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW)
            .upload(received("aa"), NOW)
            .builds(builds(&[]));
        let never = Public::new().upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW);

        let report = run(&api, None).await;
        let timed_out = run(&never, None).await;

        assert_eq!(report.app_hash, "aa");
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
        assert!(given_up.verdict.reason.contains("cannot be reached"));
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
            .upload(received("aa"), NOW)
            .builds(builds(&[]));
        let too_late = Public::new().upload(wait(1_000), NOW);

        let report = run(&api, None).await;
        let late = run(&too_late, None).await;

        assert_eq!(report.app_hash, "aa");
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
    async fn a_build_that_sofy_had_is_proven_by_a_digest_alone() {
        for (listed, proven, why) in [
            (builds(&["aa", MD5]), true, "the file's MD5"),
            (
                builds(&["aa"]),
                false,
                "another hash, though it is the only one",
            ),
            (builds(&[]), false, "no builds"),
            (
                Err(failure(ErrorKind::Rejected)),
                false,
                "no list to be had",
            ),
        ] {
            let api = Public::new().upload(before(), NOW).builds(listed);

            let report = run(&api, None).await;

            let delivery = proven.then_some(Delivery::HadBefore);
            assert_eq!(report.delivery, delivery, "{why}");
            assert_eq!(report.app_hash, if proven { MD5 } else { "" }, "{why}");
            let conclusion = if proven {
                Conclusion::Success
            } else {
                Conclusion::Error
            };
            assert_eq!(report.verdict.conclusion, conclusion, "{why}");
            assert!(
                proven
                    || report
                        .verdict
                        .advice
                        .unwrap_or_default()
                        .contains("new build number"),
                "{why}"
            );
            assert_eq!(
                api.calls("builds").len(),
                1,
                "no answer was lost before: {why}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_lost_answer_the_list_may_lag() {
        let lost = || {
            Public::new()
                .upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW)
                .upload(before(), NOW)
        };
        let lagging = lost()
            .builds(builds(&[]))
            .builds(builds(&[]))
            .builds(builds(&[MD5]));
        let never = lost().builds(builds(&["aa"]));
        let failing = Public::new()
            .upload(before(), NOW)
            .builds(Err(failure(ErrorKind::OutcomeUnknown)))
            .builds(builds(&[MD5]));

        assert_eq!(run(&lagging, None).await.app_hash, MD5);
        let unproven = run(&never, None).await;
        assert_eq!(
            run(&failing, None).await.app_hash,
            MD5,
            "a list that fails is asked again"
        );

        assert_eq!(unproven.verdict.conclusion, Conclusion::Error);
        let looked = never.calls("builds");
        let for_so_long = looked[looked.len() - 1] - looked[0];
        assert!(
            for_so_long >= LAG && for_so_long < LAG + LAG_PAUSE,
            "{looked:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_ends_every_phase() {
        let sending = || Public::new().upload(received("aa"), HOURS);
        let pausing = || Public::new().upload(Err(failure(ErrorKind::OutcomeUnknown)), NOW);
        let looking = || Public::new().upload(before(), NOW).slow_builds(HOURS);
        for (api, words, why) in [
            (sending(), "0 B of 4 B", "while it is sent"),
            (pausing(), "before another attempt", "between two attempts"),
            (looking(), "while looking", "while looking at the list"),
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
            .upload(received("never"), HOURS)
            .upload(received("aa"), NOW)
            .builds(builds(&[]));

        let report = run(&api, None).await;

        assert_eq!(report.app_hash, "aa");
        assert!(api.calls("upload")[1] > MINUTE);
    }
}

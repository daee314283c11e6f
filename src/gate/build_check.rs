//! Was the build tested that was asked for? Sofy's list of builds ties the names that test runs show to hashes.
//!
//! The list is read after the run has settled: what was listed before proves nothing of what was tested. `verified`
//! needs every entry of the whole list; evidence against a build needs only entries of its own application.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::model::{report::BuildCheck, schedule::Build, test_run::TestRun};
use crate::sofy::{BuildList, SofyApi};
use crate::stop::{Stop, StopReason};
use crate::text::{count, list, span};

/// How long the list may keep a verdict waiting, deadline or not: without it the wrong build would pass.
const AT_MOST: Duration = Duration::from_secs(10);
/// The pause before the list is read again: a new build may be listed late, or named late.
const PAUSE: Duration = Duration::from_secs(2);

const UNIQUE: &str = "use a build number that is unique per upload and platform";

/// Reads the list and compares; only a signal ends it early.
pub(crate) async fn check_build<A: SofyApi>(
    api: &A,
    app_hash: &str,
    test_runs: &[TestRun],
    stop: &mut Stop,
) -> Result<BuildCheck, StopReason> {
    let until = Instant::now() + AT_MOST;
    let mut latest = Err(format!("Sofy's list of builds took over {}", span(AT_MOST)));
    let read = async {
        loop {
            let answer = api.builds().await;
            let again = match &answer {
                Ok(all) => name(&all.list, app_hash).is_none() || !all.completeness.age.is_zero(),
                Err(error) => error.is_transient(),
            };
            // A list that was read stays known if a later call fails.
            if answer.is_ok() || latest.is_err() {
                latest = answer.map_err(|error| error.message);
            }
            if !again || until.duration_since(Instant::now()) <= PAUSE {
                return;
            }
            sleep(PAUSE).await;
        }
    };
    if let Err(reason @ StopReason::Signal(_)) = stop.run_until(until, read).await {
        return Err(reason);
    }
    let check = match latest {
        Ok(builds) => check(app_hash, &builds, test_runs),
        Err(because) => BuildCheck::Unverified { because },
    };
    tracing::info!("app-hash {app_hash}: {check}");
    Ok(check)
}

/// Finds the name that the list gives to the hash.
fn name<'list>(builds: &'list [Build], app_hash: &str) -> Option<&'list str> {
    let mut ours = builds.iter().filter(|build| build.has_hash(app_hash));
    ours.find_map(|build| Some(build.name()).filter(|name| !name.trim().is_empty()))
}

/// Compares the builds of the test runs with those that the list gives to the hash.
pub(crate) fn check(app_hash: &str, builds: &BuildList, test_runs: &[TestRun]) -> BuildCheck {
    let is_ours = |build: &&Build| build.has_hash(app_hash);
    let (ours, others): (Vec<_>, Vec<_>) = builds.list.iter().partition(is_ours);
    let applications: BTreeSet<_> = ours.iter().map(|build| &build.application).collect();
    let mut rivals = others.clone();
    rivals.retain(|build| build.app_hash.is_some() && applications.contains(&build.application));
    let asked_for = name(&builds.list, app_hash);
    let (ours, others, rivals) = (names(&ours), names(&others), names(&rivals));
    let tested: BTreeSet<&str> = test_runs.iter().map(|run| run.build.as_str()).collect();
    let mut strangers = tested.difference(&ours);
    let wrong = strangers.clone().find(|name| rivals.contains(*name));
    let because = if let Some(sign) = &builds.completeness.not_whole {
        format!("Sofy's list of builds is incomplete: {sign}")
    } else if let (Some(asked_for), Some(wrong)) = (asked_for, wrong) {
        return BuildCheck::Wrong(format!("{wrong} instead of {asked_for}"));
    } else if !builds.completeness.age.is_zero() {
        "Sofy's list of builds is an old one, which a cache kept".to_owned()
    } else if builds.unreadable > 0 {
        let parts = count(builds.unreadable, "part");
        format!("Sofy's list of builds has {parts} that cannot be read")
    } else if applications.is_empty() {
        "Sofy's list of builds does not contain this hash".to_owned()
    } else if asked_for.is_none() {
        "Sofy's list of builds has no name for this hash yet".to_owned()
    } else if tested.is_empty() {
        "there is no test run".to_owned()
    } else if tested.iter().any(|name| name.trim().is_empty()) {
        "a test run names no build".to_owned()
    } else if let Some(name) = strangers.next() {
        format!("a test run names {name}, which Sofy's list of builds does not give to this hash")
    } else if let Some(name) = tested.intersection(&others).next() {
        format!("another build is also called {name}; {UNIQUE}")
    } else {
        let build = list(tested);
        return BuildCheck::Verified { build };
    };
    BuildCheck::Unverified { because }
}

fn names<'list>(builds: &[&'list Build]) -> BTreeSet<&'list str> {
    let both = |build: &&'list Build| [build.id.as_str(), &build.friendly_name];
    let names = builds.iter().flat_map(both);
    names.filter(|name| !name.trim().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::test_run::Completeness;
    use crate::sofy::ErrorKind;
    use crate::tests::fixtures::{stop, test_run, test_runs};
    use crate::tests::scripted::{Public as Scripted, failure};
    use proptest::prelude::*;

    const OURS: &str = "aaaa0000";

    fn build(app_hash: &str, application: &str, id: &str) -> Build {
        Build {
            app_hash: Some(app_hash.to_owned()).filter(|hash| !hash.is_empty()),
            application: application.into(),
            id: id.into(),
            friendly_name: String::new(),
        }
    }

    fn listed(list: &[Build]) -> BuildList {
        BuildList {
            list: list.to_vec(),
            ..BuildList::default()
        }
    }

    fn runs(builds: &[&str]) -> Vec<TestRun> {
        let run = |build: &&str| TestRun {
            build: (*build).into(),
            ..test_run("Log in", "Pixel 8", "Passed")
        };
        builds.iter().map(run).collect()
    }

    #[test]
    fn the_right_build_is_proven_and_another_is_told() {
        let ours = || build(OURS, "app", "2.0(2)");
        let list = [
            ours(),
            build("bb", "app", "1.0(1)"),
            build("cc", "other", "3.0(3)"),
        ];
        let mut friendly = list.clone();
        friendly[0].friendly_name = "Candidate".into();
        let shared = [
            ours(),
            build("bb", "app", "2.0(2)"),
            build("cc", "app", "1.0(1)"),
        ];
        let elsewhere = [ours(), build("bb", "other", "2.0(2)")];
        let without_a_hash = [ours(), build("", "app", "2.0(2)")];
        let hash_of_none = [ours(), build("", "app", "1.0(1)")];
        let twice = [ours(), build(OURS, "app", "2.1(2)")];
        let blank = [build(OURS, "app", " ")];
        let both_names = [ours(), build(OURS, "app", " ")];
        let nameless = [build(OURS, "app", ""), build("bb", "app", "1.0(1)")];
        let mut renamed = [build(OURS, "app", " "), build("bb", "app", "1.0(1)")];
        renamed[0].friendly_name = "Candidate".into();
        let both = [
            ours(),
            build("bb", "app", "1.0(1)"),
            build("cc", "other", "1.0(1)"),
        ];
        for (builds, hash, tested, expected, why) in [
            (
                &list[..],
                OURS,
                &["2.0(2)", "2.0(2)"][..],
                "verified",
                "all of them",
            ),
            (
                &list,
                "AAAA0000",
                &["2.0(2)"],
                "verified",
                "a hash in capitals",
            ),
            (
                &friendly,
                OURS,
                &["Candidate"],
                "verified",
                "what a person called it",
            ),
            (
                &twice,
                OURS,
                &["2.0(2)", "2.1(2)"],
                "verified",
                "both are its names",
            ),
            (
                &elsewhere,
                OURS,
                &["2.0(2)"],
                "another build is also called 2.0(2)",
                "an iOS build of the same name",
            ),
            (
                &shared,
                OURS,
                &["2.0(2)"],
                "unique per upload and platform",
                "an upload of the same name",
            ),
            (
                &without_a_hash,
                OURS,
                &["2.0(2)"],
                "another build is also called 2.0(2)",
                "a build without a hash",
            ),
            (
                &hash_of_none,
                OURS,
                &["2.0(2)"],
                "verified",
                "a build without a hash, and with another name",
            ),
            (
                &hash_of_none,
                OURS,
                &["1.0(1)"],
                "does not give to this hash",
                "it may be this hash that is not listed",
            ),
            (
                &list,
                OURS,
                &["2.0(2)", "1.0(1)"],
                "1.0(1) instead of 2.0(2)",
                "one of them another",
            ),
            (
                &shared,
                OURS,
                &["1.0(1)"],
                "1.0(1) instead of 2.0(2)",
                "another, though ours is shared",
            ),
            (
                &both,
                OURS,
                &["1.0(1)"],
                "1.0(1) instead of 2.0(2)",
                "other applications do not count",
            ),
            (
                &nameless,
                OURS,
                &["1.0(1)"],
                "has no name for this hash yet",
                "freshly uploaded",
            ),
            (
                &list,
                "dddd0000",
                &["1.0(1)"],
                "does not contain this hash",
                "not listed",
            ),
            (
                &list,
                OURS,
                &["3.0(3)"],
                "does not give to this hash",
                "another application's",
            ),
            (
                &list,
                OURS,
                &["9.9"],
                "does not give to this hash",
                "a name that nobody knows",
            ),
            (
                &renamed,
                OURS,
                &["1.0(1)"],
                "1.0(1) instead of Candidate",
                "ours has a blank ID and another name",
            ),
            (&list, OURS, &["2.0(2)", ""], "names no build", "nothing"),
            (&blank, OURS, &[" "], "has no name", "a name of blanks"),
            (
                &both_names,
                OURS,
                &[" "],
                "names no build",
                "blanks in a row",
            ),
            (&list, OURS, &[], "no test run", "nothing at all"),
        ] {
            let check = check(hash, &listed(builds), &runs(tested));

            assert!(check.to_string().contains(expected), "{why}: {check}");
            assert_eq!(check.is_verified(), expected == "verified", "{why}");
            let wrong = matches!(check, BuildCheck::Wrong(_));
            assert_eq!(wrong, expected.contains("instead of"), "{why}");
        }
    }

    #[test]
    fn a_list_that_is_not_whole_proves_nothing_and_an_unreadable_part_hides_no_wrong_build() {
        let list = [build(OURS, "app", "2.0(2)"), build("bb", "app", "1.0(1)")];
        let cut_off = BuildList {
            completeness: Completeness {
                not_whole: Some("hasNextPage is true".into()),
                ..Completeness::default()
            },
            ..listed(&list)
        };
        let odd = BuildList {
            unreadable: 1,
            ..listed(&list)
        };
        let fetched = BuildList {
            completeness: Completeness {
                fetched: Some(9),
                ..Completeness::default()
            },
            ..listed(&list)
        };
        let old = BuildList {
            completeness: Completeness {
                age: Duration::from_secs(5),
                ..Completeness::default()
            },
            ..listed(&list)
        };
        let incomplete = "incomplete: hasNextPage is true";
        let other = "1.0(1) instead of 2.0(2)";
        for (builds, verified, words, words_of_another) in [
            (cut_off, false, incomplete, incomplete),
            (odd, false, "1 part that cannot be read", other),
            (old, false, "an old one", other),
            (fetched, true, "verified", other),
        ] {
            let right = check(OURS, &builds, &runs(&["2.0(2)"]));
            assert_eq!(right.is_verified(), verified, "{right}");
            assert!(right.to_string().contains(words), "{right}");

            let another = check(OURS, &builds, &runs(&["1.0(1)"]));
            assert!(!another.is_verified(), "{another}");
            assert!(another.to_string().contains(words_of_another), "{another}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_list_is_read_for_ten_seconds_whatever_the_deadline_until_the_hash_has_a_name() {
        let ours = || Ok(vec![build(OURS, "app", "1.0(1)")]);
        let nameless = || Ok(vec![build(OURS, "app", "")]);
        let others = || Ok(vec![build("bb", "app", "0.9(9)")]);
        let silence = || Err(failure(ErrorKind::OutcomeUnknown));
        for (answers, calls, verified, words) in [
            (vec![ours()], 1, true, "verified"),
            (vec![others(), ours()], 2, true, "verified"),
            (vec![nameless(), ours()], 2, true, "verified"),
            (vec![silence(), ours()], 2, true, "verified"),
            (vec![others()], 5, false, "does not contain this hash"),
            (
                vec![others(), silence()],
                5,
                false,
                "does not contain this hash",
            ),
            (vec![silence()], 5, false, "502"),
            (vec![Err(failure(ErrorKind::Rejected))], 1, false, "502"),
        ] {
            let mut api = Scripted::new();
            for answer in answers {
                api = api.builds(answer);
            }
            // The deadline came a while ago.
            let (_sender, mut stop) = stop(Duration::ZERO);
            let start = Instant::now();

            let check = check_build(&api, OURS, &test_runs(&["Passed"]), &mut stop).await;

            let check = check.expect("no signal");
            assert_eq!(check.is_verified(), verified, "{check}");
            assert!(check.to_string().contains(words), "{check}");
            let asked = api.calls("builds").len();
            assert_eq!(asked, calls, "{check}");
            assert_eq!(start.elapsed(), PAUSE * (asked as u32 - 1), "{check}");
            assert!(start.elapsed() <= AT_MOST);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_from_a_cache_is_read_again() {
        let ours = || vec![build(OURS, "app", "1.0(1)")];
        let api = Scripted::new()
            .cached_builds(ours(), PAUSE)
            .builds(Ok(ours()));
        let (_sender, mut stop) = stop(Duration::ZERO);

        let check = check_build(&api, OURS, &test_runs(&["Passed"]), &mut stop).await;

        let check = check.expect("no signal");
        assert!(check.is_verified(), "{check}");
        assert_eq!(api.calls("builds").len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_ends_the_reading_and_a_list_that_hangs_does_not_hide_the_one_before() {
        let hour = Duration::from_secs(3600);
        let hangs = || {
            Scripted::new()
                .builds(Ok(vec![build("bb", "app", "0.9(9)")]))
                .slow_builds(hour)
        };
        let (sender, mut signalled) = stop(hour);
        sender.send(Some("SIGINT")).expect("a receiver");
        let (_sender, mut patient) = stop(hour);
        let start = Instant::now();

        let cancelled = check_build(&hangs(), OURS, &test_runs(&["Passed"]), &mut signalled).await;
        assert_eq!(cancelled, Err(StopReason::Signal("SIGINT")));
        assert_eq!(start.elapsed(), Duration::ZERO);

        let check = check_build(&hangs(), OURS, &test_runs(&["Passed"]), &mut patient).await;
        let check = check.expect("no signal").to_string();
        assert!(check.contains("does not contain this hash"), "{check}");
        assert_eq!(start.elapsed(), AT_MOST);
    }

    proptest! {
        #[test]
        fn verified_means_that_nothing_else_in_the_whole_list_has_the_name(
            list in prop::collection::vec(("[ab]{0,2}", "[xy]", "[12]?"), 0..6),
            tested in prop::collection::vec("[12]?", 0..4),
        ) {
            let builds: Vec<Build> = list.iter().map(|(hash, app, id)| build(hash, app, id)).collect();
            let tested: Vec<&str> = tested.iter().map(String::as_str).collect();

            if check("a", &listed(&builds), &runs(&tested)).is_verified() {
                prop_assert!(!tested.is_empty());
                for name in tested {
                    prop_assert!(builds.iter().any(|one| one.has_hash("a") && one.id == name));
                    prop_assert!(builds.iter().all(|one| one.has_hash("a") || one.id != name));
                }
            }
        }
    }
}

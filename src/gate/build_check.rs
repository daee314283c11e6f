//! Was the build tested that was asked for?
//!
//! A test run names its build in words for people; Sofy's list of builds ties these words to hashes.
//! Pure: compares texts. It proves, or says why it cannot; only a build that the list gives to
//! other hashes alone is held against a run.

use std::collections::{BTreeSet, HashMap};

use crate::model::report::BuildCheck;
use crate::model::schedule::Build;
use crate::model::test_run::TestRun;

/// Sofy's list of builds, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    Builds(Vec<Build>),
    /// It could not be read; asking again may help.
    Failed(String),
    /// It cannot be had.
    Refused(String),
}

impl Listed {
    /// Finds the entries of a hash.
    pub(crate) fn of(&self, app_hash: &str) -> Vec<&Build> {
        match self {
            Self::Builds(builds) => builds
                .iter()
                .filter(|build| build.app_hash.eq_ignore_ascii_case(app_hash))
                .collect(),
            Self::Failed(_) | Self::Refused(_) => Vec::new(),
        }
    }

    /// Says in words which build a hash stands for.
    pub(crate) fn named(&self, app_hash: &str) -> String {
        match (self.of(app_hash).first(), self) {
            (Some(build), _) => format!("Sofy lists it as build {}", build.name()),
            (None, Self::Builds(_)) => "Sofy's list of builds does not hold it".to_owned(),
            (None, Self::Failed(why) | Self::Refused(why)) => {
                format!("its build is not known, because {why}")
            }
        }
    }

    /// Tells whether another look may show what this one does not.
    pub(crate) fn is_worth_another_look(&self, app_hash: &str) -> bool {
        match self {
            Self::Builds(_) => self.of(app_hash).is_empty(),
            Self::Failed(_) => true,
            Self::Refused(_) => false,
        }
    }
}

/// Compares the builds of the test runs with the one that the hash stands for.
pub(crate) fn check(app_hash: &str, listed: &Listed, test_runs: &[TestRun]) -> BuildCheck {
    let unverified = |because: String| BuildCheck::Unverified { because };
    let builds = match listed {
        Listed::Builds(builds) => builds,
        Listed::Failed(why) | Listed::Refused(why) => return unverified(why.clone()),
    };
    let entries = listed.of(app_hash);
    let Some(ours) = entries.first() else {
        return unverified("Sofy's list of builds does not hold the hash".to_owned());
    };
    if entries
        .iter()
        .any(|entry| (&entry.id, &entry.application) != (&ours.id, &ours.application))
    {
        return unverified("Sofy's list of builds gives the hash several builds".to_owned());
    }
    let named = by_name(builds);
    let others = |text: &str, same_application: bool| {
        named.get(text).into_iter().flatten().any(|build| {
            (build.application == ours.application) == same_application
                && !build.app_hash.eq_ignore_ascii_case(app_hash)
        })
    };
    let tested = texts(test_runs);
    if let Some(other) = tested
        .iter()
        .find(|text| !ours.is_called(text) && others(text, true))
    {
        return BuildCheck::Another {
            asked_for: ours.name().to_owned(),
            tested: (*other).to_owned(),
        };
    }
    if test_runs.is_empty() {
        return unverified("there is no test run".to_owned());
    }
    if test_runs.iter().any(|run| run.build.is_empty()) {
        return unverified("a test run names no build".to_owned());
    }
    if let Some(text) = tested.iter().find(|text| !ours.is_called(text)) {
        return unverified(if others(text, false) {
            format!("a test run names {text}, a build of another application")
        } else {
            format!("a test run names {text}, which Sofy's list of builds does not hold")
        });
    }
    if tested.iter().any(|text| others(text, true)) {
        return unverified(format!("another hash has the same build, {}", ours.name()));
    }
    BuildCheck::Verified {
        build: ours.name().to_owned(),
    }
}

/// The builds that each text names, so that many texts and many builds are compared in linear time.
fn by_name(builds: &[Build]) -> HashMap<&str, Vec<&Build>> {
    let mut named: HashMap<&str, Vec<&Build>> = HashMap::new();
    for build in builds {
        for text in [&build.id, &build.friendly_name] {
            if !text.is_empty() {
                named.entry(text).or_default().push(build);
            }
        }
    }
    named
}

fn texts(test_runs: &[TestRun]) -> BTreeSet<&str> {
    test_runs
        .iter()
        .map(|run| run.build.as_str())
        .filter(|text| !text.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::fixtures::test_run;
    use proptest::prelude::*;

    fn build(app_hash: &str, application: &str, id: &str) -> Build {
        Build {
            app_hash: app_hash.into(),
            application: application.into(),
            id: id.into(),
            friendly_name: String::new(),
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
    fn the_log_names_the_build_of_a_hash_or_says_why_not() {
        for (listed, said) in [
            (
                Listed::Builds(vec![build("aa", "app", "2.0(2)")]),
                "Sofy lists it as build 2.0(2)",
            ),
            (
                Listed::Builds(vec![]),
                "Sofy's list of builds does not hold it",
            ),
            (
                Listed::Failed("it is late".into()),
                "its build is not known, because it is late",
            ),
        ] {
            assert_eq!(listed.named("AA"), said);
        }
    }

    #[test]
    fn the_right_build_is_proven_and_another_is_told() {
        let list = [
            build("aa", "app", "2.0(2)"),
            build("bb", "app", "1.0(1)"),
            build("cc", "other", "3.0(3)"),
        ];
        let shared = [
            build("aa", "app", "2.0(2)"),
            build("bb", "app", "2.0(2)"),
            build("cc", "app", "1.0(1)"),
        ];
        let elsewhere = [build("aa", "app", "2.0(2)"), build("bb", "other", "2.0(2)")];
        let twice = [build("aa", "app", "2.0(2)"), build("aa", "app", "2.1(2)")];
        let mut friendly = list.clone();
        friendly[0].friendly_name = "Candidate".into();
        for (builds, hash, tested, expected, why) in [
            (
                &list[..],
                "aa",
                &["2.0(2)", "2.0(2)"][..],
                "verified",
                "all of them ours",
            ),
            (&list, "AA", &["2.0(2)"], "verified", "a hash in capitals"),
            (
                &friendly,
                "aa",
                &["Candidate"],
                "verified",
                "what a person called it",
            ),
            (
                &elsewhere,
                "aa",
                &["2.0(2)"],
                "verified",
                "another application's is not compared",
            ),
            (
                &list,
                "aa",
                &["2.0(2)", "1.0(1)"],
                "1.0(1) was tested",
                "one of them another",
            ),
            (
                &shared,
                "aa",
                &["1.0(1)"],
                "1.0(1) was tested",
                "another, though ours is shared",
            ),
            (
                &shared,
                "aa",
                &["2.0(2)"],
                "another hash has the same",
                "two hashes with one text",
            ),
            (
                &list,
                "dd",
                &["1.0(1)"],
                "does not hold the hash",
                "nothing to compare with",
            ),
            (
                &twice,
                "aa",
                &["2.0(2)"],
                "several builds",
                "which of them?",
            ),
            (
                &list,
                "aa",
                &["3.0(3)"],
                "another application",
                "never held against it",
            ),
            (
                &list,
                "aa",
                &["9.9"],
                "does not hold",
                "a text that nobody knows",
            ),
            (&list, "aa", &["2.0(2)", ""], "names no build", "a blank"),
            (&list, "aa", &[], "no test run", "nothing at all"),
        ] {
            let listed = Listed::Builds(builds.to_vec());

            let build_check = check(hash, &listed, &runs(tested));

            assert!(
                build_check.to_string().contains(expected),
                "{why}: {build_check}"
            );
            assert_eq!(build_check.is_verified(), expected == "verified", "{why}");
            let red = matches!(build_check, BuildCheck::Another { .. });
            assert_eq!(red, expected.contains("was tested"), "{why}");
        }
    }

    #[test]
    fn without_a_list_nothing_is_proven_and_nothing_held_against_it() {
        for (listed, again, why) in [
            (Listed::Failed("the list failed".into()), true, "an outage"),
            (Listed::Refused("no".into()), false, "a key that may not"),
        ] {
            assert!(!check("aa", &listed, &runs(&["1"])).is_verified(), "{why}");
            assert_eq!(listed.is_worth_another_look("aa"), again, "{why}");
        }
        let listed = Listed::Builds(vec![build("aa", "app", "1")]);
        assert!(!listed.is_worth_another_look("aa"));
        assert!(
            listed.is_worth_another_look("bb"),
            "a build that is not listed yet"
        );
    }

    proptest! {
        #[test]
        fn verified_means_that_no_other_hash_of_the_application_is_called_so(
            list in prop::collection::vec(("[ab]{1,2}", "[xy]", "[12]"), 0..6),
            tested in prop::collection::vec("[12]?", 0..4),
        ) {
            let builds: Vec<Build> = list.iter().map(|(hash, app, id)| build(hash, app, id)).collect();
            let tested: Vec<&str> = tested.iter().map(String::as_str).collect();

            if let BuildCheck::Verified { build } = check("a", &Listed::Builds(builds.clone()), &runs(&tested)) {
                prop_assert!(!tested.is_empty() && tested.iter().all(|text| *text == build));
                let app = &builds.iter().find(|one| one.app_hash == "a").expect("ours").application;
                prop_assert!(builds.iter().all(|one| one.app_hash == "a" || one.application != *app || one.id != build));
            }
        }
    }
}

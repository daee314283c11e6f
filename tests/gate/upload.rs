//! Does the upload do what its contract promises?

use std::fs;
use std::time::Duration;

use crate::fake_sofy::upload::{BUILD, Build, Hashes, UploadFault};
use crate::fake_sofy::{FakeSofy, PUBLIC, Script};
use crate::step::{Gate, KEY, Step, each};

/// No real app, but it begins as one does.
const APP: &[u8] = b"PK\x03\x04 an app of the tests";
const APIS: [&str; 2] = ["public", "classic"];
const EXISTS: &str = "Build already exists.";

fn faulty(uploads: &[UploadFault]) -> FakeSofy {
    FakeSofy::start(Script {
        uploads: uploads.to_vec(),
        ..Script::default()
    })
}

/// An upload of a small app.
fn upload(fake: &FakeSofy) -> Gate {
    Gate::upload(fake).file("out/app.apk", APP)
}

/// An app of so many bytes, most of which take no room on the disk.
fn sparse(gate: &Gate, bytes: u64) {
    let file = fs::OpenOptions::new()
        .write(true)
        .open(gate.workspace().join("out/app.apk"))
        .unwrap();
    file.set_len(bytes).unwrap();
}

#[track_caller]
fn nothing_shows_the_key(step: &Step) {
    assert!(!step.shown().contains(KEY), "{}", step.shown());
}

pub(crate) fn each_generation_takes_a_build_and_gives_its_hash() {
    const GUID: &str = "5B0C6f2e-1d2c-4a51-8f0e-6a7b8c9d0e1f";
    each(&APIS, |api| {
        let fake = FakeSofy::start(Script::default());
        let mut gate = upload(&fake)
            .input("api", api)
            .input("app-path", "out/*.apk")
            .input("application-guid", GUID)
            .input("certificate-name", "Team \"A\"");
        if *api == "public" {
            gate = gate.input("build-name", "Nightly & 7");
        }

        let step = gate.run();

        step.expect(0, "success");
        let arrived = &fake.uploads()[0];
        assert_eq!(step.output("app-hash"), arrived.md5, "{api}");
        assert_eq!(step.output("uploaded"), "true");
        assert_eq!(step.output("build"), BUILD);
        assert_eq!(step.outputs.len(), 5, "{:?}", step.outputs);
        assert_eq!(
            (arrived.file_name.as_str(), arrived.size),
            ("app.apk", APP.len() as u64)
        );
        let (target, guid_field, header) = if *api == "public" {
            let target = "/parser-microservice/build-upload?userFriendlyBuildName=Nightly+%26+7";
            (target, "ApplicationGUID", "x-sofy-auth-key")
        } else {
            (
                "/api/AppTests/buildUpload",
                "ApplicationGuid",
                "SubscriptionKey",
            )
        };
        assert_eq!(arrived.target, target);
        let fields: Vec<(&str, &str)> = arrived
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let expected = [
            (guid_field, GUID),
            ("CertificateName", "Team \"A\""),
            ("applicationFile", ""),
        ];
        assert_eq!(fields, expected);
        assert_eq!(fake.requests()[0].header(header), Some(KEY));
        for word in [
            "Uploaded",
            "app.apk",
            "24 B",
            "1.43.0(5768",
            &arrived.md5[..4],
        ] {
            assert!(step.summary.contains(word), "{word} in {}", step.summary);
        }
        assert_eq!(step.summary.trim().lines().count(), 1, "{}", step.summary);
        nothing_shows_the_key(&step);
    });
}

pub(crate) fn every_documented_error_is_final_and_says_what_to_do() {
    let cases = [
        (400, "Your subscription has expired.", "Sofy's portal"),
        (
            400,
            "No active release found for this application.",
            "Sofy's portal",
        ),
        (
            400,
            "No application exists against this applicationGUID.",
            "Sofy's portal",
        ),
        (400, "Missing required headers.", "Sofy's portal"),
        (401, "No user found.", "api-key"),
        (500, "Corrupt or incomplete data.", "Build the app again"),
        (
            500,
            "Manifest file could not be found.",
            "Build the app again",
        ),
        (
            500,
            "Files other than APK or IPA not supported.",
            "whole .apk or .ipa",
        ),
    ];
    let cases: Vec<_> = APIS
        .iter()
        .flat_map(|api| cases.map(|case| (*api, case)))
        .collect();
    each(&cases, |(api, (status, words, advice))| {
        let fake = faulty(&[UploadFault::Refused(*status, words)]);

        let step = upload(&fake).input("api", api).run();

        step.expect(2, "error");
        let errors = step.annotations("error");
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            errors[0].contains(words) && errors[0].contains(advice),
            "{errors:?}"
        );
        assert!(step.output("reason").contains(words));
        assert_eq!((step.output("app-hash"), step.output("uploaded")), ("", ""));
        assert_eq!(fake.uploads().len(), 1, "sent once: {words}");
        nothing_shows_the_key(&step);
    });
}

pub(crate) fn what_is_unclear_is_sent_again_from_the_start_of_the_file() {
    each(&APIS, |api| {
        let fake = faulty(&[
            UploadFault::CutMidBody,
            UploadFault::Page(502),
            UploadFault::Page(200),
            UploadFault::Refused(429, "Too many requests."),
        ]);
        let gate = upload(&fake).input("api", api).input("timeout", "90s");
        sparse(&gate, 1_000_000);

        let step = gate.run();

        step.expect(0, "success");
        assert_eq!(step.output("uploaded"), "true");
        let sizes: Vec<u64> = fake.uploads().iter().map(|upload| upload.size).collect();
        assert_eq!(
            sizes, [1_000_000; 4],
            "the first one was cut: {}",
            step.stdout
        );
        assert_eq!(step.stdout.matches("trying again in").count(), 4);
        assert!(step.annotations("warning").is_empty());
    });
}

pub(crate) fn a_build_that_sofy_has_is_proven_by_its_digest() {
    each(&APIS, |api| {
        let fake = FakeSofy::start(Script::default());
        let first = upload(&fake).input("api", api).run();

        let again = upload(&fake).input("api", api).run();

        again.expect(0, "success");
        assert_eq!(again.output("uploaded"), "false");
        assert_eq!(again.output("app-hash"), first.output("app-hash"));
        assert_eq!(again.output("build"), BUILD);
        assert!(
            again.summary.contains("already has it"),
            "{}",
            again.summary
        );
    });
}

pub(crate) fn a_build_that_sofy_has_is_never_guessed_by_its_name() {
    let fake = FakeSofy::start(Script {
        hashes: Hashes::Opaque,
        ..Script::default()
    });
    upload(&fake).run().expect(0, "success");

    let again = upload(&fake).run();

    again.expect(2, "error");
    assert_eq!(
        (again.output("app-hash"), again.output("uploaded")),
        ("", "")
    );
    let error = &again.annotations("error")[0];
    for words in [EXISTS, "new build number", "Sofy's portal"] {
        assert!(error.contains(words), "{error}");
    }
}

pub(crate) fn a_lost_answer_ends_with_the_hash_all_the_same() {
    let faults = [UploadFault::LostAnswer, UploadFault::ErrorAfterTheFact];
    let cases: Vec<_> = APIS
        .iter()
        .flat_map(|api| faults.clone().map(|fault| (*api, fault)))
        .collect();
    each(&cases, |(api, fault)| {
        let fake = FakeSofy::start(Script {
            uploads: vec![fault.clone()],
            list_lags: 2,
            list_failures: 1,
            ..Script::default()
        });

        let step = upload(&fake)
            .input("api", api)
            .input("timeout", "90s")
            .run();

        step.expect(0, "success");
        assert_eq!(step.output("uploaded"), "false", "{api} {fault:?}");
        assert_eq!(step.output("app-hash"), fake.uploads()[0].md5);
        assert_eq!(fake.uploads().len(), 2, "the second one is refused");
    });
}

pub(crate) fn an_answer_before_the_end_of_the_file_is_heard() {
    let refused = faulty(&[UploadFault::Early(401, "No user found.")]);
    let gate = upload(&refused);
    sparse(&gate, 20_000_000);
    let step = gate.run();
    step.expect(2, "error");
    assert!(
        step.annotations("error")[0].contains("api-key"),
        "{}",
        step.stdout
    );
    assert_eq!(refused.requests().len(), 1, "not sent again");

    let had = FakeSofy::start(Script {
        uploads: vec![
            UploadFault::Slow(Duration::ZERO),
            UploadFault::Early(400, EXISTS),
        ],
        ..Script::default()
    });
    let (first, again) = (upload(&had), upload(&had));
    sparse(&first, 20_000_000);
    sparse(&again, 20_000_000);
    let first = first.run();
    let again = again.run();
    again.expect(0, "success");
    assert_eq!(again.output("app-hash"), first.output("app-hash"));
    assert_eq!(again.output("uploaded"), "false");
}

pub(crate) fn an_early_answer_ends_the_upload_whatever_becomes_of_the_connection() {
    const SIZE: u64 = 100_000_000;
    const OPEN: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    const CLOSING: &str = "HTTP/1.1 413 Too Large\r\nConnection: close\r\n\r\n";
    let hash = r#"{"appHash":"0ther-build"}"#;
    let cases = [
        (UploadFault::EarlyThenOpen(OPEN), "api-key"),
        (UploadFault::EarlyThenOpen(CLOSING), "smaller"),
        (UploadFault::EarlyThenSlow(401, "{}"), "api-key"),
        (
            UploadFault::EarlyThenSlow(200, hash),
            "not the hash of this file",
        ),
    ];
    each(&cases, |(fault, words)| {
        let fake = faulty(std::slice::from_ref(fault));
        let gate = upload(&fake);
        sparse(&gate, SIZE);

        let step = gate.run();

        // Whoever waits for the connection meets the timeout first.
        step.expect(2, "error");
        let error = &step.annotations("error")[0];
        assert!(error.contains(words), "{fault:?}: {error}");
        assert_eq!(step.output("app-hash"), "", "{fault:?}");
        assert_eq!(fake.requests().len(), 1, "{fault:?}: not sent again");
        for drained in fake.uploads() {
            assert!(drained.size < SIZE, "{fault:?}: all of it was sent");
        }
    });
}

pub(crate) fn a_success_without_a_hash_is_an_error() {
    let cases = [
        UploadFault::Says(r#"{"data":{"appHash":""},"message":"Application Upload Successful."}"#),
        UploadFault::Says(r#"{"AppHash":"null"}"#),
        UploadFault::Says(r#"{"message":"Application Upload Successful."}"#),
        UploadFault::Says(r#"{"data":{"appHash":"k3y-0f-the-tests-9d41c7"}}"#),
        UploadFault::Says(r#"{"data":{"appHash":"pending"}}"#),
        UploadFault::Says(r#"{"data":{"appHash":"4dde0684"},"error":"Corrupt."}"#),
    ];
    each(&cases, |fault| {
        let fake = faulty(std::slice::from_ref(fault));

        let step = upload(&fake).run();

        step.expect(2, "error");
        assert_eq!(step.output("app-hash"), "", "{fault:?}");
        assert!(
            step.output("reason")
                .contains("not a success with one hash"),
            "{}",
            step.output("reason")
        );
        assert_eq!(fake.requests().len(), 1, "{fault:?}");
        nothing_shows_the_key(&step);
    });
}

pub(crate) fn words_that_echo_the_key_are_redacted() {
    let fake = faulty(&[UploadFault::Refused(
        400,
        "Key K3Y-0F-the-tests-9d41c7 is unknown\n::error::pwned ##[error]pwned",
    )]);

    let step = upload(&fake).run();

    step.expect(2, "error");
    assert_eq!(step.annotations("error").len(), 1, "{}", step.stdout);
    assert!(
        !step.shown().to_lowercase().contains(KEY),
        "{}",
        step.shown()
    );
}

pub(crate) fn the_timeout_ends_it_and_says_how_far_it_was() {
    let slow = UploadFault::Slow(Duration::from_millis(500));
    let cases = [
        (UploadFault::Silent, 100, "all of 100 B is sent"),
        (slow, 20_000_000, "of 19.1 MiB"),
    ];
    each(&cases, |(fault, size, words)| {
        let fake = faulty(std::slice::from_ref(fault));
        let gate = upload(&fake).input("timeout", "8s");
        sparse(&gate, *size);

        let step = gate.run();

        step.expect(3, "timed_out");
        assert!(
            step.output("reason").contains(words),
            "{}",
            step.output("reason")
        );
        assert_eq!(step.outputs.len(), 5);
    });
}

pub(crate) fn a_signal_ends_it_with_its_outputs() {
    let cases = [
        ("INT", UploadFault::Silent, "waiting for Sofy's answer"),
        (
            "TERM",
            UploadFault::Slow(Duration::from_millis(500)),
            "of 19.1 MiB",
        ),
    ];
    each(&cases, |(signal, fault, words)| {
        let fake = faulty(std::slice::from_ref(fault));
        let gate = upload(&fake).input("timeout", "90s");
        sparse(&gate, 20_000_000);
        let started = gate.start();
        started.wait_until(|log| log.contains(words));

        started.signal(signal);
        let step = started.end();

        step.expect(130, "cancelled");
        assert!(step.output("reason").contains(&format!("SIG{signal}")));
        assert_eq!(step.outputs.len(), 5);
    });
}

pub(crate) fn bad_inputs_are_said_all_at_once_and_nothing_is_sent() {
    let fake = FakeSofy::start(Script::default());

    let step = upload(&fake)
        .file("out/app.aab", APP)
        .file("out/empty.apk", b"")
        .input("app-path", "out/*.*")
        .input("api", "classic")
        .input("build-name", "Nightly")
        .input("application-guid", "7")
        .input("timeout", "15")
        .run();
    let bundle = upload(&fake)
        .file("out/app.aab", APP)
        .input("app-path", "out/app.aab")
        .run();
    let nothing = Gate::upload(&fake)
        .without_input("api-key")
        .without_input("app-path")
        .run();

    step.expect(2, "error");
    let errors = step.annotations("error");
    for (error, words) in errors.iter().zip([
        "`app-path` is wrong: out/*.* matches 3 files. Name exactly one of out/app.aab, out/app.apk and out/empty.apk",
        "`application-guid` is \"7\"",
        "`timeout` is \"15\", which has no unit",
        "`build-name` is for the public API only",
    ]) {
        assert!(error.contains(words), "{words}: {errors:?}");
    }
    assert_eq!(errors.len(), 4, "{errors:?}");
    assert_eq!(step.outputs.len(), 5);
    assert!(
        bundle.annotations("error")[0].contains("bundletool"),
        "{}",
        bundle.stdout
    );
    assert_eq!(nothing.annotations("error").len(), 2, "{}", nothing.stdout);
    assert!(fake.requests().is_empty());
}

/// Started as root, the step opens the file before it becomes somebody who may not.
pub(crate) fn the_key_is_hidden_in_the_names_of_files_too() {
    // What is printed of the second one is no longer the key, but whoever reads it knows the key.
    for key in ["a-key-of-the-tests", "a::key##[of]-the-tests"] {
        let fake = FakeSofy::start(Script::default());
        let marked = format!("out/{key}.apk");

        let step = upload(&fake)
            .file(&marked, APP)
            .input("app-path", "out/*.apk")
            .input("api-key", key)
            .run();

        step.expect(2, "error");
        let mask = format!("::add-mask::{key}");
        let shown = step.shown().replace(&mask, "").replace(' ', "");
        assert!(shown.contains("***.apk"), "{shown}");
        assert!(!shown.contains("the-tests.apk"), "{shown}");
    }
}

pub(crate) fn a_workspace_that_is_closed_to_others_is_no_obstacle() {
    let fake = FakeSofy::start(Script::default());
    let folder = tempfile::tempdir().unwrap();
    let app = folder.path().join("app.apk");
    fs::write(&app, APP).unwrap();
    for (path, mode) in [(app.as_path(), 0o600), (folder.path(), 0o700)] {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(path, permissions).unwrap();
    }

    let step = Gate::upload(&fake)
        .env("GITHUB_WORKSPACE", folder.path().to_str().unwrap())
        .input("app-path", "*.apk")
        .run();

    step.expect(0, "success");
}

pub(crate) fn an_app_that_is_not_signed_is_uploaded_with_a_warning() {
    let fake = FakeSofy::start(Script::default());

    let step = Gate::upload(&fake)
        .file("out/app-release-unsigned.apk", APP)
        .input("app-path", "out/*.apk")
        .run();

    step.expect(0, "success");
    let warnings = step.annotations("warning");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("no device installs"), "{warnings:?}");
}

pub(crate) fn a_search_ends_with_the_timeout() {
    let fake = FakeSofy::start(Script::default());
    let folder = tempfile::tempdir().unwrap();
    let mut deep = folder.path().to_owned();
    for _ in 0..200 {
        deep.push("d");
    }
    fs::create_dir_all(deep).unwrap();
    let gate = || {
        Gate::upload(&fake)
            .env("GITHUB_WORKSPACE", folder.path().to_str().unwrap())
            .input("app-path", "**/*.apk")
    };

    let step = gate().input("timeout", "1ms").run();

    step.expect(3, "timed_out");
    assert_eq!(step.outputs.len(), 5);
    let reason = step.output("reason");
    assert!(reason.contains("searching for the file"), "{reason}");
    assert!(fake.requests().is_empty());
}

pub(crate) fn a_large_file_takes_no_more_memory_than_a_small_one() {
    const SIZE: u64 = 48 * 1024 * 1024;
    if cfg!(not(target_os = "linux")) {
        return; // There is no /proc to ask.
    }
    let fake = faulty(&[UploadFault::Silent]);
    let gate = upload(&fake).input("timeout", "90s");
    sparse(&gate, SIZE);
    let started = gate.start();
    started.wait_until(|log| log.contains("waiting for Sofy's answer"));

    let status = fs::read_to_string(format!("/proc/{}/status", started.id())).unwrap();
    started.signal("INT");
    started.end();

    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 32 * 1024, "{kilobytes} kB at a file of 48 MiB");
}

pub(crate) fn the_hash_of_an_upload_is_what_the_gate_proves() {
    let fake = FakeSofy::start(Script {
        builds: vec![Build {
            app_hash: "an-older-build".into(),
            build_id: "1.42.0(5000)".into(),
            lags: 0,
        }],
        ..Script::default()
    });
    let uploaded = upload(&fake).run();
    let gate = |hash: &str| {
        Gate::new(&fake)
            .input("schedule-id", PUBLIC)
            .input("require-app-hash", "true")
            .input("app-hash", hash)
    };

    let right = gate(uploaded.output("app-hash")).run();
    let wrong = gate("an-older-build").run();

    right.expect(0, "success");
    assert_eq!(right.output("build-verified"), "true");
    wrong.expect(1, "failure");
    assert!(
        wrong.output("reason").contains("wrong build"),
        "{}",
        wrong.output("reason")
    );
}

pub(crate) fn the_wrong_build_fails_the_step_whether_its_deadline_has_passed_or_not() {
    let build = |app_hash: &str, build_id: &str| Build {
        app_hash: app_hash.into(),
        build_id: build_id.into(),
        lags: 0,
    };
    each(&["6s", "60s"], |&timeout| {
        let fake = FakeSofy::start(Script {
            builds: vec![
                build("an-older-build", "1.42.0(5000)"),
                build("the-build-that-is-tested", BUILD),
            ],
            ..Script::default()
        });

        let step = Gate::new(&fake)
            .input("schedule-id", PUBLIC)
            .input("app-hash", "an-older-build")
            .input("timeout", timeout)
            .run();

        step.expect(1, "failure");
        assert_eq!(step.output("build-verified"), "false", "{timeout}");
        let reason = step.output("reason");
        assert!(reason.contains("wrong build"), "{timeout}: {reason}");
    });
}

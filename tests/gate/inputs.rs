//! Is every input read as README says, and every problem named before anything is sent?

use crate::fake_sofy::{CLASSIC, FakeSofy, PUBLIC, Script};
use crate::step::{Gate, KEY, each};

/// Inputs, and what the errors must name.
type Case = (
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

pub(crate) fn a_bad_input_is_named_and_nothing_is_sent() {
    let fake = FakeSofy::start(Script::default());
    let cases: &[Case] = &[
        (&[("api-key", "")], &["api-key"]),
        (&[("api-key", " \n")], &["api-key"]),
        (&[("schedule-id", "Infinity")], &["schedule-id"]),
        (&[("schedule-id", "1E+16")], &["schedule-id"]),
        (&[("schedule-id", "-1")], &["schedule-id"]),
        (&[("schedule-id", "0")], &["schedule-id"]),
        (&[("schedule-id", "  ")], &["schedule-id"]),
        (&[("schedule-id", "abc")], &["schedule-id"]),
        (&[("timeout", "60")], &["timeout", "unit"]),
        (&[("poll-interval", "15")], &["poll-interval", "unit"]),
        (&[("poll-interval", "11m")], &["poll-interval"]),
        (&[("wait", "yes")], &["wait"]),
        (&[("abort-unfinished", "1")], &["abort-unfinished"]),
        (&[("fail-on", "failed, flaky")], &["fail-on", "flaky"]),
        (&[("device-serials", "R58M12")], &["device-serials"]),
        (
            &[
                ("schedule-id", PUBLIC),
                ("wait", "false"),
                ("test-run-group-id", "7"),
            ],
            &["wait", "test-run-group-id"],
        ),
        (&[("app-hash", "null")], &["app-hash"]),
        (
            &[("require-app-hash", "true")],
            &["app-hash", "require-app-hash"],
        ),
        (&[("fail-on", ",")], &["fail-on"]),
        (&[("junit-path", "../x")], &["junit-path"]),
        (&[("json-path", "/etc/x")], &["json-path"]),
        (&[("api-url", "http://example.com")], &["api-url"]),
        (&[("test-run-group-id", "7")], &["results-after"]),
        (
            &[
                ("api-key", ""),
                ("schedule-id", "abc"),
                ("timeout", "60"),
                ("wait", "yes"),
            ],
            &["api-key", "schedule-id", "timeout", "wait"],
        ),
    ];
    each(cases, |(inputs, named)| {
        let gate = inputs.iter().fold(Gate::new(&fake), |gate, (name, value)| {
            gate.input(name, value)
        });

        let step = gate.run();

        step.expect(2, "error");
        let errors = step.annotations("error").join("\n");
        for name in *named {
            assert!(
                errors.contains(name),
                "{inputs:?}: no {name:?} in:\n{}",
                step.stdout
            );
        }
    });
    assert!(fake.requests().is_empty(), "{:?}", fake.requests());
}

pub(crate) fn a_number_and_a_guid_are_shown_where_the_schedule_is_neither() {
    let fake = FakeSofy::start(Script::default());

    let step = Gate::new(&fake).input("schedule-id", "abc").run();

    step.expect(2, "error");
    let errors = step.annotations("error").join("\n").to_lowercase();
    assert!(
        errors.contains("number") && errors.contains("guid"),
        "{errors}"
    );
}

pub(crate) fn underscores_serve_where_hyphens_cannot_be_set() {
    let fake = FakeSofy::start(Script::default());

    let step = Gate::new(&fake)
        .input("schedule-id", " 1888 ")
        .input("wait", "false")
        .with_underscores()
        .run();

    step.expect(0, "detached");
    assert!(
        fake.requests()
            .iter()
            .all(|request| request.body.contains("1888"))
    );
}

pub(crate) fn a_variable_of_an_earlier_step_is_no_input() {
    let another = FakeSofy::start(Script::default());
    let url = another.url();
    for (input, variable, value) in [
        ("api-url", "INPUT_API_URL", url.as_str()),
        ("test-run-group-id", "INPUT_TEST_RUN_GROUP_ID", "70000"),
        ("app-hash", "INPUT_APP_HASH", "\"not a hash\""),
    ] {
        let fake = FakeSofy::start(Script::default());
        let gate = Gate::new(&fake).input("wait", "false").env(variable, value);
        // The runner sets blank ones too.
        let gate = match input {
            "api-url" => gate,
            input => gate.input(input, ""),
        };

        let step = gate.run();

        step.expect(0, "detached");
        assert_eq!((fake.triggers(), another.triggers()), (1, 0), "{variable}");
    }
    // In the composite action, whose inputs have underscores, one hyphen stops all.
    let fake = FakeSofy::start(Script::default());
    let upload = Gate::upload(&fake)
        .file("out/app.apk", b"PK")
        .with_underscores()
        .env("INPUT_API-URL", &url)
        .run();
    upload.expect(2, "error");
    let errors = upload.annotations("error").join("\n");
    assert!(errors.contains("`api-key` is missing or blank"), "{errors}");
    assert_eq!((fake.requests().len(), another.requests().len()), (0, 0));
}

pub(crate) fn a_value_that_is_not_text_is_an_error() {
    for (variable, input) in [
        ("INPUT_APP-HASH", "app-hash"),
        ("INPUT_TITLE", "title"),
        ("INPUT_API-KEY", "api-key"),
        ("INPUT_JUNIT-PATH", "junit-path"),
    ] {
        let fake = FakeSofy::start(Script::default());

        let step = Gate::new(&fake).env_bytes(variable, b"4dde0684\xff").run();

        step.expect(2, "error");
        let errors = step.annotations("error").join("\n");
        assert!(errors.contains(input), "{errors}");
        assert_eq!(fake.requests().len(), 0);
    }
}

pub(crate) fn help_and_version_need_no_environment() {
    let fake = FakeSofy::start(Script::default());
    for words in [&["--help"][..], &["upload", "--help"], &["gate", "--help"]] {
        let gate = words
            .iter()
            .fold(Gate::bare(&fake), |gate, word| gate.argument(word));
        let step = gate.run();
        assert_eq!((step.status, step.stderr.as_str()), (Some(0), ""));
        for part in [
            "gate",
            "upload",
            "INPUT_SCHEDULE_ID=",
            "environment variables",
        ] {
            assert!(step.stdout.contains(part), "{part}: {}", step.stdout);
        }
    }
    for words in [&["--version"][..], &["upload", "--version"]] {
        let gate = words
            .iter()
            .fold(Gate::bare(&fake), |gate, word| gate.argument(word));
        let step = gate.run();
        assert_eq!(step.status, Some(0));
        let version = concat!("sofy-schedule-run ", env!("CARGO_PKG_VERSION"), "\n");
        assert_eq!(step.stdout, version);
    }
    for words in [
        &["--helpp"][..],
        &["upload", "--dry-run"],
        &["gate", "gate"],
        &[KEY],
    ] {
        let gate = words
            .iter()
            .fold(Gate::new(&fake), |gate, word| gate.argument(word));
        let step = gate.run();
        step.expect(2, "error");
        assert!(step.output("reason").contains("argument"));
        assert_eq!(step.annotations("error").len(), 1, "{}", step.stdout);
        assert!(!step.shown().contains(KEY));
    }
    assert_eq!(fake.requests().len(), 0);
}

pub(crate) fn what_was_ordered_is_what_is_sent() {
    for (schedule, sent) in [
        (CLASSIC, "\"AppHash\":\"ab/c+100\""),
        (PUBLIC, "appHash=ab%2Fc%2B100"),
    ] {
        let fake = FakeSofy::start(Script::default());

        let step = Gate::new(&fake)
            .input("schedule-id", schedule)
            .input("app-hash", "ab/c+100")
            .input("wait", "false")
            .run();

        step.expect(0, "detached");
        let requests = fake.requests();
        assert!(
            requests
                .iter()
                .any(|r| r.body.contains(sent) || r.target.contains(sent)),
            "{schedule}: {requests:#?}"
        );
    }
}

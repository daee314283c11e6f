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
        .without_input("schedule-id")
        .without_input("api-key")
        .env("INPUT_SCHEDULE_ID", " 1888 ")
        .env("INPUT_API_KEY", KEY)
        .input("wait", "false")
        .run();

    step.expect(0, "detached");
    assert!(
        fake.requests()
            .iter()
            .all(|request| request.body.contains("1888"))
    );
}

pub(crate) fn the_hyphenated_name_wins_unless_it_is_blank() {
    for (hyphenated, underscored, expected) in [(CLASSIC, "1999", CLASSIC), ("  ", "1999", "1999")]
    {
        let fake = FakeSofy::start(Script::default());

        let step = Gate::new(&fake)
            .input("schedule-id", hyphenated)
            .env("INPUT_SCHEDULE_ID", underscored)
            .input("wait", "false")
            .run();

        step.expect(0, "detached");
        let body = &fake.requests()[0].body;
        assert!(
            body.contains(&format!("\"ScheduledID\":{expected}")),
            "{body}"
        );
    }
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

//! Does the post step stop what a killed step left behind, and nothing else?

use crate::fake_sofy::{CLASSIC, FakeSofy, PUBLIC, Pace, Script};
use crate::step::{Gate, KEY, Step, each};

fn never_done() -> FakeSofy {
    FakeSofy::start(Script {
        pace: Pace::Never,
        ..Script::default()
    })
}

/// A step that was killed while it watched its run.
fn killed(fake: &FakeSofy, schedule: &str) -> Step {
    let step = Gate::new(fake).input("schedule-id", schedule).start();
    step.wait_until(|log| log.contains("0 of 3 test runs done"));
    step.signal("KILL");
    step.end()
}

pub(crate) fn what_a_killed_step_left_is_aborted() {
    let fake = never_done();
    let step = killed(&fake, PUBLIC);
    assert_eq!((step.status, fake.aborts().len()), (None, 0));

    let post = Gate::new(&fake)
        .input("schedule-id", PUBLIC)
        .post_step_of(&step);

    assert_eq!(post.status, Some(0), "{}", post.stdout);
    assert_eq!(fake.aborts(), ["testRunGroupId=70001"]);
    assert_eq!(fake.triggers(), 1, "a post step never triggers");
    assert!(post.summary.contains("70001"), "{}", post.summary);
    assert!(!post.shown().contains(KEY));
}

pub(crate) fn the_classic_api_has_nothing_to_call_and_the_post_step_says_so() {
    let fake = never_done();
    let step = killed(&fake, CLASSIC);
    let before = fake.requests().len();

    let post = Gate::new(&fake).post_step_of(&step);

    assert_eq!(post.status, Some(0));
    assert!(
        post.stdout.contains("the classic API cannot abort"),
        "{}",
        post.stdout
    );
    assert_eq!(fake.requests().len(), before, "nothing is sent");
}

pub(crate) fn a_step_that_came_to_its_end_leaves_nothing_to_do() {
    each(&["finished", "aborted", "left alone", "detached"], |&end| {
        let fake = match end {
            "finished" => FakeSofy::start(Script::default()),
            _ => never_done(),
        };
        let gate = Gate::new(&fake).input("schedule-id", PUBLIC);
        let gate = match end {
            "aborted" => gate.input("timeout", "3s"),
            "left alone" => gate
                .input("timeout", "3s")
                .input("abort-unfinished", "false"),
            "detached" => gate.input("wait", "false"),
            _ => gate,
        };
        let step = gate.run();
        let before = fake.requests().len();

        let post = Gate::new(&fake)
            .input("schedule-id", PUBLIC)
            .env("RUNNER_DEBUG", "1")
            .post_step_of(&step);

        assert_eq!(post.status, Some(0), "{end}");
        assert_eq!(fake.requests().len(), before, "{end}: {}", post.stdout);
        assert_eq!(post.summary, "", "{end}");
        assert_eq!(post.annotations("debug").len(), 2, "{end}: {}", post.stdout);
        assert!(
            !post.stdout.contains("sofy | "),
            "only details: {}",
            post.stdout
        );
    });
}

pub(crate) fn a_garbled_state_is_one_debug_line_and_nothing_is_done() {
    let fake = never_done();

    let post = Gate::new(&fake)
        .env("STATE_unfinished", "9 nonsense")
        .env("RUNNER_DEBUG", "1")
        .post_step();

    assert_eq!(post.status, Some(0));
    assert_eq!(post.annotations("warning").len(), 0, "{}", post.stdout);
    let why = "::debug::nothing to abort: the saved state";
    assert_eq!(post.stdout.matches(why).count(), 1, "{}", post.stdout);
    assert_eq!(fake.requests().len(), 0);
}

pub(crate) fn its_name_outranks_any_argument_and_an_unknown_one_is_an_error() {
    let fake = never_done();

    let post = Gate::new(&fake).argument("gate").post_step();
    let odd = Gate::new(&fake).argument("--abort").run();

    assert_eq!(post.status, Some(0));
    assert_eq!(odd.status, Some(2));
    assert!(
        odd.annotations("error")[0].contains("--abort"),
        "{}",
        odd.stdout
    );
    assert_eq!(fake.requests().len(), 0);
}

pub(crate) fn a_state_of_another_schedule_aborts_nothing() {
    let fake = never_done();
    let another = "3f2504e0-4f89-41d3-9a0c-0305e82c3302";

    let post = Gate::new(&fake)
        .input("schedule-id", PUBLIC)
        .env("STATE_unfinished", &format!("1 {another} 70001"))
        .env("RUNNER_DEBUG", "1")
        .post_step();
    let step = Gate::new(&fake).input("timeout", "60").run();

    assert_eq!(post.status, Some(0));
    assert_eq!(post.annotations("warning").len(), 0, "{}", post.stdout);
    assert_eq!(fake.aborts().len(), 0);
    // Whatever an earlier step wrote, the runner's own value is the last.
    step.expect(2, "error");
    assert_eq!(step.state.get("unfinished").map(String::as_str), Some(""));
}

//! Does the watch outlive Sofy's bad minutes, and end when its time is up?

use std::time::{Duration, Instant};

use tokio::net::TcpSocket;

use crate::fake_sofy::{CLASSIC, FakeSofy, PUBLIC, Pace, Row, Script};
use crate::line::{Call, Line, Plan, asked};
use crate::step::{Gate, each};

pub(crate) fn an_outage_of_a_minute_is_outlived_with_the_true_verdict() {
    let cases = [
        (PUBLIC, "Passed", 0, "The test run passed"),
        (PUBLIC, "Failed", 1, "1 Failed"),
        // Before its first row, anybody's execution may have come into the list meanwhile.
        (CLASSIC, "Passed", 1, "did not answer for over a minute"),
    ];
    each(&cases, |&(schedule, ends, status, said)| {
        let fake = FakeSofy::start(Script {
            rows: vec![Row::new("Log in", "Pixel 8", ends)],
            ..Script::default()
        });
        let plan = Plan {
            times: 7,
            ..Plan::once(Call::Group, asked(|_| Ok(())))
        };
        let line = Line::start(&fake, plan);

        let since = Instant::now();
        let step = Gate::new(&fake)
            .input("api-url", &line.url())
            .input("schedule-id", schedule)
            .input("poll-interval", "15s")
            .input("timeout", "10m")
            .run();

        assert_eq!(step.status, Some(status), "{schedule}:\n{}", step.stdout);
        assert!(since.elapsed() > Duration::from_secs(60));
        let reason = step.output("reason");
        assert!(reason.contains(said), "{schedule}: {reason}");
        assert!(
            step.stdout.contains("Sofy answers again after"),
            "{}",
            step.stdout
        );
        assert_eq!((fake.triggers(), fake.aborts().len()), (1, 0));
    });
}

pub(crate) fn the_deadline_is_told_from_a_failure_and_aborts_our_group_alone() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script {
            pace: Pace::Never,
            ..Script::default()
        });

        let step = Gate::new(&fake)
            .input("schedule-id", schedule)
            .input("timeout", "3s")
            .run();

        step.expect(3, "timed_out");
        let aborts: &[&str] = if schedule == PUBLIC {
            &["testRunGroupId=70001"]
        } else {
            &[]
        };
        assert_eq!(fake.aborts(), aborts);
        assert_eq!(step.count("total"), 3);
    });
}

pub(crate) fn nothing_is_aborted_where_that_is_switched_off() {
    let fake = FakeSofy::start(Script {
        pace: Pace::Never,
        ..Script::default()
    });

    let step = Gate::new(&fake)
        .input("schedule-id", PUBLIC)
        .input("timeout", "3s")
        .input("abort-unfinished", "false")
        .run();

    step.expect(3, "timed_out");
    assert_eq!(fake.aborts(), [""; 0]);
}

pub(crate) fn a_sofy_that_cannot_be_reached_is_not_a_failure_of_the_tests() {
    let fake = FakeSofy::start(Script::default());
    // Keeps the port, so that no other test takes it, and refuses connections: it does not listen.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let nobody_listens = nobody.local_addr().unwrap();

    let step = Gate::new(&fake)
        .input("api-url", &format!("http://{nobody_listens}"))
        .input("timeout", "3s")
        .run();

    assert!(matches!(step.status, Some(2 | 3)), "{step:#?}");
    assert!(!step.annotations("error").is_empty());
    drop(nobody);
}

//! Does a step keep its promises where its surroundings do not keep theirs?

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::fake_sofy::{CLASSIC, FakeSofy, PUBLIC, Pace, Row, Script};
use crate::step::{Gate, each};

#[cfg(target_os = "linux")]
pub(crate) fn a_log_that_nobody_reads_changes_nothing() {
    let logs = [
        ("closed", "exec >&-"),
        ("full", "exec >/dev/full"),
        (
            "no longer read",
            "mkfifo pipe; true <pipe & exec >pipe; wait",
        ),
        (
            "never read, and full",
            "mkfifo pipe; exec 3<>pipe >pipe; dd if=/dev/zero of=pipe bs=512 count=999 oflag=nonblock 2>&-",
        ),
    ];
    each(&logs, |(what, line)| {
        let fake = FakeSofy::start(Script {
            rows: vec![Row::new("Log in", "Pixel 8", "Failed")],
            ..Script::default()
        });

        let step = Gate::new(&fake).start_after(line).end();

        assert_eq!(step.status, Some(1), "{what}");
        assert_eq!(step.output("conclusion"), "failure", "{what}");
        assert_eq!(step.count("failed"), 1, "{what}");
        assert!(step.summary.contains("Log in"), "{what}");
    });
}

pub(crate) fn a_step_that_was_frozen_over_its_deadline_looks_once_more() {
    let cases = [
        (CLASSIC, Pace::Never, 3, "timed_out"),
        (PUBLIC, Pace::Never, 3, "timed_out"),
        (
            PUBLIC,
            Pace::Looks {
                queued: 0,
                running: 1,
            },
            0,
            "success",
        ),
    ];
    each(&cases, |&(schedule, pace, status, conclusion)| {
        let fake = FakeSofy::start(Script {
            pace,
            ..Script::default()
        });
        let step = Gate::new(&fake)
            .input("schedule-id", schedule)
            .input("timeout", "5s")
            .start();
        step.wait_until(|log| log.contains("test runs done"));
        step.signal("STOP");
        thread::sleep(Duration::from_secs(6));

        let since = Instant::now();
        step.signal("CONT");
        let step = step.end();

        step.expect(status, conclusion);
        assert!(since.elapsed() < Duration::from_secs(16), "{schedule}");
    });
}

/// Passes on what comes to an address of our own, and gives its port.
pub(crate) fn forward(from: SocketAddr, to: SocketAddr) -> io::Result<u16> {
    let listener = TcpListener::bind(from)?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for mut here in listener.incoming().flatten() {
            thread::spawn(move || -> io::Result<u64> {
                let mut there = TcpStream::connect(to)?;
                let (mut from, mut back) = (here.try_clone()?, there.try_clone()?);
                thread::spawn(move || io::copy(&mut back, &mut here).ok());
                io::copy(&mut from, &mut there)
            });
        }
    });
    Ok(port)
}

pub(crate) fn a_server_may_have_an_address_of_version_six_only() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script::default());
        let port = forward("[::1]:0".parse().unwrap(), fake.address()).unwrap();

        let step = Gate::new(&fake)
            .input("schedule-id", schedule)
            .input("api-url", &format!("http://[::1]:{port}"))
            .run();

        step.expect(0, "success");
    });
}

//! What becomes of a step whose connections fail? Every fault at every call, and what is its end.
//!
//! A fault has one of three effects, and the end follows from it and from the call:
//!
//! | call | the answer is read | no answer, it may have happened | it certainly did not happen |
//! |---|---|---|---|
//! | builds | read | says less of the run | says less of the run |
//! | baseline, group, rows | read | asked again | asked again |
//! | trigger | read | never sent again: searched for on the public API, else red | sent again |
//! | abort | read | asked again | asked again |
//! | upload | read | sent again: a build that Sofy has is proven by its digest | sent again |
//! | builds, after an upload | read | the build has no name | the build has no name |

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use crate::fake_sofy::upload::BUILD;
use crate::fake_sofy::{CLASSIC, FakeSofy, PUBLIC, Pace, Row, Script};
use crate::line::{Call, Fault, Line, Plan, Talk, asked, reset};
use crate::step::{Gate, KEY, Step, each};
use crate::tls::{Issued, identity};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// The answer is read anyway.
    Read,
    /// Nothing can be read, and the call may have happened.
    Unclear,
    /// The call certainly did not happen.
    Unsent,
}
use Effect::{Read, Unclear, Unsent};
use Fault::Accepted;

/// A name, its effect, what the log says of it, and the fault.
#[derive(Clone)]
struct Case(&'static str, Effect, &'static str, Fault);

const NO_PAUSE: Duration = Duration::ZERO;

/// As few looks as may be: hundreds of steps share two cores.
const OVER: Pace = Pace::Looks {
    queued: 0,
    running: 0,
};

/// The body is sent whole but for this many bytes at its end.
fn cut(talk: &mut Talk<'_>) -> io::Result<()> {
    let body = talk.body()?;
    let length = body.len();
    let sent = &body[..length / 2];
    talk.say(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{sent}"
    ))
}

#[rustfmt::skip]
fn faults() -> Vec<Case> { vec![
    // The connection.
    Case("closed at once", Unclear, "", Accepted(|_| Ok(()))),
    Case("reset before it is read", Unclear, "reset", Accepted(|socket| { socket.peek(&mut [0])?; reset(socket) })),
    Case("closed before the fact", Unclear, "closed", asked(|_| Ok(()))),
    Case("closed after the fact", Unclear, "closed", asked(|talk| talk.body().map(|_| ()))),
    Case("reset before the fact", Unclear, "reset", asked(|talk| talk.reset())),
    Case("reset after the fact", Unclear, "reset", asked(|talk| { talk.body()?; talk.reset() })),
    // The header.
    Case("half a header", Unclear, "closed", asked(|talk| { talk.body()?; talk.say("HTTP/1.1 200 OK\r\nContent-Le") })),
    Case("no HTTP", Unclear, "invalid HTTP", asked(|talk| talk.say("SSH-2.0-OpenSSH_9.6\r\n"))),
    Case("a body without a header", Unclear, "invalid HTTP", asked(|talk| { let body = talk.body()?; talk.say(body) })),
    Case("another protocol", Unclear, "101", asked(|talk| talk.whole("101 Switching Protocols", "Upgrade: h2c\r\nConnection: upgrade\r\n", ""))),
    Case("headers without end", Unclear, "too large", asked(|talk| { talk.say("HTTP/1.1 200 OK\r\n")?; talk.endlessly(&b"X-More: and more of this and that\r\n".repeat(100), NO_PAUSE) })),
    Case("a header of a megabyte", Unclear, "too large", asked(|talk| talk.whole("200 OK", &format!("X-Long: {}\r\n", "x".repeat(1 << 20)), "[]"))),
    Case("two lengths", Unclear, "", asked(|talk| { let body = talk.body()?; talk.whole("200 OK", "Content-Length: 3\r\n", body) })),
    Case("100 Continue", Read, "", asked(|talk| { let (head, body) = talk.answer()?; talk.say(format!("HTTP/1.1 100 Continue\r\n\r\n{head}\r\n{body}")) })),
    Case("a hundred early hints", Read, "", asked(|talk| { let (head, body) = talk.answer()?; talk.say("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(100))?; talk.say(format!("{head}\r\n{body}")) })),
    Case("HTTP/1.0, as long as it is open", Read, "", asked(|talk| { let body = talk.body()?; talk.say(format!("HTTP/1.0 200 OK\r\n\r\n{body}")) })),
    // The body.
    Case("a body that is cut", Unclear, "cut off", asked(cut)),
    Case("a body that is reset", Unclear, "cut off", asked(|talk| { cut(talk)?; talk.reset() })),
    Case("a length that is too short", Unclear, "cannot be read", asked(|talk| { let body = talk.body()?; talk.say(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{body}")) })),
    Case("chunks without an end", Unclear, "cut off", asked(|talk| { let body = talk.body()?; talk.say(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len())) })),
    Case("a chunk of no size", Unclear, "cut off", asked(|talk| { let body = talk.body()?; talk.say(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n{body}\r\n0\r\n\r\n")) })),
    Case("chunks and a length", Read, "", asked(|talk| { let body = talk.body()?; talk.say(format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())) })),
    Case("a byte at a time", Read, "", asked(|talk| { let (head, body) = talk.answer()?; for byte in format!("{head}\r\n{body}").bytes() { talk.say([byte])?; } Ok(()) })),
    Case("more than it says", Read, "", asked(|talk| { let (head, body) = talk.answer()?; talk.say(format!("{head}\r\n{body}and more"))?; talk.keep_open(); Ok(()) })),
    Case("17 MiB", Unclear, "larger than 16 MiB", asked(|talk| { talk.body()?; talk.whole("200 OK", "", vec![b' '; 17 << 20]) })),
    Case("chunks without number", Unclear, "larger than 16 MiB", asked(|talk| { talk.body()?; talk.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?; talk.endlessly(&[b"10000\r\n", &*vec![b'['; 65536], b"\r\n"].concat(), NO_PAUSE) })),
    Case("no body", Unclear, "empty body", asked(|talk| { talk.body()?; talk.say("HTTP/1.1 204 No Content\r\n\r\n") })),
    Case("a body where none may be", Unclear, "empty body", asked(|talk| { let body = talk.body()?; talk.whole("204 No Content", "", body) })),
    Case("odd headers, which curl reads", Read, "", asked(|talk| { let body = talk.body()?; let length = body.len(); talk.say(format!("HTTP/1.1 200 OK\r\nX-Folded: a\r\n  b\r\nContent-Length : {length}\r\nno colon\r\nX (odd): c\r\n{}\r\n{body}", "X-More: d\r\n".repeat(1000))) })),
    // What the body is.
    Case("encodings that are none", Read, "", asked(|talk| { let body = talk.body()?; talk.whole("200 OK", "Content-Encoding: utf-8\r\nContent-Encoding: none, Identity\r\nContent-Encoding:\r\n", body) })),
    Case("gzip, which was not asked for", Unclear, "gzip", asked(|talk| { talk.body()?; talk.whole("200 OK", "Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x8b\x8e\x05\0\x29\xbb\x4c\x0d\x02\0\0\0") })),
    Case("JSON by another name", Read, "", asked(|talk| { let body = talk.body()?; talk.whole("200 OK", "Content-Type: text/html\r\n", body) })),
    Case("a page by the name of JSON", Unclear, "be right back", asked(|talk| { talk.body()?; talk.whole("200 OK", "Content-Type: application/json\r\n", "<html><h1>We'll be right back</h1></html>") })),
    Case("UTF-16", Unclear, "cannot be read", asked(|talk| { let body = talk.body()?; let utf16: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect(); talk.whole("200 OK", "Content-Type: application/json; charset=utf-16le\r\n", utf16) })),
    Case("a byte order mark", Read, "", asked(|talk| { let body = talk.body()?; talk.whole("200 OK", "", format!("\u{feff}{body}")) })),
    Case("a cookie", Read, "", asked(|talk| { let (head, body) = talk.answer()?; talk.say(format!("{head}Set-Cookie: session=1; Path=/\r\n\r\n{body}"))?; talk.keep_open(); Ok(()) })),
    // The status.
    Case("206", Read, "", asked(|talk| { let body = talk.body()?; talk.whole("206 Partial Content", "", body) })),
    Case("301 to itself", Unclear, "301", asked(|talk| { talk.body()?; talk.whole("301 Moved Permanently", "Location: /elsewhere\r\n", "") })),
    Case("304", Unclear, "304", asked(|talk| { talk.body()?; talk.say("HTTP/1.1 304 Not Modified\r\n\r\n") })),
    Case("408", Unclear, "408", asked(|talk| { talk.body()?; talk.whole("408 Request Timeout", "", "") })),
    Case("429", Unsent, "429", asked(|talk| talk.whole("429 Too Many Requests", "", ""))),
    Case("429 for a second", Unsent, "429", asked(|talk| talk.whole("429 Too Many Requests", "Retry-After: 1\r\n", ""))),
    Case("429 until a date", Unsent, "429", asked(|talk| talk.whole("429 Too Many Requests", "Date: Tue, 06 Jan 2026 20:39:00 GMT\r\nRetry-After: Tue, 06 Jan 2026 20:39:01 GMT\r\n", ""))),
    Case("500 after the fact", Unclear, "500", asked(|talk| { talk.body()?; talk.whole("500 Internal Server Error", "", r#"{"message":"Oh."}"#) })),
    Case("502", Unclear, "502", asked(|talk| talk.whole("502 Bad Gateway", "Content-Type: text/html\r\n", "<h1>502</h1>"))),
    Case("503 after the fact", Unclear, "503", asked(|talk| { talk.body()?; talk.whole("503 Service Unavailable", "", "") })),
    Case("503 for a second", Unsent, "503", asked(|talk| talk.whole("503 Service Unavailable", "Retry-After: 1\r\n", ""))),
    Case("504 after the fact", Unclear, "504", asked(|talk| { talk.body()?; talk.whole("504 Gateway Timeout", "", "") })),
]}

/// A step whose call meets a fault once.
fn step_with(schedule: &str, at: Call, fault: &Fault) -> (FakeSofy, Line, Step) {
    let fake = FakeSofy::start(Script {
        pace: match at {
            Call::Abort => Pace::Never,
            Call::Upload
            | Call::Builds
            | Call::Baseline
            | Call::Trigger
            | Call::Group
            | Call::Rows => OVER,
        },
        ..Script::default()
    });
    let line = Line::start(&fake, Plan::once(at, fault.clone()));
    let gate = Gate::new(&fake)
        .input("api-url", &line.url())
        .input("schedule-id", schedule)
        .input("poll-interval", "4s")
        .input("timeout", "60s")
        .env("RUNNER_DEBUG", "1");
    let gate = match at {
        Call::Builds => gate.input("app-hash", "4dde0684"),
        Call::Baseline | Call::Trigger => gate.input("wait", "false"),
        Call::Upload | Call::Group | Call::Rows => gate,
        Call::Abort => gate.input("timeout", "8s"),
    };
    let step = gate.run();
    (fake, line, step)
}

/// What the table at the top says.
fn expected(effect: Effect, at: Call, ran: bool, schedule: &str) -> (i32, &'static str) {
    match (at, effect) {
        (Call::Trigger, Unclear) if !ran || schedule == CLASSIC => (2, "error"),
        (Call::Baseline | Call::Trigger, Read | Unclear | Unsent) => (0, "detached"),
        (Call::Upload | Call::Builds | Call::Group | Call::Rows, Read | Unclear | Unsent) => {
            (0, "success")
        }
        (Call::Abort, Read | Unclear | Unsent) => (3, "timed_out"),
    }
}

/// Which schedules meet each fault at a call. A trigger is worth both, a look one of them in turn.
fn schedules(at: Call, number: usize) -> &'static [&'static str] {
    match (at, number % 2) {
        (Call::Builds | Call::Abort, _) => &[PUBLIC],
        (Call::Trigger, _) => &[CLASSIC, PUBLIC],
        (Call::Baseline | Call::Rows, 0) | (Call::Group, 1) => &[CLASSIC],
        (Call::Upload | Call::Baseline | Call::Rows | Call::Group, _) => &[PUBLIC],
    }
}

fn every_fault_at(at: Call) {
    let cells: Vec<(Case, &str)> = faults()
        .into_iter()
        .enumerate()
        .flat_map(|(number, case)| {
            let schedules = schedules(at, number).iter();
            schedules.map(move |schedule| (case.clone(), *schedule))
        })
        .collect();
    each(&cells, |(Case(name, effect, said, fault), schedule)| {
        if at == Call::Abort && matches!(fault, Accepted(_)) {
            return;
        }
        let (fake, line, step) = step_with(schedule, at, fault);

        let what = format!("{schedule}, {at:?}: {name}\n{}", step.stdout);
        let too_busy = at == Call::Builds && step.stdout.contains("list of builds took over");
        assert!(line.faults() == 1 || too_busy, "{what}");
        let (status, conclusion) = expected(*effect, at, fake.runs() == 1, schedule);
        assert_eq!(
            (step.status, step.output("conclusion")),
            (Some(status), conclusion),
            "{what}"
        );
        assert!(fake.runs() <= 1 && fake.triggers() <= 1, "{what}");
        let triggers = match (at, effect, fault) {
            (Call::Trigger, _, Accepted(_)) => 0,
            (Call::Trigger, Unsent, _) => 2,
            (_, Read | Unclear | Unsent, _) => 1,
        };
        assert_eq!(line.asked(Call::Trigger).len(), triggers, "{what}");
        assert!(!step.shown().contains(KEY), "{what}");
        assert!(!step.shown().contains("session=1"), "{what}");
        match (at, effect) {
            (_, Read) => assert_eq!(step.annotations("warning"), [""; 0], "{what}"),
            (Call::Upload | Call::Group | Call::Rows, Unclear | Unsent) => {
                let warnings = step.annotations("warning").join("\n");
                assert!(warnings.contains(said), "{said}? {what}");
            }
            (Call::Trigger, Unclear) => {
                let told = [step.annotations("error"), step.annotations("warning")].concat();
                let told = told.join("\n");
                assert!(
                    told.contains(said) || told.contains("names no test run group"),
                    "{said}? {what}"
                );
                assert!(status == 0 || told.contains("may have started"), "{what}");
            }
            (Call::Abort, Unclear | Unsent) => {
                assert_eq!(
                    fake.aborts().last().map(String::as_str),
                    Some("testRunGroupId=70001"),
                    "{what}"
                );
                assert!(!step.stdout.contains("could not be aborted"), "{what}");
                let last = step.stdout.lines().filter(|line| line.ends_with("[0m "));
                assert_eq!(last.count(), 0, "an empty line: {what}");
            }
            (Call::Builds | Call::Baseline, Unclear)
            | (Call::Builds | Call::Baseline | Call::Trigger, Unsent) => {}
        }
    });
}

pub(crate) fn every_fault_at_the_list_of_builds_has_its_end() {
    every_fault_at(Call::Builds);
}

pub(crate) fn every_fault_at_the_look_before_the_trigger_has_its_end() {
    every_fault_at(Call::Baseline);
}

pub(crate) fn every_fault_at_the_trigger_has_its_end() {
    every_fault_at(Call::Trigger);
}

pub(crate) fn every_fault_at_a_look_at_the_group_has_its_end() {
    every_fault_at(Call::Group);
}

pub(crate) fn every_fault_at_a_look_at_the_rows_has_its_end() {
    every_fault_at(Call::Rows);
}

pub(crate) fn every_fault_at_the_abort_has_its_end() {
    every_fault_at(Call::Abort);
}

const APIS: [&str; 2] = ["classic", "public"];

/// An upload over a line.
fn upload_over(fake: &FakeSofy, line: &Line, api: &str) -> Gate {
    Gate::upload(fake)
        .file("out/app.apk", b"PK\x03\x04 an app of the tests")
        .input("api-url", &line.url())
        .input("api", api)
        .input("timeout", "60s")
        .env("RUNNER_DEBUG", "1")
}

/// What holds of every upload, whatever its end.
#[track_caller]
fn assert_told(step: &Step, what: &str) {
    assert_eq!(step.outputs.len(), 5, "{what}");
    assert!(!step.shown().contains(KEY), "{what}");
    let peak = step.peak_memory >> 20;
    assert!(peak < MOST_MEBIBYTES, "{peak} MiB: {what}");
}

pub(crate) fn every_fault_at_an_upload_has_its_end() {
    let cells: Vec<_> = faults().into_iter().zip(APIS.iter().cycle()).collect();
    each(&cells, |(Case(name, effect, said, fault), api)| {
        let fake = FakeSofy::start(Script::default());
        let line = Line::start(&fake, Plan::once(Call::Upload, fault.clone()));

        let step = upload_over(&fake, &line, api).run();

        let what = format!("{api}: {name}\n{}", step.stdout);
        let sent = line.asked(Call::Upload).len();
        assert_eq!(line.faults(), 1, "{what}");
        assert_told(&step, &what);
        step.expect(0, "success");
        let read_once = *effect == Read || matches!(fault, Accepted(_));
        assert_eq!(sent, if read_once { 1 } else { 2 }, "{what}");
        assert!(
            *effect == Read || step.stdout.contains(said),
            "{said}? {what}"
        );
        let arrived = fake.uploads();
        let new = (arrived.len() == 1).to_string();
        let outputs = (step.output("app-hash"), step.output("uploaded"));
        assert_eq!(outputs, (&*arrived[0].md5, &*new), "{what}");
    });
}

pub(crate) fn every_fault_at_the_list_after_an_upload_costs_the_builds_name_only() {
    let asked = faults().into_iter();
    let asked = asked.filter(|case| matches!(case.3, Fault::Asked(_)));
    let cells: Vec<_> = asked.zip(APIS.iter().cycle()).collect();
    each(&cells, |(Case(name, effect, _, fault), api)| {
        let fake = FakeSofy::start(Script::default());
        let line = Line::start(&fake, Plan::once(Call::Builds, fault.clone()));

        let step = upload_over(&fake, &line, api).run();

        let what = format!("{api}: {name}\n{}", step.stdout);
        step.expect(0, "success");
        assert_told(&step, &what);
        assert_eq!((line.faults(), fake.uploads().len()), (1, 1), "{what}");
        assert_eq!(step.output("app-hash"), fake.uploads()[0].md5, "{what}");
        let name = if *effect == Read { BUILD } else { "" };
        assert_eq!(step.output("build"), name, "{what}");
    });
}

pub(crate) fn an_upload_that_is_never_answered_is_ended_by_the_deadline() {
    let faults = [
        ("silence", asked(|talk| talk.silence())),
        ("a drip", asked(drip)),
        (
            "interim answers",
            asked(|talk| talk.endlessly(b"HTTP/1.1 103 Early Hints\r\n\r\n", A_DRIP)),
        ),
        ("nobody listens", Fault::Refused),
    ];
    each(&APIS, |api| {
        each(&faults, |(name, fault)| {
            let fake = FakeSofy::start(Script::default());
            let line = Line::start(&fake, Plan::once(Call::Upload, fault.clone()));

            let step = upload_over(&fake, &line, api).input("timeout", "6s").run();

            step.expect(3, "timed_out");
            assert_told(&step, name);
            let asked = usize::from(!matches!(fault, Fault::Refused));
            assert_eq!(line.asked(Call::Upload).len(), asked, "{api}: {name}");
        });
    });
}

pub(crate) fn an_upload_outlives_a_while_in_which_nobody_listens() {
    each(&APIS, |api| {
        let fake = FakeSofy::start(Script::default());
        let line = Line::start(&fake, Plan::once(Call::Upload, Fault::Refused));
        let step = upload_over(&fake, &line, api).start();
        step.wait_until(|log| log.contains("refused"));
        line.listen_again();

        let step = step.end();

        step.expect(0, "success");
        assert_told(&step, api);
        assert_eq!(fake.uploads().len(), 1, "{api}");
    });
}

pub(crate) fn no_upload_follows_a_redirect() {
    each(&APIS, |api| {
        each(&[300, 301, 302, 303, 307, 308], |status| {
            let redirect = format!("{status} Elsewhere");
            let fault = asked(move |talk| {
                let to = format!("Location: {}\r\n", BYSTANDER.0);
                talk.whole(&redirect, &to, "")
            });
            let fake = FakeSofy::start(Script::default());
            let line = Line::start(&fake, Plan::once(Call::Upload, fault));

            let step = upload_over(&fake, &line, api).run();

            // Perhaps it was a gateway: the next one reaches Sofy.
            step.expect(0, "success");
            assert_told(&step, api);
            assert_eq!(line.asked(Call::Upload).len(), 2, "{api}: {status}");
            assert_eq!(BYSTANDER.1.load(Ordering::SeqCst), 0, "{api}: {status}");
        });
    });
}

pub(crate) fn while_nobody_listens_nothing_is_lost_and_nothing_happens_twice() {
    let cells = [Call::Baseline, Call::Trigger, Call::Group, Call::Rows];
    each(&[CLASSIC, PUBLIC], |schedule| {
        each(&cells, |&at| {
            let fake = FakeSofy::start(Script {
                pace: OVER,
                ..Script::default()
            });
            let line = Line::start(&fake, Plan::once(at, Fault::Refused));
            let step = Gate::new(&fake)
                .input("api-url", &line.url())
                .input("schedule-id", schedule)
                .input("poll-interval", "4s")
                .env("RUNNER_DEBUG", "1")
                .start();
            step.wait_until(|log| log.contains("refused"));
            line.listen_again();
            let step = step.end();

            step.expect(0, "success");
            let asked = line.asked(Call::Trigger).len();
            assert_eq!((asked, fake.runs()), (1, 1), "{schedule}, {at:?}");
        });
    });
}

/// Says the beginning of an answer, and its rest a byte at a time, forever.
fn drip(talk: &mut Talk<'_>) -> io::Result<()> {
    talk.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n[")?;
    talk.endlessly(b" ", A_DRIP)
}

/// Often enough that no single pause is long, seldom enough to cost nothing.
const A_DRIP: Duration = Duration::from_millis(100);

pub(crate) fn what_never_ends_is_ended_by_the_deadline() {
    type Ending = (Call, i32, &'static str, &'static str);
    // The abort takes longest, 20 s after the deadline.
    const ENDINGS: [Ending; 6] = [
        (Call::Abort, 3, "timed_out", "Timed out after 4s"),
        (Call::Builds, 0, "success", ""),
        (
            Call::Baseline,
            3,
            "timed_out",
            "before anything was triggered",
        ),
        (Call::Trigger, 3, "timed_out", "may have started"),
        (
            Call::Group,
            2,
            "error",
            "Lost contact with Sofy until the 6s",
        ),
        (
            Call::Rows,
            2,
            "error",
            "Lost contact with Sofy until the 6s",
        ),
    ];
    let faults = [
        ("silence", asked(|talk| talk.silence())),
        ("a drip", asked(drip)),
        (
            "interim answers",
            asked(|talk| talk.endlessly(b"HTTP/1.1 103 Early Hints\r\n\r\n", A_DRIP)),
        ),
    ];
    each(&[PUBLIC, CLASSIC], |&schedule| {
        each(&faults, |(name, fault)| {
            each(&ENDINGS, |&(at, status, conclusion, said)| {
                if schedule == CLASSIC && matches!(at, Call::Builds | Call::Abort) {
                    return;
                }
                let fake = FakeSofy::start(Script {
                    pace: if at == Call::Builds {
                        OVER
                    } else {
                        Pace::Never
                    },
                    ..Script::default()
                });
                let plan = Plan {
                    times: u32::MAX,
                    ..Plan::once(at, fault.clone())
                };
                let line = Line::start(&fake, plan);
                let gate = Gate::new(&fake)
                    .input("api-url", &line.url())
                    .input("schedule-id", schedule);
                let gate = match at {
                    Call::Builds => gate.input("app-hash", "4dde0684"),
                    Call::Abort => gate.input("timeout", "4s"),
                    _ => gate.input("timeout", "6s"),
                };

                let step = gate.run();

                let what = format!("{schedule}, {at:?}: {name}\n{}", step.stdout);
                assert_eq!(
                    (step.status, step.output("conclusion")),
                    (Some(status), conclusion),
                    "{what}"
                );
                assert!(line.faults() >= 1, "{what}");
                assert!(step.output("reason").contains(said), "{said}? {what}");
                assert_eq!(
                    line.asked(Call::Trigger).len(),
                    usize::from(at != Call::Baseline),
                    "{what}"
                );
                let aborts = match (schedule, at) {
                    (PUBLIC, Call::Group | Call::Rows | Call::Abort) => 1,
                    _ => 0,
                };
                assert_eq!(line.asked(Call::Abort).len(), aborts, "{what}");
            });
        });
    });
}

/// Somebody who must never hear of us, and how often they did.
static BYSTANDER: LazyLock<(String, Arc<AtomicUsize>)> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/here", listener.local_addr().unwrap());
    let heard = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&heard);
    thread::spawn(move || {
        for _ in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (url, heard)
});

pub(crate) fn no_redirect_is_followed() {
    const STATUSES: [u16; 6] = [300, 301, 302, 303, 307, 308];
    let calls = [Call::Trigger, Call::Rows];
    each(&[CLASSIC, PUBLIC], |schedule| {
        each(&calls, |&at| {
            each(&STATUSES, |status| {
                let redirect = format!("{status} Elsewhere");
                let fault = asked(move |talk| {
                    let to = format!("Location: {}\r\n", BYSTANDER.0);
                    talk.whole(&redirect, &to, "")
                });
                let (fake, line, step) = step_with(schedule, at, &fault);

                let what = format!("{schedule}, {at:?}: {status}\n{}", step.stdout);
                let (expected, conclusion) = expected(Unclear, at, false, schedule);
                assert_eq!(
                    (step.status, step.output("conclusion")),
                    (Some(expected), conclusion),
                    "{what}"
                );
                assert_eq!(line.asked(Call::Trigger).len(), 1, "{what}");
                assert_eq!(fake.runs(), usize::from(at != Call::Trigger), "{what}");
                assert_eq!(BYSTANDER.1.load(Ordering::SeqCst), 0, "{what}");
            });
        });
    });
}

pub(crate) fn a_pause_that_sofy_asks_for_is_bounded_by_the_deadline() {
    const PAUSES: [(&str, &str); 7] = [
        ("600", "10m"),
        ("soon", "1m"),
        ("-1", "1m"),
        ("1.5", "1m"),
        ("Fri, 31 Dec 2100 23:59:59 GMT", "1m"),
        ("18446744073709551615", "720h"),
        ("18446744073709551616", "720h"),
    ];
    each(&[CLASSIC, PUBLIC], |schedule| {
        each(&PAUSES, |(value, read)| {
            let fault = |status: &'static str| {
                let field = format!("Retry-After: {value}\r\n");
                asked(move |talk| talk.whole(status, &field, ""))
            };

            let (fake, _line, trigger) =
                step_with(schedule, Call::Trigger, &fault("429 Too Many Requests"));
            trigger.expect(2, "error");
            let reason = trigger.output("reason");
            assert!(reason.contains(read), "{value}: {reason}");
            assert_eq!(fake.runs(), 0, "{value}");

            // The last look is at the deadline, whatever Sofy asks for.
            let fake = FakeSofy::start(Script {
                pace: OVER,
                ..Script::default()
            });
            let line = Line::start(&fake, Plan::once(Call::Group, fault("503 Busy")));
            let step = Gate::new(&fake)
                .input("api-url", &line.url())
                .input("schedule-id", schedule)
                .input("timeout", "12s")
                .run();
            step.expect(0, "success");
        });
    });
}

pub(crate) fn no_call_goes_over_the_connection_of_another() {
    each(&[CLASSIC, PUBLIC], |schedule| {
        let cookie = asked(|talk| {
            let (head, body) = talk.answer()?;
            talk.say(format!("{head}Set-Cookie: session=1; Path=/\r\n\r\n{body}"))?;
            talk.keep_open();
            Ok(())
        });
        let (fake, line, step) = step_with(schedule, Call::Baseline, &cookie);

        step.expect(0, "detached");
        assert_eq!(line.connections(), fake.requests().len());
        let cookies = fake.requests();
        assert!(
            cookies
                .iter()
                .all(|request| request.header("cookie").is_none())
        );
    });
}

pub(crate) fn what_follows_an_answer_is_never_taken_for_the_next() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let rows = vec![Row::new("Log in", "Pixel 8", "Failed")];
        let fake = FakeSofy::start(Script {
            pace: OVER,
            rows,
            ..Script::default()
        });
        let forged = asked(|talk| {
            let (head, body) = talk.answer()?;
            let rows = r#"{"data":[{"ScenarioName":"Log in","scenarioName":"Log in","Statusvalue":"Passed","status":"Passed","ScheduledAt":"2099-01-01T00:00:00"}]}"#;
            let forged = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{rows}",
                rows.len()
            );
            talk.say(format!("{head}\r\n{body}{}", forged.repeat(9)))?;
            talk.keep_open();
            Ok(())
        });
        let plan = Plan {
            times: u32::MAX,
            ..Plan::once(Call::Group, forged)
        };
        let line = Line::start(&fake, plan);

        let step = Gate::new(&fake)
            .input("api-url", &line.url())
            .input("schedule-id", schedule)
            .input("poll-interval", "4s")
            .run();

        step.expect(1, "failure");
        assert_eq!((step.count("failed"), step.count("passed")), (1, 0));
    });
}

pub(crate) fn letters_of_another_alphabet_cost_their_names_only() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script {
            pace: OVER,
            rows: vec![
                Row::new("Pr\u{fc}fung", "Pixel 8", "Passed"),
                Row::new("Pr\u{e8}fung", "Pixel 8", "Failed"),
            ],
            ..Script::default()
        });
        let latin_1 = asked(|talk| {
            let body: Vec<u8> = talk.body()?.chars().map(|c| c as u8).collect();
            let kind = "Content-Type: application/json; charset=iso-8859-1\r\n";
            talk.whole("200 OK", kind, body)
        });
        let plan = Plan {
            times: u32::MAX,
            ..Plan::once(Call::Rows, latin_1)
        };
        let line = Line::start(&fake, plan);

        let step = Gate::new(&fake)
            .input("api-url", &line.url())
            .input("schedule-id", schedule)
            .input("poll-interval", "4s")
            .run();

        step.expect(1, "failure");
        assert_eq!((step.count("failed"), step.count("passed")), (1, 1));
        assert!(step.output("results-json").contains("Pr\u{fffd}fung"));
    });
}

/// The address of every line, as its certificate has it.
const HOST: &str = "127.0.0.1";

/// A step over TLS, whose call meets the fault so many times.
fn step_over_tls(schedule: &str, at: Call, fault: Fault, times: u32) -> (FakeSofy, Line, Step) {
    let fake = FakeSofy::start(Script {
        pace: OVER,
        ..Script::default()
    });
    let plan = Plan {
        at,
        fault,
        times,
        tls: Some(identity(HOST, Issued::Ours)),
    };
    let line = Line::start(&fake, plan);
    let step = Gate::new(&fake)
        .input("api-url", &line.url())
        .input("schedule-id", schedule)
        .input("poll-interval", "4s")
        .env("RUNNER_DEBUG", "1")
        .input("timeout", if times == 1 { "60s" } else { "10s" })
        .run();
    (fake, line, step)
}

pub(crate) fn an_impostor_hears_nothing_and_is_outlived() {
    let impostors = [
        ("UnknownIssuer", identity(HOST, Issued::Another)),
        ("certificate", identity(HOST, Issued::SelfSigned)),
        ("not valid for name", identity("sofy.example", Issued::Ours)),
        ("expired", identity(HOST, Issued::Expired)),
        ("not valid yet", identity(HOST, Issued::NotYetValid)),
    ];
    each(&[CLASSIC, PUBLIC], |schedule| {
        each(&impostors, |(said, impostor)| {
            let fault = Fault::Identity(Arc::clone(impostor));

            let (_fake, line, step) =
                step_over_tls(schedule, Call::Baseline, fault.clone(), u32::MAX);
            step.expect(2, "error");
            assert_eq!(
                line.connections(),
                1,
                "{said}: asking again changes nothing"
            );
            assert_eq!(line.asked(Call::Baseline), [""; 0], "{said}");
            let errors = step.annotations("error").join("\n");
            assert!(errors.contains("SSL_CERT_FILE"), "{errors}");
            assert!(step.stdout.contains(said), "{said}?\n{}", step.stdout);

            each(&[Call::Trigger, Call::Rows], |&at| {
                let (fake, line, step) = step_over_tls(schedule, at, fault.clone(), 1);
                step.expect(0, "success");
                assert_eq!((line.faults(), fake.triggers()), (1, 1), "{said}, {at:?}");
            });
        });
    });
}

pub(crate) fn a_handshake_that_fails_leaves_a_trigger_certain() {
    let faults = [
        ("closed", Accepted(|_| Ok(()))),
        (
            "reset",
            Accepted(|socket| {
                socket.peek(&mut [0])?;
                reset(socket)
            }),
        ),
        (
            "no TLS",
            Accepted(|mut socket| socket.write_all(b"HTTP/1.1 400 This Is HTTP\r\n\r\n")),
        ),
    ];
    each(&[CLASSIC, PUBLIC], |schedule| {
        each(&faults, |(name, fault)| {
            let (fake, line, step) = step_over_tls(schedule, Call::Trigger, fault.clone(), 1);

            step.expect(0, "success");
            assert_eq!((line.faults(), fake.triggers()), (1, 1), "{name}");
            assert_eq!(step.annotations("warning"), [""; 0], "{name}");
        });
    });
}

pub(crate) fn an_answer_whose_end_may_be_cut_off_is_not_believed_over_tls() {
    // Without a length, only TLS itself can tell the end from a cut.
    let cut = asked(|talk| {
        let body = talk.body()?;
        talk.say(format!(
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}"
        ))
    });
    each(&[CLASSIC, PUBLIC], |schedule| {
        let (_fake, _line, step) = step_over_tls(schedule, Call::Rows, cut.clone(), 1);

        step.expect(0, "success");
        let warnings = step.annotations("warning").join("\n");
        assert!(warnings.contains("cut off"), "{warnings}");
    });
}

/// A proxy, and how many have come to it.
struct Proxy {
    url: String,
    seen: Arc<AtomicUsize>,
}

/// What a proxy does with the n-th that comes to it, when it has read what is wanted.
type Service = fn(usize, TcpStream) -> io::Result<()>;

impl Proxy {
    fn start(service: Service) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://us3r:pa55w0rd@{}", listener.local_addr().unwrap());
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || service(number, socket).ok());
            }
        });
        Self { url, seen }
    }
}

/// Reads up to the end of a head.
fn read_request(socket: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Reads what a proxy is asked for.
fn read_head(socket: &mut TcpStream) -> io::Result<String> {
    let head = read_request(socket)?;
    assert!(!head.contains(KEY), "a proxy was told the key");
    Ok(head)
}

fn tunnel(mut socket: TcpStream) -> io::Result<()> {
    let head = read_head(&mut socket)?;
    let to = head.split(' ').nth(1).unwrap_or_default();
    let mut there = TcpStream::connect(to)?;
    socket.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from, mut back) = (socket.try_clone()?, there.try_clone()?);
    thread::spawn(move || io::copy(&mut back, &mut socket).ok());
    io::copy(&mut from, &mut there).map(|_| ())
}

fn refuse(status: &str, mut socket: TcpStream) -> io::Result<()> {
    read_head(&mut socket)?;
    write!(socket, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
}

pub(crate) fn a_proxy_may_serve_refuse_hang_or_be_passed_by() {
    struct Case {
        what: &'static str,
        service: Service,
        no_proxy: &'static str,
        status: i32,
        said: &'static str,
        triggers: usize,
    }
    let cases = [
        Case {
            what: "serves",
            service: |_, socket| tunnel(socket),
            no_proxy: "",
            status: 0,
            said: "",
            triggers: 1,
        },
        Case {
            what: "refuses",
            service: |_, socket| refuse("403 Forbidden", socket),
            no_proxy: "",
            status: 2,
            said: "unsuccessful",
            triggers: 0,
        },
        Case {
            what: "wants a password",
            service: |_, socket| refuse("407 Proxy Authentication Required", socket),
            no_proxy: "",
            status: 2,
            said: "proxy authorization required",
            triggers: 0,
        },
        Case {
            what: "refuses the trigger once",
            service: |n, socket| {
                if n == 1 {
                    refuse("502 Bad Gateway", socket)
                } else {
                    tunnel(socket)
                }
            },
            no_proxy: "",
            status: 0,
            said: "",
            triggers: 1,
        },
        Case {
            what: "hangs",
            service: |_, mut socket| io::copy(&mut socket, &mut io::sink()).map(|_| ()),
            no_proxy: "",
            status: 2,
            said: "triggered",
            triggers: 0,
        },
        Case {
            what: "is passed by",
            service: |_, socket| refuse("403 Forbidden", socket),
            no_proxy: "sofy.example, 127.0.0.0/8",
            status: 0,
            said: "",
            triggers: 1,
        },
    ];
    each(&[CLASSIC, PUBLIC], |&schedule| {
        each(&cases, |case| {
            let fake = FakeSofy::start(Script::default());
            let plan = Plan {
                times: 0,
                tls: Some(identity(HOST, Issued::Ours)),
                ..Plan::once(Call::Baseline, Accepted(|_| Ok(())))
            };
            let line = Line::start(&fake, plan);
            let proxy = Proxy::start(case.service);

            let step = Gate::new(&fake)
                .input("api-url", &line.url())
                .input("schedule-id", schedule)
                .input("timeout", "12s")
                .input("wait", "false")
                .env("HTTPS_PROXY", &proxy.url)
                .env("NO_PROXY", case.no_proxy)
                .env("RUNNER_DEBUG", "1")
                .run();

            let what = format!("{schedule}: a proxy that {}\n{}", case.what, step.stdout);
            assert_eq!(step.status, Some(case.status), "{what}");
            assert!(step.output("reason").contains(case.said), "{what}");
            assert_eq!(fake.triggers(), case.triggers, "{what}");
            let seen = proxy.seen.load(Ordering::SeqCst);
            assert_eq!(seen == 0, !case.no_proxy.is_empty(), "{what}");
            assert!(!step.shown().contains("pa55w0rd"), "{what}");
            assert!(!step.shown().contains(KEY), "{what}");
        });
    });
}

pub(crate) fn no_proxy_hears_what_is_sent_in_clear_text() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script::default());
        let proxy = Proxy::start(|_, socket| refuse("403 Forbidden", socket));

        let mut gate = Gate::new(&fake)
            .input("schedule-id", schedule)
            .input("wait", "false");
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
            gate = gate.env(name, &proxy.url);
        }
        let step = gate.run();

        step.expect(0, "detached");
        assert_eq!(proxy.seen.load(Ordering::SeqCst), 0);
    });
}

pub(crate) fn a_setup_in_which_nothing_can_be_sent_is_named_at_once() {
    let cases = [
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "/nowhere/ca.pem"),
        (
            "SSL_CERT_FILE",
            concat!("/nowhere/", "k3y-0f-the-tests-9d41c7"),
            "/nowhere/***",
        ),
        ("SSL_CERT_DIR", "/nowhere", "/nowhere"),
        ("ALL_PROXY", "socks5://u:pa55w0rd@localhost:1080", "SOCKS"),
    ];
    each(&cases, |(name, value, words)| {
        let fake = FakeSofy::start(Script::default());

        let step = Gate::new(&fake)
            .input("api-url", "https://127.0.0.1:9")
            .env("SSL_CERT_FILE", "")
            .env(name, value)
            .run();

        step.expect(2, "error");
        let errors = step.annotations("error").join("\n");
        assert!(errors.contains(name) && errors.contains(words), "{errors}");
        assert!(!errors.contains("refuses") && !step.shown().contains("pa55w0rd"));
    });
}

pub(crate) fn an_id_is_the_same_however_it_is_spelled() {
    let guid = "3F2504E0-4F89-41D3-9A0C-0305E82C3302";
    let spelled = [
        ("48213", r"48213.0"),
        ("48213", r"4.8213E4"),
        ("48213", r#""48213 ""#),
        ("9007199254740993", "9007199254740993"),
        ("9007199254740993", r"9007199254740993.0"),
        (guid, r#""3f2504e0-4f89-41d3-9a0c-0305e82c3302""#),
    ];
    each(&spelled, |&(id, spelled)| {
        let answers = move |call: &str| match call {
            "trigger" => format!(r#"{{"data":[{{"testRunGroupId":{spelled}}}]}}"#),
            "groups" => format!(r#"[{{"testRunGroupId":"{id}","status":"Complete"}}]"#),
            _ => {
                format!(r#"[{{"testRunGroupId":{spelled},"scenarioName":"a","status":"Passed"}}]"#)
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let mut triggered = false;
            for mut socket in listener.incoming().flatten() {
                let Ok(head) = read_request(&mut socket) else {
                    continue;
                };
                let body = if head.contains("/execute") {
                    triggered = true;
                    answers("trigger")
                } else if head.contains("/test-run-groups") && !triggered {
                    "[]".to_owned()
                } else if head.contains("/test-run-groups") {
                    answers("groups")
                } else {
                    answers("rows")
                };
                let length = body.len();
                write!(
                    socket,
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
                )
                .ok();
            }
        });
        let fake = FakeSofy::start(Script::default());

        let step = Gate::new(&fake)
            .input("api-url", &url)
            .input("schedule-id", PUBLIC)
            .run();

        step.expect(0, "success");
        let written = step.output("test-run-group-id");
        assert!(written.eq_ignore_ascii_case(id), "{spelled}: {written}");
    });
}

/// What the largest answers may cost: several times what twenty thousand rows need.
const MOST_MEBIBYTES: u64 = 100;

/// JSON may spell it in two ways, so that two are searched for.
const KEY_WITH_A_SLASH: &str = "k3y/0f/the/tests/9d41c7";

pub(crate) fn the_largest_answers_are_bounded_in_memory() {
    fn chunked(talk: &mut Talk<'_>, piece: &[u8]) -> io::Result<()> {
        talk.body()?;
        talk.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let piece = piece.repeat((64 << 10) / piece.len());
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
        talk.endlessly(&chunk, NO_PAUSE)
    }
    /// An answer of exactly the largest size that is read.
    fn full(talk: &mut Talk<'_>, start: &str, piece: &str, end: &str) -> io::Result<()> {
        talk.body()?;
        let room = (16 << 20) - start.len() - end.len();
        let mut body = start.to_owned() + &piece.repeat(room / piece.len());
        body += &" ".repeat((16 << 20) - body.len() - end.len());
        talk.whole("200 OK", "", body + end)
    }
    let faults = [
        ("chunks without end", asked(|talk| chunked(talk, b"{},"))),
        (
            "small rows",
            asked(|talk| {
                full(
                    talk,
                    "[{}",
                    r#",{"ScenarioName":"x","Statusvalue":"Passed"}"#,
                    "]",
                )
            }),
        ),
        (
            "one name",
            asked(|talk| full(talk, r#"[{"ScenarioName":""#, "x", r#""}]"#)),
        ),
        (
            "the key",
            asked(|talk| full(talk, "", KEY_WITH_A_SLASH, "")),
        ),
        (
            "no letters",
            asked(|talk| {
                talk.body()?;
                talk.whole("200 OK", "", vec![0xff; 16 << 20])
            }),
        ),
        ("a page", asked(|talk| full(talk, "", "<p>x</p>", ""))),
    ];
    each(&faults, |(name, fault)| {
        let fake = FakeSofy::start(Script {
            pace: OVER,
            ..Script::default()
        });
        let line = Line::start(&fake, Plan::once(Call::Rows, fault.clone()));

        let step = Gate::new(&fake)
            .input("api-url", &line.url())
            .input("api-key", KEY_WITH_A_SLASH)
            .input("poll-interval", "4s")
            .input("timeout", "60s")
            .run();

        step.expect(0, "success");
        assert_eq!(line.faults(), 1, "{name}");
        let peak = step.peak_memory >> 20;
        assert!(peak < MOST_MEBIBYTES, "{name}: {peak} MiB");
    });
}

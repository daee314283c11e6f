//! Does the step end in time where the name server is silent?

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{fs, process, thread};

use socket2::{Domain, Socket, Type};

use crate::fake_sofy::{CLASSIC, FakeSofy, PUBLIC, Script};
use crate::step::{Gate, each};

/// Asks for a name and gets no answer: what a resolver does whose server is silent.
const SILENT: &str = r#"
#[unsafe(no_mangle)]
pub extern "C" fn getaddrinfo(_: usize, _: usize, _: usize, _: usize) -> i32 {
    println!("a name is asked for");
    std::thread::sleep(std::time::Duration::from_secs(60));
    -3
}
"#;

/// Gives every name an address of version six, and one of version four.
const BOTH: &str = r#"
#[repr(C)]
pub struct Found { flags: i32, family: i32, kind: i32, protocol: i32, length: u32, address: *mut u8, name: usize, next: *mut Found }
fn found(family: i32, address: Vec<u8>, next: *mut Found) -> *mut Found {
    let length = address.len() as u32;
    let address = address.leak().as_mut_ptr();
    Box::leak(Box::new(Found { flags: 0, family, kind: 1, protocol: 6, length, address, name: 0, next }))
}
#[unsafe(no_mangle)]
pub extern "C" fn getaddrinfo(_: usize, _: usize, _: usize, list: *mut *mut Found) -> i32 {
    let mut four = vec![0; 16];
    four[..2].copy_from_slice(&2_u16.to_ne_bytes());
    four[4..8].copy_from_slice(&[127, 0, 0, 1]);
    let mut six = vec![0; 28];
    six[..2].copy_from_slice(&10_u16.to_ne_bytes());
    six[23] = 1;
    unsafe { *list = found(10, six, found(2, four, std::ptr::null_mut())) };
    0
}
#[unsafe(no_mangle)]
pub extern "C" fn freeaddrinfo(_: usize) {}
"#;

/// The libraries that take the place of the resolver.
static SILENT_LIBRARY: LazyLock<String> = LazyLock::new(|| library("silent", SILENT));
static BOTH_LIBRARY: LazyLock<String> = LazyLock::new(|| library("both", BOTH));

fn library(name: &str, text: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("{name}-{}.rs", process::id()));
    let library = source.with_extension("so");
    fs::write(&source, text).unwrap();
    let built = Command::new("rustc")
        .args(["--edition=2024", "--crate-type=cdylib", "-o"])
        .args([&library, &source])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    library.to_str().unwrap().to_owned()
}

pub(crate) fn a_silent_name_server_holds_neither_signal_nor_deadline_up() {
    let cases = [
        (CLASSIC, Some("INT"), 130, "cancelled"),
        (PUBLIC, Some("TERM"), 130, "cancelled"),
        (CLASSIC, None, 3, "timed_out"),
        (PUBLIC, None, 3, "timed_out"),
    ];
    each(&cases, |&(schedule, signal, status, conclusion)| {
        let fake = FakeSofy::start(Script::default());
        let step = Gate::new(&fake)
            .input("schedule-id", schedule)
            .input("api-url", "http://sofy-double")
            .input("timeout", "8s")
            .env("LD_PRELOAD", &SILENT_LIBRARY)
            .start();
        step.wait_until(|log| log.contains("a name is asked for"));

        let since = Instant::now();
        if let Some(signal) = signal {
            step.signal(signal);
        }
        let step = step.end();

        let took = since.elapsed();
        step.expect(status, conclusion);
        let at_most = if signal.is_some() { 4 } else { 11 };
        assert!(
            took < Duration::from_secs(at_most),
            "{schedule}, {signal:?}: {took:?}"
        );
        assert!(
            step.output("reason")
                .contains("before anything was triggered")
        );
        assert!(!step.summary.is_empty());
    });
}

pub(crate) fn a_flood_of_bytes_holds_neither_signal_nor_deadline_up() {
    let hints = ("", "HTTP/1.1 100 Continue\r\n\r\n");
    let zeros = ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "0");
    let cases = [
        (hints, Some("TERM"), 130, "cancelled"),
        (zeros, Some("INT"), 130, "cancelled"),
        (hints, None, 3, "timed_out"),
        (zeros, None, 3, "timed_out"),
    ];
    each(&cases, |&((head, piece), signal, status, conclusion)| {
        let fake = FakeSofy::start(Script::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                // An answer before the request would be refused at once.
                _ = socket.read(&mut [0; 4096]);
                let pieces = piece.repeat(10_000);
                _ = socket.write_all(head.as_bytes());
                while socket.write_all(pieces.as_bytes()).is_ok() {}
            }
        });
        let step = Gate::new(&fake)
            .input("schedule-id", CLASSIC)
            .input("api-url", &url)
            .input("timeout", "6s")
            .start();
        step.wait_until(|log| log.contains("sofy-schedule-run"));

        if let Some(signal) = signal {
            step.signal(signal);
        }

        // It fails here, after a minute, if it does not end.
        step.end().expect(status, conclusion);
    });
}

pub(crate) fn an_address_that_never_answers_does_not_hide_one_that_does() {
    each(&[CLASSIC, PUBLIC], |&schedule| {
        let fake = FakeSofy::start(Script::default());
        let port = fake.address().port();
        // With its queue full, it answers nobody.
        let silent = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        let address: SocketAddr = format!("[::1]:{port}").parse().unwrap();
        silent.bind(&address.into()).unwrap();
        silent.listen(0).unwrap();
        let waiting: Vec<Socket> = (0..8)
            .map(|_| {
                let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
                socket.set_nonblocking(true).unwrap();
                socket.connect(&address.into()).ok();
                socket
            })
            .collect();
        thread::sleep(Duration::from_millis(200));

        let step = Gate::new(&fake)
            .input("schedule-id", schedule)
            .input("api-url", &format!("http://sofy-double:{port}"))
            .input("wait", "false")
            .env("LD_PRELOAD", &BOTH_LIBRARY)
            .run();

        step.expect(0, "detached");
        drop(waiting);
    });
}

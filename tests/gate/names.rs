//! Does the step end in time where the name server is silent?

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use std::{fs, process};

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

/// The library that takes the place of the resolver.
static LIBRARY: LazyLock<String> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = folder.join(format!("silent-{}.rs", process::id()));
    let library = source.with_extension("so");
    fs::write(&source, SILENT).unwrap();
    let built = Command::new("rustc")
        .args(["--edition=2024", "--crate-type=cdylib", "-o"])
        .args([&library, &source])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    library.to_str().unwrap().to_owned()
});

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
            .env("LD_PRELOAD", &LIBRARY)
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

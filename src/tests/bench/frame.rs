//! How is a step timed, and at what sizes? Knows none of the crate's modules.

#![expect(clippy::print_stdout, reason = "a table is what a bench is for")]

use std::time::{Duration, Instant};

const ROWS: [usize; 4] = [100, 1_000, 10_000, 100_000];
/// Each step is repeated for so long, and its quickest time counts: the others were disturbed.
const TIME_FOR_A_STEP: Duration = Duration::from_millis(300);
const FEWEST_REPETITIONS: usize = 3;

/// A step for so many rows, ready to be done again and again; gives the time that it took.
pub(crate) type Step = fn(usize) -> Box<dyn FnMut() -> Duration>;

/// Times what a step does, without what comes before and after.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    let done = std::hint::black_box(work());
    let took = start.elapsed();
    drop(done);
    took
}

/// Prints the time of each step at each size, and the time a row.
pub(crate) fn print(steps: &[(&str, Step)]) {
    print!("{:<22}", "");
    for rows in ROWS {
        print!("{:>22}", format!("{rows} rows"));
    }
    println!("{:>24}", "a row, last to first");
    for (name, step) in steps {
        print!("{name:<22}");
        let costs_of_a_row = ROWS.map(|rows| {
            let took = quickest(step(rows)).as_secs_f64();
            let cost_of_a_row = took / rows as f64;
            print!("{:>11.3} ms{:>5.0} ns", took * 1e3, cost_of_a_row * 1e9);
            cost_of_a_row
        });
        println!(
            "{:>22.1} ×",
            costs_of_a_row[ROWS.len() - 1] / costs_of_a_row[0]
        );
    }
}

fn quickest(mut step: Box<dyn FnMut() -> Duration>) -> Duration {
    let start = Instant::now();
    let mut quickest = Duration::MAX;
    let mut repetitions = 0;
    while repetitions < FEWEST_REPETITIONS || start.elapsed() < TIME_FOR_A_STEP {
        quickest = quickest.min(step());
        repetitions += 1;
    }
    quickest
}

/// An answer of Sofy's with so many rows: twenty devices, and now and then a result that is not a pass.
pub(crate) fn answer(rows: usize, scheduled_at: &str) -> String {
    let rows: Vec<String> = (0..rows)
        .map(|row| {
            let status = match row % 50 {
                7 => "Failed",
                23 => "Not Executed",
                _ => "Passed",
            };
            format!(
                r#"{{"scheduledRunName":"Nightly","scenarioName":"Scenario {}","device":"Device {}","build":"4.2.0(1187)","status":"{status}","scheduledAt":"{scheduled_at}"}}"#,
                row / 20,
                row % 20,
            )
        })
        .collect();
    format!(r#"{{"data":[{}]}}"#, rows.join(","))
}

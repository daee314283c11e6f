//! How late is the end of a run noticed, and at the price of how many polls?
//!
//! `cargo bench --bench pace` plays thousands of synthetic runs on simulated time, with the pauses that
//! the action makes and with plainer ones. For each it prints the mean and the 95th percentile of the
//! delay (from the end on Sofy to the poll that sees it), the polls, and the product mean delay × polls ÷
//! length of the run. A fixed pace, whatever its interval, is late by half of it on average: a product of
//! a half, and a little more for the first poll and the last. Polls that settle a result are not counted.
//!
//! Goals for the action's pace. Runs of 2 to 6 minutes: product at most 0.42, mean 4.2 s, 95 % 10.5 s. Runs of 10
//! to 40 minutes: product at most 0.45, with at most 1.2 times the polls of a fixed 15 s.

#![expect(clippy::print_stdout, reason = "a table is what a bench is for")]

use std::ops::Range;
use std::time::Duration;

use super::runs::{Listing, Random, Run, Twist, World};
use crate::gate::pace::Pace;

/// The default of the input `poll-interval`.
const POLL_SECS: f64 = 15.0;
/// Other runs than those that the constants were chosen with: their seeds are small.
const SEED: u64 = 20_261_124;
const RUNS_OF_A_WORLD: usize = 400;

const BANDS: [(&str, Range<f64>); 2] = [
    ("Runs of 2 to 6 minutes", 120.0..360.0),
    ("Runs of 10 to 40 minutes", 600.0..2400.0),
];

const WORLDS: [World; 17] = [
    world(Twist::Plain, Listing::AsTheyStart),
    world(Twist::Plain, Listing::AllAsRunning),
    world(Twist::Plain, Listing::AllToldApart),
    world(Twist::Pool, Listing::AsTheyStart),
    world(Twist::Unlike, Listing::AsTheyStart),
    world(Twist::Unlike, Listing::AllAsRunning),
    world(Twist::UnevenDevices, Listing::AsTheyStart),
    world(Twist::UnevenDevices, Listing::AllAsRunning),
    world(Twist::Straggler, Listing::AsTheyStart),
    world(Twist::Straggler, Listing::AllAsRunning),
    world(Twist::SingleTest, Listing::AsTheyStart),
    world(Twist::Flipping, Listing::AllAsRunning),
    world(Twist::LateDevices, Listing::AsTheyStart),
    world(Twist::LateDevices, Listing::AllAsRunning),
    world(Twist::LateDevices, Listing::AllToldApart),
    world(Twist::OneName, Listing::AsTheyStart),
    world(Twist::OneName, Listing::AllAsRunning),
];

/// Not among the others: Sofy's documentation has rows that are `Running`.
const UNLIKELY: World = world(Twist::Plain, Listing::AsTheyEnd);

const fn world(twist: Twist, listing: Listing) -> World {
    World { twist, listing }
}

/// A way to choose the next pause.
#[derive(Clone, Copy)]
enum Policy {
    /// The action's.
    Estimate,
    /// The same pauses for someone who knows the true rest: what a perfect estimate would give.
    Oracle,
    Fixed(f64),
    /// From two seconds, half as long again each time, up to the poll interval.
    BackOff,
}

const POLICIES: [(&str, Policy); 7] = [
    ("estimate", Policy::Estimate),
    ("... if the rest were known", Policy::Oracle),
    ("fixed 5 s", Policy::Fixed(5.0)),
    ("fixed 10 s", Policy::Fixed(10.0)),
    ("fixed 15 s", Policy::Fixed(POLL_SECS)),
    ("fixed 30 s", Policy::Fixed(30.0)),
    ("back-off 2 s to 15 s", Policy::BackOff),
];

/// Plays the runs with each pace.
pub fn pace() {
    for (title, band) in BANDS {
        println!("\n{title}, {RUNS_OF_A_WORLD} of each world:\n");
        header();
        let fixed = WORLDS.map(|world| play(world, &band, Policy::Fixed(POLL_SECS)));
        let polls_of_fixed: usize = fixed
            .iter()
            .flatten()
            .map(|played| played.polls_of_rows)
            .sum();
        for (name, policy) in POLICIES {
            let all = WORLDS.map(|world| play(world, &band, policy)).concat();
            line(name, all, polls_of_fixed);
        }
        println!();
        for world in WORLDS.into_iter().chain([UNLIKELY]) {
            let name = format!("{:?}, {:?}", world.twist, world.listing);
            let fixed = play(world, &band, Policy::Fixed(POLL_SECS));
            let polls_of_fixed = fixed.iter().map(|played| played.polls_of_rows).sum();
            line(&name, play(world, &band, Policy::Estimate), polls_of_fixed);
        }
    }
}

/// How one run was watched.
#[derive(Clone, Copy)]
struct Played {
    delay_secs: f64,
    polls: usize,
    /// Without those before the first row began.
    polls_of_rows: usize,
    length_secs: f64,
}

/// Plays the runs of a world: the same ones for every policy.
fn play(world: World, band: &Range<f64>, policy: Policy) -> Vec<Played> {
    let mut random = Random::new(SEED);
    (0..RUNS_OF_A_WORLD)
        .map(|_| {
            let run = Run::of(world, band.clone(), &mut random);
            // Jitter of its own, or the next run would depend on the polls of this one.
            let mut jitter = Random::new(run.end.to_bits());
            watch(&run, policy, &mut jitter)
        })
        .collect()
}

fn watch(run: &Run, policy: Policy, jitter: &mut Random) -> Played {
    let mut pace = Pace::default();
    let (mut at, mut polls, mut polls_of_rows) = (0.0, 0, 0);
    let mut back_off = 2.0;
    loop {
        polls += 1;
        polls_of_rows += usize::from(at >= run.begun);
        if at >= run.end {
            return Played {
                delay_secs: at - run.end,
                polls,
                polls_of_rows,
                length_secs: run.end,
            };
        }
        at += match policy {
            Policy::Estimate => {
                let since_start = Duration::from_secs_f64(at);
                pace.observe(since_start, &run.group(at), &run.listed(at));
                let poll_interval = Duration::from_secs_f64(POLL_SECS);
                pace.pause(poll_interval, jitter.share()).as_secs_f64()
            }
            Policy::Oracle => ((run.end - at) / 3.0 * POLL_SECS)
                .sqrt()
                .clamp(2.0, POLL_SECS),
            // Jobs do not start in step with runs.
            Policy::Fixed(secs) if polls == 1 => secs * jitter.share(),
            Policy::Fixed(secs) => secs,
            Policy::BackOff => {
                back_off = (back_off * 1.5_f64).min(POLL_SECS);
                back_off
            }
        };
    }
}

fn header() {
    println!(
        "{:<31}{:>8}{:>8}{:>8}{:>9}{:>12}",
        "", "mean s", "95 % s", "polls", "product", "more polls"
    );
}

/// Prints a line; its last column compares the polls of rows with those of a fixed 15 s.
fn line(name: &str, mut played: Vec<Played>, polls_of_fixed: usize) {
    played.sort_by(|a, b| a.delay_secs.total_cmp(&b.delay_secs));
    let count = played.len();
    let mean = |of: fn(&Played) -> f64| played.iter().map(of).sum::<f64>() / count as f64;
    let delay = mean(|played| played.delay_secs);
    let polls_of_rows: usize = played.iter().map(|played| played.polls_of_rows).sum();
    println!(
        "{name:<31}{delay:>8.1}{:>8.1}{:>8.1}{:>9.2}{:>+11.0}%",
        played[count * 95 / 100].delay_secs,
        mean(|played| played.polls as f64),
        delay * mean(|played| played.polls as f64 / played.length_secs),
        (polls_of_rows as f64 / polls_of_fixed as f64 - 1.0) * 100.0,
    );
}

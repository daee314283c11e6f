//! Does a step ever succeed when it should not? Thousands of simulated worlds, each drawn from a seed, look for one.
//!
//! docs/testing.md has what holds in every world, and which breakages of the code which world notices. `world` draws
//! what there is, `sofy` plays it, `story` runs the steps as the runner would, and `invariants` compares what they left
//! behind with what truly happened. A world stays within what polls can show: once a group is shown as finished, no row
//! is missing, or falsely shown as passed, for 7 s.
//!
//! `SOFY_SIM_WORLDS` is the number of worlds. `SOFY_SIM_SEED` is the first of them, and the only one if no number is
//! given. The first world that breaks an invariant is reduced to what it needs and printed with its log.

mod consistency;
mod dice;
mod invariants;
mod sofy;
mod story;
mod upload;
mod world;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::github::log::{self, Style};
use crate::tests::network::simulate;
use dice::Dice;
use sofy::Network;
use world::World;

/// The API key of every world; it has what JSON escapes in it, and letters of both cases.
const KEY: &str = "Se/cret\"Key-42";
const GUID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const NUMBER: &str = "1888";

/// How many worlds are played if `SOFY_SIM_WORLDS` is not set: a few seconds' worth. They notice most of what can be
/// broken; CI plays 20,000, which notice the rest.
const WORLDS: u64 = 400;

thread_local! {
    static JITTER: RefCell<Dice> = const { RefCell::new(Dice::new(0)) };
    /// Whether the log of a world is wanted.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Chance of the world's seed in place of the system's.
fn jitter() -> f64 {
    JITTER.with_borrow_mut(Dice::share)
}

fn enter(network: &Network, seed: u64) {
    let network = network.clone();
    simulate(Some(Rc::new(move |request| {
        let network = network.clone();
        Box::pin(async move { network.exchange(request).await })
    })));
    JITTER.set(Dice::about(seed, u64::MAX));
}

fn leave() {
    simulate(None);
}

/// What became of a world.
#[derive(Clone, Debug, Default)]
struct Outcome {
    /// The invariants that did not hold.
    broken: Vec<String>,
    /// How many Sofy was sent.
    requests: u64,
    /// How its last step ended.
    ending: String,
    /// Why it is red although all was well.
    needless: Option<&'static str>,
    /// Green though it is not true, in a way that no gate can know of.
    blind: Option<&'static str>,
    /// Nothing in it leaves room for another verdict than the true one.
    sane: bool,
    /// What its steps printed, where it is played alone.
    log: String,
}

impl Outcome {
    /// The invariant that did not hold, without what is particular to the world.
    fn kind(&self) -> Option<&str> {
        let first = self.broken.first()?;
        Some(
            first
                .split_once(':')
                .map_or(first.as_str(), |(kind, _)| kind),
        )
    }
}

/// Plays one world and checks it.
fn play(world: &Rc<World>, folder: &Path) -> Outcome {
    let played = catch_unwind(AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let trace = story::play(world, folder).await;
            let outcome = invariants::check(world, &trace);
            let log = if ALONE.get() {
                trace.log()
            } else {
                String::new()
            };
            (outcome, log)
        })
    }));
    match played {
        Ok((outcome, log)) => Outcome { log, ..outcome },
        Err(_) => {
            leave();
            Outcome {
                broken: vec!["a panic".to_owned()],
                ..Outcome::default()
            }
        }
    }
}

/// Leaves out of a world what it breaks the same invariant without, until nothing is left to leave out.
fn shrunk(world: World, folder: &Path) -> (World, Outcome) {
    let mut smallest = Rc::new(world);
    let mut outcome = play(&smallest, folder);
    loop {
        let smaller = smallest.simpler().into_iter().find_map(|world| {
            if format!("{world:?}") == format!("{smallest:?}") {
                return None;
            }
            let world = Rc::new(world);
            let again = play(&world, folder);
            (again.kind() == outcome.kind()).then_some((world, again))
        });
        match smaller {
            Some(smaller) => (smallest, outcome) = smaller,
            None => return (Rc::unwrap_or_clone(smallest), outcome),
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// What a worker has seen.
#[derive(Default)]
struct Seen {
    counts: BTreeMap<String, u64>,
    broken: BTreeMap<u64, Outcome>,
}

impl Seen {
    fn count(&mut self, what: String) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.count("worlds".to_owned());
        *self
            .counts
            .entry("requests to Sofy".to_owned())
            .or_default() += outcome.requests;
        self.count(format!("ended as {}", outcome.ending));
        if outcome.sane {
            self.count("left no doubt, and were judged truly".to_owned());
        }
        if let Some(why) = outcome.blind {
            self.count(format!("green unknowingly: {why}"));
        }
        if let Some(cause) = outcome.needless {
            self.count(format!("red without need: {cause}"));
        }
        if !outcome.broken.is_empty() {
            self.broken.insert(seed, outcome);
        }
    }

    fn and(mut self, other: Self) -> Self {
        for (what, count) in other.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.broken.extend(other.broken);
        self
    }
}

/// A folder for the runner's files; in memory where that is to be had.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a folder")
}

/// Plays worlds until there are no more seeds.
fn work(seeds: &AtomicU64, end: u64) -> Seen {
    let folder = folder();
    let style = Style {
        debug: true,
        commands: true,
    };
    let _log = tracing::subscriber::set_default(log::subscriber(style));
    let mut seen = Seen::default();
    loop {
        let seed = seeds.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return seen;
        }
        let world = Rc::new(World::of(seed));
        seen.add(seed, play(&world, folder.path()));
    }
}

#[test]
fn no_world_is_green_that_should_not_be() {
    _ = rustls::crypto::ring::default_provider().install_default();
    let seed = number("SOFY_SIM_SEED");
    let worlds = number("SOFY_SIM_WORLDS").unwrap_or(seed.map_or(WORLDS, |_| 1));
    let first = seed.unwrap_or(0);
    let end = first + worlds;
    let begun = Instant::now();
    let seeds = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let seen = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| work(&seeds, end)))
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("a worker"))
            .reduce(Seen::and)
            .unwrap_or_default()
    });
    let mut counts = format!(
        "\nsimulated {worlds} worlds (SOFY_SIM_WORLDS says how many) in {:.1} s, with {} that break an invariant:\n",
        begun.elapsed().as_secs_f64(),
        seen.broken.len()
    );
    for (what, count) in &seen.counts {
        _ = writeln!(counts, "{count:>8} {what}");
    }
    // Past what the test harness hides: the counts belong in every log.
    std::io::stdout()
        .write_all(counts.as_bytes())
        .expect("standard output");
    for (seed, outcome) in seen.broken.iter().take(20) {
        println!("SOFY_SIM_SEED={seed}: {}", outcome.broken.join("; "));
    }
    let Some((seed, _)) = seen.broken.first_key_value() else {
        return;
    };
    let folder = folder();
    let style = Style {
        debug: true,
        commands: true,
    };
    let _log = tracing::subscriber::set_default(log::subscriber(style));
    let drawn = World::of(*seed);
    let world = match number("SOFY_SIM_AS_DRAWN") {
        Some(_) => drawn,
        None => shrunk(drawn, folder.path()).0,
    };
    ALONE.set(true);
    let outcome = play(&Rc::new(world.clone()), folder.path());
    panic!(
        "{} worlds broke an invariant. The first: {world:#?}\n{}\n{}",
        seen.broken.len(),
        outcome.log,
        outcome.broken.join("; ")
    );
}

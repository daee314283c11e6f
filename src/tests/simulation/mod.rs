//! Is the gate ever green when it should not be? Many worlds, each drawn from a seed.
//!
//! A world is Sofy and the way to it, on tokio's paused clock and below the parsers: answers are bytes with a
//! status and headers. All that stands above the socket is the real code: parsers, redaction, trigger,
//! attribution, watch, verdict, abort, post step, outputs and reports. `world` draws what there is, `sofy` plays
//! it, `story` runs the steps as the runner would, `invariants` compares what they left with what truly happened.
//! Before some gates an `upload` hands over the hash of a build, and what it can meet is a matter of its own.
//!
//! What holds in every world, whatever goes wrong in it:
//!
//! - Green only where every test run of our own group passed or is tolerated, one passed, all of it was over, and,
//!   where a hash was asked for and the builds that Sofy listed tell, on that build.
//! - An upload is green only where Sofy has this very file, and with the hash that Sofy gave it.
//! - One trigger at most happens, and none is sent after one that may have happened. It names the build asked for.
//! - The step ends by its deadline and 40 s, and within 7.5 s of a signal; the post step within 61 s; an upload by
//!   its deadline and a second.
//! - Unless the process was killed, every output is there and none contradicts another, the exit status, the
//!   JSON file, the JUnit XML or the annotations.
//! - The key is in no byte of log, outputs, state and reports, and in a request only where it belongs.
//! - An abort is of our group, was asked for, and never meets a group that was seen to be over or was found after
//!   a lost answer. A run that should be aborted is, unless Sofy refuses for as long as the post step asks.
//! - Where nothing leaves room for another verdict, it is the true one. The other red ones are counted by cause.
//!
//! Some things no gate can know; docs/behaviour.md lists them. Most need somebody else's execution: one that began
//! while a trigger of ours was under way that got lost; and on the classic API, where rows name no group and older
//! executions are not listed, one that is listed before or with our first row, or while all rows bear the same time,
//! or one that has rows while ours has none at all. Nor can it know of a failure that Sofy takes back before a look
//! has shown it, or repeats after the end of the group. Such greens are counted.
//!
//! Beyond them, a world stays within what looks can show: once a group is shown as over, no row is missing or
//! shown as passed without being so for seven seconds.
//!
//! `SOFY_SIM_WORLDS` says how many worlds are played; `SOFY_SIM_SEED` is the first of them, alone where nothing says
//! how many. The first world that breaks an invariant is printed with its log, after all has been left out of it that
//! it does not need.
//!
//! What was broken on purpose in the real code, one at a time, and which world noticed it first. With nothing
//! broken, none of the 20,000 does.
//!
//! | broken | noticed by world |
//! |---|---|
//! | a trigger that ended unclearly is sent again | 2: a second trigger |
//! | every listed row is taken for ours (classic) | 131: green without proof |
//! | another build than the one asked for is green | 459: green without proof |
//! | any build is verified | 130: a build was verified that was not tested |
//! | a group is over once all that is listed is over | 9: the wrong verdict |
//! | one look settles | 227: green without proof, it was not over |
//! | two looks may be as far apart as they like | 388: the wrong verdict |
//! | a test run that still runs has passed | 133: green without proof, it was not over |
//! | a status that we do not know has passed | 1,593: green without proof |
//! | a failure whose row is gone or has passed is forgotten | 3,794: green without proof |
//! | rows that cannot be told apart are judged | 7,052: the wrong verdict |
//! | nothing has to pass, where all is tolerated | 135: green without proof |
//! | a later execution's pass counts, where all of ours is tolerated | 13,278: green without proof |
//! | `Complete with errors` is as good as `Complete` | 104: green without proof |
//! | a group without a time is adopted | 12,932: green without proof, nothing of ours ran |
//! | a group that began at another time is adopted | 1,090: green without proof, nothing of ours ran |
//! | the deadline is an hour later | 4: it ended late |
//! | signals are not heard | 44: it ended late |
//! | nothing is redacted | 11: the key was shown |
//! | the key is redacted in one spelling only | 11: the key was shown |
//! | a group that was adopted is aborted | 810: a wrong abort |
//! | a group that is over is aborted | 41: a wrong abort |
//! | a group is aborted though nobody asked for it | 44: a wrong abort |
//! | nothing is aborted | 14: a run was left running |
//! | no state is saved for the post step | 22: a run was left running |
//! | whatever Sofy answers is an abort | 194: a run was left running |
//! | an abort is asked for once | 194: a run was left running |
//! | an output is left out | 0: outputs contradict each other |
//! | a trigger leaves out the hash | 0: a trigger names another build |
//! | an upload takes the first listed build for its own | 112: an upload of nothing |
//! | an upload without a hash is green | 322: outputs contradict each other |
//! | an upload sends half of the file | 4: the wrong verdict |
//! | an upload is tried once | 12: the wrong verdict |
//! | a build that Sofy has is an error like others | 12: the wrong verdict |
//! | an upload waits ten minutes before it tries again | 130: the wrong verdict |
//! | a transfer that is stuck is never cut | 791: the wrong verdict |
//! | a list that lags is not asked again, after a lost answer | 6,406: the wrong verdict |
//! | an upload hears neither deadline nor signal while it sends | 127: it ended late |
//! | an upload shows the key beside the file | 4: the key was misplaced in a request |
//!
//! What none of them noticed, since another rule catches the same or the draws are too rare, and whose tests do:
//!
//! | broken | tests of |
//! |---|---|
//! | a later execution's rows may replace ours | `attribution`; their passes are late ones, which do not count |
//! | what is tolerated of a later execution stands for errors of ours | `verdict`; world 80,041 |
//! | rows that name our group tell nothing of the time of the others | `attribution`; world 234,580 |
//! | what runs under an old time is an earlier execution's | `attribution`; world 235,574 |
//! | three looks settle without seven seconds | `settle`; three looks take six seconds already, and no world hides anything for seven |
//! | the last look may take ten minutes | `watch`: a call ends after thirty seconds in any case |
//! | rows after a minute of silence are believed | `watch` |
//! | a row that is gone is not missed | `settle`, `watch` |
//! | an adopted group needs no proof of its build | `verdict`, `action` |

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

/// How many worlds are played where `SOFY_SIM_WORLDS` says nothing.
const WORLDS: u64 = 20_000;

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
            let told = story::play(world, folder).await;
            let outcome = invariants::check(world, &told);
            let log = if ALONE.get() {
                told.log()
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
        colour: false,
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
    let mut told = format!(
        "\nsimulated in {:.1} s, with {} that break an invariant:\n",
        begun.elapsed().as_secs_f64(),
        seen.broken.len()
    );
    for (what, count) in &seen.counts {
        _ = writeln!(told, "{count:>8} {what}");
    }
    // Past what the test harness hides: the counts belong into every log.
    std::io::stdout()
        .write_all(told.as_bytes())
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
        colour: false,
    };
    let _log = tracing::subscriber::set_default(log::subscriber(style));
    let (world, _) = shrunk(World::of(*seed), folder.path());
    ALONE.set(true);
    let outcome = play(&Rc::new(world.clone()), folder.path());
    panic!(
        "{} worlds broke an invariant. The first, made small: {world:#?}\n{}\n{}",
        seen.broken.len(),
        outcome.log,
        outcome.broken.join("; ")
    );
}

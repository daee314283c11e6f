//! What may a run on Sofy look like? Synthetic runs on simulated time, the same for the same seed.

use crate::model::test_run::{GroupStatus, ScheduledAt, TestRun, TestStatus};

/// How the rows of a run that is under way are listed: Sofy's documentation does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// Each row from the moment that its device begins it.
    AsTheyStart,
    /// Each row when it has ended.
    AsTheyEnd,
    /// All rows from the beginning, as `Running`.
    AllAsRunning,
    /// All rows from the beginning, those that wait under a word that we do not know.
    AllToldApart,
}

/// What is peculiar to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twist {
    /// Every scenario on every device; both have a speed of their own.
    Plain,
    /// The rows go to whichever device is free.
    Pool,
    /// No row is like another, neither by scenario nor by device.
    Unlike,
    /// The slowest device takes about three times as long as the quickest.
    UnevenDevices,
    /// One row takes five times as long as its like.
    Straggler,
    /// There is one row.
    SingleTest,
    /// One row in seven fails and runs again in its place.
    Flipping,
    /// Devices begin up to two minutes apart.
    LateDevices,
    /// Several phones go by one name, that of their model.
    OneName,
}

/// A kind of run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    pub(crate) twist: Twist,
    pub(crate) listing: Listing,
}

/// A test run as it happens on Sofy. Times are seconds since the trigger.
struct Row {
    scenario: usize,
    device: usize,
    start: f64,
    /// From when to when the row shows a first, failed result, before it runs again.
    failed: std::ops::Range<f64>,
    end: f64,
}

/// A run as it happens on Sofy.
pub(crate) struct Run {
    world: World,
    rows: Vec<Row>,
    /// When the first row begins.
    pub(crate) begun: f64,
    /// When every row is final and the group terminal.
    pub(crate) end: f64,
}

impl Run {
    /// Makes a run of a kind, whose length is within bounds.
    pub(crate) fn of(world: World, secs: std::ops::Range<f64>, random: &mut Random) -> Self {
        loop {
            let run = Self::any(world, random);
            if secs.contains(&run.end) {
                return run;
            }
        }
    }

    fn any(world: World, random: &mut Random) -> Self {
        let is = |twist| world.twist == twist;
        let fewest_devices = match world.twist {
            Twist::UnevenDevices | Twist::LateDevices | Twist::OneName => 2,
            Twist::Plain
            | Twist::Pool
            | Twist::Unlike
            | Twist::Straggler
            | Twist::SingleTest
            | Twist::Flipping => 1,
        };
        let (scenarios, devices) = if is(Twist::SingleTest) {
            (1, 1)
        } else {
            shape(fewest_devices, random)
        };
        let queue = 180.0 * random.share().powi(2);
        let typical = random.between(8.0, 240.0);
        let spread = 0.2 + 0.4 * random.share();
        let noise = 0.1 + 0.3 * random.share();
        let device_spread = if is(Twist::UnevenDevices) { 0.45 } else { 0.12 };
        let scenario: Vec<f64> = (0..scenarios)
            .map(|_| random.log_normal(typical, spread))
            .collect();
        let speed: Vec<f64> = (0..devices)
            .map(|_| random.log_normal(1.0, device_spread))
            .collect();
        let apart = if is(Twist::LateDevices) { 120.0 } else { 5.0 };
        let mut free: Vec<f64> = (0..devices)
            .map(|_| queue + apart * random.share())
            .collect();
        let straggler = random.below(scenarios * devices);
        let mut rows = Vec::with_capacity(scenarios * devices);
        for index in 0..scenarios * devices {
            let (of, on) = if is(Twist::Pool) {
                (index, earliest(&free))
            } else {
                (index / devices, index % devices)
            };
            let mut length = if is(Twist::Pool) || is(Twist::Unlike) {
                random.log_normal(typical, spread + noise)
            } else {
                random.log_normal(scenario[of] * speed[on], noise)
            };
            if is(Twist::Straggler) && index == straggler {
                length *= 5.0;
            }
            let start = free[on];
            let mut end = start + length;
            let mut failed = end..end;
            if is(Twist::Flipping) && random.share() < 1.0 / 7.0 {
                failed.end += 6.0 * random.share();
                end = failed.end + length;
            }
            // A device is made ready again between two rows.
            free[on] = end + 3.0 * random.share();
            rows.push(Row {
                scenario: of,
                device: on,
                start,
                failed,
                end,
            });
        }
        Self {
            world,
            begun: rows.iter().map(|row| row.start).fold(f64::MAX, f64::min),
            end: rows.iter().map(|row| row.end).fold(0.0, f64::max),
            rows,
        }
    }

    /// What a poll of the group shows.
    pub(crate) const fn group(&self, at: f64) -> GroupStatus {
        if at < self.begun {
            GroupStatus::Queued
        } else if at < self.end {
            GroupStatus::Running
        } else {
            GroupStatus::Complete
        }
    }

    /// What a poll of the list shows.
    pub(crate) fn listed(&self, at: f64) -> Vec<TestRun> {
        let listed = |row: &&Row| match self.world.listing {
            Listing::AsTheyStart => row.start <= at,
            Listing::AsTheyEnd => row.end <= at,
            Listing::AllAsRunning | Listing::AllToldApart => true,
        };
        self.rows
            .iter()
            .filter(listed)
            .map(|row| test_run(row.scenario, self.name_of(row.device), self.status(row, at)))
            .collect()
    }

    const fn name_of(&self, device: usize) -> usize {
        match self.world.twist {
            Twist::OneName => 0,
            Twist::Plain
            | Twist::Pool
            | Twist::Unlike
            | Twist::UnevenDevices
            | Twist::Straggler
            | Twist::SingleTest
            | Twist::Flipping
            | Twist::LateDevices => device,
        }
    }

    fn status(&self, row: &Row, at: f64) -> TestStatus {
        if at >= row.end {
            TestStatus::Passed
        } else if row.failed.contains(&at) {
            TestStatus::Failed
        } else if at < row.start && self.world.listing == Listing::AllToldApart {
            TestStatus::Other("Waiting".to_owned())
        } else {
            TestStatus::Running
        }
    }
}

fn test_run(scenario: usize, device: usize, status: TestStatus) -> TestRun {
    TestRun {
        scenario: format!("Scenario {scenario}"),
        device: format!("Device {device}"),
        build: String::new(),
        status,
        scheduled_at: ScheduledAt::default(),
        late: false,
    }
}

/// How many scenarios on how many devices: one row to a hundred, on up to eight.
fn shape(fewest_devices: usize, random: &mut Random) -> (usize, usize) {
    let devices = fewest_devices + random.below(9 - fewest_devices);
    let rows = random.between(1.0, 101.0);
    let scenarios = (1..=100 / devices)
        .rev()
        .find(|scenarios| (scenarios * devices) as f64 <= rows);
    (scenarios.unwrap_or(1), devices)
}

fn earliest(free: &[f64]) -> usize {
    (0..free.len())
        .min_by(|a, b| free[*a].total_cmp(&free[*b]))
        .unwrap_or_default()
}

/// A small generator of random numbers (SplitMix64), so that every machine sees the same runs.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, not including, 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    const fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Between two bounds, every order of magnitude as likely as the next.
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.share())
    }

    fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.share()).cos();
        median * (sigma * normal).exp()
    }
}

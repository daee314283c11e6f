//! Where does a world's chance come from? One number, so that a world can be had again.

/// A small generator (SplitMix64): the same seed gives the same draws, on every machine.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator for one matter of a world, so that a draw more elsewhere does not change it.
    pub(super) const fn about(seed: u64, matter: u64) -> Self {
        Self(seed ^ matter.wrapping_mul(0xd605_1b5f_7dd7_2e3d))
    }

    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `least` to `most`, both included.
    pub(super) fn from(&mut self, least: i64, most: i64) -> i64 {
        let width = most.saturating_sub(least).max(0).unsigned_abs() + 1;
        least + i64::try_from(self.next() % width).unwrap_or(0)
    }

    /// Like [`Self::from`], with small numbers as likely as large ones: each doubling is one step.
    pub(super) fn spread(&mut self, least: i64, most: i64) -> i64 {
        let (least, most) = (least.max(1) as f64, most.max(1) as f64);
        (least * (most / least).powf(self.share())) as i64
    }

    pub(super) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, percent: i64) -> bool {
        self.from(1, 100) <= percent
    }

    pub(super) fn pick<T: Clone>(&mut self, among: &[T]) -> T {
        let last = i64::try_from(among.len()).unwrap_or(i64::MAX) - 1;
        among[usize::try_from(self.from(0, last)).unwrap_or(0)].clone()
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = usize::try_from(self.from(0, i64::try_from(last).unwrap_or(0)));
            list.swap(last, other.unwrap_or(0));
        }
    }
}

//! What the new bytes keep of the old ones: a list of "insert so many, then keep so many from there".
//!
//! A kept piece may differ in single bytes, as bsdiff's may: it is kept because most of it fits at that distance. Candidates come
//! from chains of equal eight-byte words instead of a suffix sort, which is as small on executables and several times as fast, because
//! nearly all of a new build fits where the byte before fitted.

/// Bytes that are compared to judge a distance: long enough that chance does not win, short enough that a small function counts.
const WINDOW: usize = 64;
/// Differing bytes in a window that nobody looks for a better distance for: one pointer that moved.
const FINE: i32 = 6;
/// What a change of distance must gain: about what it costs to write down.
const SWITCH_COST: i32 = 8;
/// Share of a window that must fit for a piece to be kept at all, in eighths.
const KEPT_EIGHTHS: i32 = 3;
/// Bytes without any good distance after which the rest is taken as new.
const LOST_BYTES: usize = 16;
/// Equal words that are tried per place.
const CHAIN_MAX: usize = 16;
/// Distances that were used last: neighbours often moved alike.
const RECENT: usize = 8;
/// How far a border between two distances is moved back to where it fits best.
const BORDER_BYTES_MAX: usize = 4096;
/// Old content beyond this is entered at every fourth place only, to bound the index.
const DENSE_BYTES_MAX: usize = 4 << 20;
const SPARSE_STEP: usize = 4;
const HEAD_BITS: std::ops::RangeInclusive<u32> = 10..=22;

/// One operation: `insert` new bytes, then `copy` bytes of the old content from `from`, some of them changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    /// New bytes that come first.
    pub insert: usize,
    /// Where in the old content the kept piece begins.
    pub from: usize,
    /// Its length.
    pub copy: usize,
}

/// Finds operations; keeps its tables from one call to the next.
#[derive(Debug, Default)]
pub struct Matcher {
    head: Vec<u32>,
    chain: Vec<u32>,
    bits: u32,
    step: usize,
}

/// From `start` on, new content is taken from this distance (old place minus new place), or is new.
#[derive(Clone, Copy)]
struct Stretch {
    start: usize,
    distance: Option<isize>,
}

impl Matcher {
    /// A matcher without tables yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What `new` keeps of `old`. Together the operations give exactly as many bytes as `new` has.
    pub fn ops(&mut self, old: &[u8], new: &[u8]) -> Vec<Op> {
        self.index(old);
        let stretches = self.stretches(old, new);
        operations(&settle_borders(&stretches, old, new), old.len(), new.len())
    }

    fn index(&mut self, old: &[u8]) {
        self.step = if old.len() > DENSE_BYTES_MAX { SPARSE_STEP } else { 1 };
        let entries = old.len() / self.step;
        self.bits =
            (usize::BITS - entries.leading_zeros()).clamp(*HEAD_BITS.start(), *HEAD_BITS.end());
        self.head.clear();
        self.head.resize(1 << self.bits, 0);
        self.chain.clear();
        self.chain.resize(entries + 1, 0);
        let Some(last) = old.len().checked_sub(8) else { return };
        for at in (0..=last).step_by(self.step) {
            let word = load(old, at);
            // Runs of one byte would only fill one chain.
            if at > 0 && word == word.rotate_left(8) {
                continue;
            }
            let slot = self.slot(word);
            let entry = at / self.step;
            self.chain[entry] = self.head[slot];
            self.head[slot] = entry as u32 + 1;
        }
    }

    fn slot(&self, word: u64) -> usize {
        (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - self.bits)) as usize
    }

    fn stretches(&self, old: &[u8], new: &[u8]) -> Vec<Stretch> {
        let mut distance = Some(0);
        let mut stretches = vec![Stretch { start: 0, distance }];
        let (mut recent, mut at, mut lost) = ([0_isize; RECENT], 0, 0);
        loop {
            if let Some(rest) = distance.and_then(|by| from(old, at, by)) {
                at += common(rest, &new[at..]);
            }
            if at >= new.len() {
                return stretches;
            }
            let whole = WINDOW.min(new.len() - at) as i32;
            let stays = distance.map_or(-1, |by| fit(old, new, at, by));
            if stays >= 0 && stays >= whole - FINE {
                (at, lost) = (at + 1, 0);
                continue;
            }
            let (best, by) = self.best(old, new, at, (stays, distance), &recent);
            if best < (whole * KEPT_EIGHTHS / 8).max(8).min(whole) {
                lost += 1;
                if lost > LOST_BYTES && distance.is_some() {
                    distance = None;
                    stretches.push(Stretch { start: at + 1 - lost, distance });
                }
                at += 1;
                continue;
            }
            lost = 0;
            if by == distance {
                at += 1;
            } else {
                distance = by;
                stretches.push(Stretch { start: at, distance });
                recent.rotate_right(1);
                recent[0] = by.unwrap_or_default();
            }
        }
    }

    /// The distance that fits best at `at`, and how many bytes of the window fit.
    fn best(
        &self,
        old: &[u8],
        new: &[u8],
        at: usize,
        (mut best, mut distance): (i32, Option<isize>),
        recent: &[isize],
    ) -> (i32, Option<isize>) {
        let stay = distance;
        let mut consider = |by: isize, cost: i32| {
            if Some(by) != stay {
                let fits = fit(old, new, at, by) - cost;
                if fits > best {
                    (best, distance) = (fits, Some(by));
                }
            }
        };
        for by in recent {
            consider(*by, SWITCH_COST);
        }
        if at + 8 <= new.len() {
            let word = load(new, at);
            let mut entry = self.head[self.slot(word)];
            for _ in 0..CHAIN_MAX {
                let Some(found) = entry.checked_sub(1) else { break };
                let place = found as usize * self.step;
                if load(old, place) == word {
                    consider(place as isize - at as isize, SWITCH_COST + 2);
                }
                entry = self.chain[found as usize];
            }
        }
        (best, distance)
    }
}

/// Moves each border back to where the later distance begins to fit better than the earlier one.
fn settle_borders(stretches: &[Stretch], old: &[u8], new: &[u8]) -> Vec<Stretch> {
    let fits = |at: usize, by: isize| {
        from(old, at, by).and_then(|rest| rest.first()).is_some_and(|byte| *byte == new[at])
    };
    let mut settled: Vec<Stretch> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        let mut start = stretch.start;
        if let (Some(before), Some(by)) = (settled.last().copied(), stretch.distance) {
            let (mut gain, mut best) = (0, 0);
            let floor = before.start.max(start.saturating_sub(BORDER_BYTES_MAX));
            for at in (floor..stretch.start).rev() {
                if from(old, at, by).is_none() {
                    break;
                }
                let here = fits(at, by);
                gain += match before.distance {
                    Some(earlier) => i32::from(here) - i32::from(fits(at, earlier)),
                    // New bytes cost all; kept ones only where they differ.
                    None => 2 * i32::from(here) - 1,
                };
                if gain > best || (gain == best && here) {
                    (best, start) = (gain, at);
                }
                if gain < best - 16 {
                    break;
                }
            }
            if start <= before.start {
                settled.pop();
            }
        }
        settled.push(Stretch { start, distance: stretch.distance });
    }
    settled
}

fn operations(stretches: &[Stretch], old_length: usize, new_length: usize) -> Vec<Op> {
    let (mut ops, mut insert) = (Vec::new(), 0);
    for (place, stretch) in stretches.iter().enumerate() {
        let end = stretches.get(place + 1).map_or(new_length, |next| next.start);
        let start = stretch.start;
        if end <= start {
            continue;
        }
        // Only what the old content has at this distance.
        let inside = stretch.distance.and_then(|by| {
            let first = start.max(by.min(0).unsigned_abs());
            let behind = usize::try_from(old_length as isize - by).unwrap_or(0).min(end);
            (first < behind).then_some((first, behind, by))
        });
        let Some((first, behind, by)) = inside else {
            insert += end - start;
            continue;
        };
        let from = usize::try_from(first as isize + by).unwrap_or_default();
        ops.push(Op { insert: insert + first - start, from, copy: behind - first });
        insert = end - behind;
    }
    if insert > 0 {
        ops.push(Op { insert, from: 0, copy: 0 });
    }
    ops
}

/// The old content from where `at` lies at this distance, if that is in it.
fn from(old: &[u8], at: usize, by: isize) -> Option<&[u8]> {
    let place = at.checked_add_signed(by)?;
    (place < old.len()).then(|| &old[place..])
}

/// How many bytes of the window at `at` fit at this distance; less than none when it lies outside.
fn fit(old: &[u8], new: &[u8], at: usize, by: isize) -> i32 {
    let Some(old) = from(old, at, by) else { return -1 };
    let new = &new[at..];
    let length = old.len().min(new.len()).min(WINDOW);
    let words = length / 8 * 8;
    let mut fits = 0;
    for at in (0..words).step_by(8) {
        fits += zero_bytes(load(old, at) ^ load(new, at));
    }
    for at in words..length {
        fits += u32::from(old[at] == new[at]);
    }
    fits as i32
}

fn zero_bytes(word: u64) -> u32 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let carried = (word & LOW) + LOW;
    (!(carried | word | LOW)).count_ones()
}

fn load(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// How many bytes two slices have in common from their beginning.
pub(crate) fn common(a: &[u8], b: &[u8]) -> usize {
    let length = a.len().min(b.len());
    let mut at = 0;
    while at + 8 <= length {
        let differ = load(a, at) ^ load(b, at);
        if differ != 0 {
            return at + differ.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while at < length && a[at] == b[at] {
        at += 1;
    }
    at
}

//! What is likely to have changed in a kept piece of an old file: its words, read beside those of the new file.
//!
//! Executables differ in tables of numbers: addresses that moved by the same distance, indices that were renumbered, checksums of
//! interfaces. So each 32-bit word of the old content is a question with a few likely answers, asked in turn: what this word became
//! the last time, after the same neighbour or anywhere; moved as far as its peer one table row before; unchanged; moved as far as the
//! last word that moved. Only what none of them knows is spelt out.

use crate::range::{Chance, Coder, EVEN};

/// Words that are remembered: more would save one byte in a hundred and cost the host half as much again, out of its cache.
const MEMORY_BITS: u32 = 16;
const _: () = assert!(
    MEMORY_BITS >= 16,
    "what `Memory::rest` keeps of a key and its place must be all of it"
);
/// Most debug and relocation tables have rows of 24 bytes or a divisor of it: the peer is six words back.
const ROW_WORDS: usize = 6;
const CONFIDENCE_MAX: u8 = 7;
/// Numbers that describe operations: which one it is decides which experience counts.
const NUMBER_KINDS: usize = 6;
/// No length or distance has more binary digits: pieces are far smaller.
const NUMBER_BITS_MAX: u32 = 40;

/// Which number of an operation is coded.
#[derive(Clone, Copy)]
pub(crate) enum Number {
    Insert,
    Copy,
    Seek,
    Phase,
}

/// What a word became before.
#[derive(Clone, Copy, Default)]
struct Memory {
    became: u32,
    /// Of the key what its place does not tell: so it stays small enough for the host's cache.
    rest: u16,
    confidence: u8,
}

impl Memory {
    fn recall(self, key: u32) -> Option<(u32, u8)> {
        (self.confidence > 0 && self.rest == rest_of(key)).then_some((self.became, self.confidence))
    }

    fn learn(&mut self, key: u32, became: u32) {
        if self.recall(key).is_none() {
            *self = Self { became, rest: rest_of(key), confidence: 1 };
        } else if self.became == became {
            self.confidence = (self.confidence + 1).min(CONFIDENCE_MAX);
        } else if self.confidence > 2 {
            self.confidence /= 2;
        } else {
            (self.became, self.confidence) = (became, 1);
        }
    }
}

/// Everything that was learned in a group so far.
pub(crate) struct Model {
    after_neighbour: Vec<Memory>,
    anywhere: Vec<Memory>,
    block: [Chance; 8],
    first_guess: Vec<Chance>,
    next_guess: Vec<Chance>,
    byte_kept: Vec<Chance>,
    byte: Vec<Chance>,
    number: Vec<Chance>,
}

/// Where in a kept piece the coder is, and what happened just before.
#[derive(Default)]
pub(crate) struct Trail {
    hits: u32,
    before: u32,
    moved: [u32; 8],
    at: usize,
    last_move: u32,
    blocks: usize,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            after_neighbour: vec![Memory::default(); 1 << MEMORY_BITS],
            anywhere: vec![Memory::default(); 1 << MEMORY_BITS],
            block: [EVEN; 8],
            first_guess: vec![EVEN; 4 * 8 * 8 * 8],
            next_guess: vec![EVEN; 4 * 4 * 8 * 4],
            byte_kept: vec![EVEN; 64],
            byte: vec![EVEN; 5 * 256],
            number: vec![EVEN; NUMBER_KINDS * 64 * 64],
        }
    }

    /// Whether a whole block stayed as it was.
    #[inline]
    pub(crate) fn block_kept<C: Coder>(
        &mut self,
        coder: &mut C,
        trail: &mut Trail,
        kept: bool,
    ) -> bool {
        let kept = coder.bit(&mut self.block[trail.blocks & 7], kept);
        trail.blocks = trail.blocks << 1 | usize::from(kept);
        kept
    }

    /// A length or distance: how many binary digits, then these.
    pub(crate) fn number<C: Coder>(&mut self, coder: &mut C, kind: Number, value: u64) -> u64 {
        let base = kind as usize * 64 * 64;
        let value = value + 1;
        let digits = 63 - value.leading_zeros();
        let mut count = 0;
        while count < NUMBER_BITS_MAX
            && coder.bit(&mut self.number[base + count as usize], count < digits)
        {
            count += 1;
        }
        let mut found = 1_u64;
        for digit in (0..count).rev() {
            // The first digits below the highest are worth learning, the rest is noise.
            let done = count - digit;
            let context = if done <= 3 { (found & 7) as usize + 8 * done as usize } else { 40 };
            let place = base + 64 + count as usize * 48 + context;
            found =
                found << 1 | u64::from(coder.bit(&mut self.number[place], value >> digit & 1 == 1));
        }
        found - 1
    }

    /// One byte, from its highest digit; `kind` says whose experience counts.
    pub(crate) fn byte<C: Coder>(&mut self, coder: &mut C, kind: usize, value: u8) -> u8 {
        let mut node = 1_usize;
        for digit in (0..8).rev() {
            let bit = coder.bit(&mut self.byte[kind * 256 + node], value >> digit & 1 == 1);
            node = node << 1 | usize::from(bit);
        }
        node as u8
    }

    /// Reads what is remembered of the next words, all at once: asked for one after the other, each would wait for the one before.
    #[inline]
    pub(crate) fn look_ahead(&self, trail: &Trail, words: impl Iterator<Item = u32>) {
        let (mut before, mut seen) = (trail.before, 0);
        for old in words {
            let (near, far) = (place_of(pair_key(old, before)), place_of(word_key(old)));
            seen ^= self.after_neighbour[near].became ^ self.anywhere[far].became;
            before = old;
        }
        std::hint::black_box(seen);
    }

    /// What the old word `old` became.
    pub(crate) fn word<C: Coder>(
        &mut self,
        coder: &mut C,
        trail: &mut Trail,
        old: u32,
        new: u32,
    ) -> u32 {
        let pair = pair_key(old, trail.before);
        let single = word_key(old);
        let (near, far) = (place_of(pair), place_of(single));
        let after_neighbour = self.after_neighbour[near].recall(pair);
        let anywhere = self.anywhere[far].recall(single);
        let row = trail.moved[(trail.at + trail.moved.len() - ROW_WORDS) % trail.moved.len()];
        let like_peer = old.wrapping_add(row);
        let (guess, source, confidence) = match (after_neighbour, anywhere) {
            (Some((word, confidence)), _) => (word, 2, confidence),
            (None, Some((word, confidence))) => (word, 1, confidence),
            (None, None) if row != 0 => (like_peer, 3, 1),
            (None, None) => (old, 0, 1),
        };
        let hits = (trail.hits & 7) as usize;
        let agree = usize::from(guess == old)
            + 2 * usize::from(guess == like_peer)
            + 4 * usize::from(anywhere.is_some_and(|(word, _)| word == guess));
        let context = ((source * 8 + usize::from(confidence)) * 8 + hits) * 8 + agree;
        let is_hit = coder.bit(&mut self.first_guess[context], new == guess);
        let word = if is_hit {
            guess
        } else {
            let others = [
                anywhere.map_or(guess, |(word, _)| word),
                like_peer,
                old,
                old.wrapping_add(trail.last_move),
            ];
            self.other_guess(coder, guess, others, source * 8 + hits, new)
                .unwrap_or_else(|| self.spelt(coder, old, new))
        };
        self.after_neighbour[near].learn(pair, word);
        self.anywhere[far].learn(single, word);
        trail.pass(old, word, is_hit);
        word
    }

    /// The further guesses in turn, none of them twice.
    fn other_guess<C: Coder>(
        &mut self,
        coder: &mut C,
        refused: u32,
        others: [u32; 4],
        context: usize,
        new: u32,
    ) -> Option<u32> {
        for (place, guess) in others.into_iter().enumerate() {
            if guess == refused || others[..place].contains(&guess) {
                continue;
            }
            let place = (place * 32 + context) * 4;
            if coder.bit(&mut self.next_guess[place], new == guess) {
                return Some(guess);
            }
        }
        None
    }

    /// A word that nobody foresaw: which of its bytes stayed, and by how much the others differ.
    fn spelt<C: Coder>(&mut self, coder: &mut C, old: u32, new: u32) -> u32 {
        let (old, new) = (old.to_le_bytes(), new.to_le_bytes());
        let (mut word, mut kept) = (old, 0_usize);
        for place in 0..4 {
            let context = place * 16 + (kept & 7) * 2 + usize::from(old[place] == 0);
            let stays = coder.bit(&mut self.byte_kept[context], new[place] == old[place]);
            kept = kept << 1 | usize::from(stays);
            if !stays {
                let by = self.byte(coder, place, new[place].wrapping_sub(old[place]));
                word[place] = old[place].wrapping_add(by);
            }
        }
        u32::from_le_bytes(word)
    }
}

impl Trail {
    fn pass(&mut self, old: u32, new: u32, is_hit: bool) {
        let moved = new.wrapping_sub(old);
        let places = self.moved.len();
        self.moved[self.at % places] = moved;
        self.at += 1;
        if moved != 0 {
            self.last_move = moved;
        }
        self.before = old;
        self.hits = self.hits << 1 | u32::from(is_hit);
    }
}

fn word_key(word: u32) -> u32 {
    word.wrapping_mul(0x9e37_79b1)
}

fn pair_key(word: u32, before: u32) -> u32 {
    (word_key(word) ^ before.rotate_left(15).wrapping_mul(0x85eb_ca6b)).wrapping_mul(0xc2b2_ae35)
}

fn place_of(key: u32) -> usize {
    (key >> (32 - MEMORY_BITS)) as usize
}

const fn rest_of(key: u32) -> u16 {
    (key & 0xffff) as u16
}

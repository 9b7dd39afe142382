//! Binary range coding with adaptive probabilities: an event that was often so costs little when it is so again.
//!
//! The carry-propagating coder that LZMA made known. Encoder and decoder sit behind [`Coder`], so that a model is written once and
//! cannot differ between the two.

/// How fast a probability follows what happens.
const RATE: u32 = 5;
/// Below this the range is refilled.
const TOP: u32 = 1 << 24;
/// Half: nothing is known yet.
pub(crate) const EVEN: u16 = 1 << 15;

/// A probability of "yes" in 65536ths.
pub(crate) type Chance = u16;

/// Codes one yes or no: the encoder writes `bit` and returns it, the decoder ignores it and returns what was written.
pub(crate) trait Coder {
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> bool;
}

pub(crate) struct Encoder {
    low: u64,
    range: u32,
    cache: u8,
    pending: u64,
    out: Vec<u8>,
}

impl Encoder {
    pub(crate) const fn new() -> Self {
        Self { low: 0, range: u32::MAX, cache: 0, pending: 1, out: Vec::new() }
    }

    /// Bytes written so far, some more may be on their way.
    pub(crate) fn len(&self) -> usize {
        self.out.len() + usize::try_from(self.pending).unwrap_or_default()
    }

    fn shift(&mut self) {
        if self.low < 0xff00_0000 || self.low > u64::from(u32::MAX) {
            let carry = (self.low >> 32) as u8;
            self.out.push(self.cache.wrapping_add(carry));
            for _ in 1..self.pending {
                self.out.push(0xff_u8.wrapping_add(carry));
            }
            self.pending = 0;
            self.cache = (self.low >> 24) as u8;
        }
        self.pending += 1;
        self.low = (self.low & 0x00ff_ffff) << 8;
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        for _ in 0..5 {
            self.shift();
        }
        self.out
    }
}

impl Coder for Encoder {
    #[inline]
    fn bit(&mut self, chance: &mut Chance, bit: bool) -> bool {
        let bound = (self.range >> 16) * u32::from(*chance);
        if bit {
            self.range = bound;
            *chance += (u16::MAX - *chance) >> RATE;
        } else {
            self.low += u64::from(bound);
            self.range -= bound;
            *chance -= *chance >> RATE;
        }
        while self.range < TOP {
            self.range <<= 8;
            self.shift();
        }
        bit
    }
}

pub(crate) struct Decoder<'a> {
    code: u32,
    range: u32,
    input: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(input: &'a [u8]) -> Self {
        let mut decoder = Self { code: 0, range: u32::MAX, input, at: 1 };
        for _ in 0..4 {
            decoder.code = decoder.code << 8 | u32::from(decoder.next());
        }
        decoder
    }

    /// Behind the end come zeros: what is made of them has the wrong digest.
    #[inline]
    fn next(&mut self) -> u8 {
        let byte = self.input.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }
}

impl Coder for Decoder<'_> {
    #[inline]
    fn bit(&mut self, chance: &mut Chance, _: bool) -> bool {
        let bound = (self.range >> 16) * u32::from(*chance);
        let bit = self.code < bound;
        if bit {
            self.range = bound;
            *chance += (u16::MAX - *chance) >> RATE;
        } else {
            self.code -= bound;
            self.range -= bound;
            *chance -= *chance >> RATE;
        }
        while self.range < TOP {
            self.range <<= 8;
            self.code = self.code << 8 | u32::from(self.next());
        }
        bit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_habits_are_cheap() {
        let bits: Vec<bool> = (0..100_000_u32).map(|n| n % 97 == 0).collect();
        let (mut encoder, mut chance) = (Encoder::new(), EVEN);
        for bit in &bits {
            encoder.bit(&mut chance, *bit);
        }
        let bytes = encoder.finish();
        assert!(bytes.len() < 100_000 / 8 / 6, "{} bytes", bytes.len());
        let (mut decoder, mut chance) = (Decoder::new(&bytes), EVEN);
        assert!(bits.iter().all(|bit| decoder.bit(&mut chance, false) == *bit));
    }
}

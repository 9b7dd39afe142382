//! Old and new content of several kinds, there and back; and what is not a delta.

use proptest::prelude::*;
use refit_delta::{
    DeltaError, GroupReader, GroupWriter, Matcher,
    patch::{self, Patch},
};

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(step).collect()
}

/// A table of addresses as relocations have it, moved by `by`, with renumbered symbols.
fn table(rows: u64, by: u64, symbol: u64) -> Vec<u8> {
    let row = |n: u64| {
        [0x1000 + n * 0x35 + if n > rows / 3 { by } else { 0 }, 2 | (n % 50 + symbol) << 32, n % 7]
    };
    (0..rows).flat_map(row).flat_map(u64::to_le_bytes).collect()
}

fn group(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let (mut writer, mut matcher) = (GroupWriter::new(), Matcher::new());
    for (old, new) in pairs {
        let ops = matcher.ops(old, new);
        assert_eq!(ops.iter().map(|op| op.insert + op.copy).sum::<usize>(), new.len());
        writer.add(old, new, &ops);
    }
    writer.finish().unwrap()
}

fn read(group: &[u8], pairs: &[(Vec<u8>, Vec<u8>)]) -> Result<Vec<Vec<u8>>, DeltaError> {
    let mut reader = GroupReader::new(group)?;
    pairs
        .iter()
        .map(|(old, new)| {
            let mut made = Vec::new();
            reader.piece(old, new.len() as u64, &mut made)?;
            Ok(made)
        })
        .collect()
}

fn returns(pairs: &[(Vec<u8>, Vec<u8>)]) -> usize {
    let group = group(pairs);
    for (made, (_, new)) in read(&group, pairs).unwrap().iter().zip(pairs) {
        assert!(made == new);
    }
    group.len()
}

#[test]
fn moved_addresses_cost_next_to_nothing() {
    let pair = (table(4_000, 0, 1), table(4_000, 0x10, 9));
    let bytes = returns(std::slice::from_ref(&pair));
    let patch = patch::make(&pair.0, &pair.1, 19).unwrap().len();
    assert!(
        bytes * 20 < pair.1.len() && bytes * 3 < patch,
        "{bytes} of {}, zstd {patch}",
        pair.1.len()
    );
}

#[test]
fn what_one_file_taught_helps_the_next() {
    let renumbered = |seed| {
        let ids: Vec<u32> = noise(seed, 8_000).iter().map(|id| u32::from(*id)).collect();
        // The same for all files, and no arithmetic leads there.
        let new = |id: u32| id.wrapping_mul(0x9e37_79b1) >> 12;
        let rows = |become_of: &dyn Fn(u32) -> u32| -> Vec<u8> {
            let row = |(n, id): (u32, u32)| [become_of(1_000 + id), 7, n];
            (0..).zip(ids.clone()).flat_map(row).flat_map(u32::to_le_bytes).collect()
        };
        (rows(&|id| id), rows(&new))
    };
    let (first, second) = (renumbered(1), renumbered(2));
    let alone = returns(std::slice::from_ref(&first));
    let both = returns(&[first, second]);
    assert!(both - alone < alone / 3, "{alone} for one, {both} for two");
}

#[test]
fn inserted_removed_and_swapped_parts_are_found() {
    let old = noise(1, 300_000);
    let mut new = old.clone();
    new.splice(100_000..100_050, noise(2, 777));
    new.drain(5..20);
    new.rotate_left(150_000);
    let bytes = returns(&[(old, new)]);
    assert!(bytes < 1_500, "{bytes}");
}

#[test]
fn extremes_return() {
    let some = noise(3, 5_000);
    let zeros = vec![0; 100_000];
    returns(&[
        (Vec::new(), Vec::new()),
        (Vec::new(), some.clone()),
        (some.clone(), Vec::new()),
        (some.clone(), some.clone()),
        (zeros.clone(), some.clone()),
        (some, zeros),
        (vec![1], vec![2]),
        (vec![1, 2, 3, 4, 5, 6, 7], vec![2, 3, 4, 5, 6, 7, 8, 9]),
    ]);
}

#[test]
fn patch_returns_in_pieces_and_not_more_than_it_has() {
    let (old, mut new) = (noise(4, 100_000), noise(4, 100_000));
    new.rotate_left(40_000);
    let frame = patch::make(&old, &new, 9).unwrap();
    assert!(frame.len() < 1_000);
    let (mut made, mut patch) = (Vec::new(), Patch::new(&old, &frame).unwrap());
    patch.next(70_000, &mut made).unwrap();
    patch.next(30_000, &mut made).unwrap();
    assert!(made == new);
    assert!(patch.next(1, &mut made).is_err());
}

/// A sink that notices when more comes than was asked for.
#[derive(Default)]
struct Counted(u64);

impl std::io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn anything_returns(old in proptest::collection::vec(0_u8..4, 0..3_000), seed in any::<u64>(), cut in 0_usize..3_000, length in 0_usize..200) {
        let mut new = old.clone();
        let cut = cut.min(new.len());
        let end = (cut + length / 2).min(new.len());
        new.splice(cut..end, noise(seed, length));
        new.rotate_left(cut);
        returns(&[(old.clone(), new.clone()), (new, old)]);
    }

    #[test]
    fn rubbish_ends_and_gives_no_more_than_was_asked_for(seed in any::<u64>(), length in 0_usize..2_000, flip in 0_usize..2_000) {
        let old = noise(seed, 3_000);
        let mut new = old.clone();
        new.splice(50..60, noise(seed ^ 1, 500));
        let mut damaged = group(&[(old.clone(), new.clone())]);
        let at = flip % damaged.len();
        damaged[at] ^= 1 << (flip % 8);
        for bytes in [damaged, noise(seed ^ 2, length)] {
            let mut counted = Counted::default();
            let Ok(mut reader) = GroupReader::new(&bytes) else { continue };
            let _ = reader.piece(&old, new.len() as u64, &mut counted);
            prop_assert!(counted.0 <= new.len() as u64);
            if let Ok(mut patch) = Patch::new(&old, &bytes) {
                let mut counted = Counted::default();
                let _ = patch.next(3_000, &mut counted);
                prop_assert!(counted.0 <= 3_000);
            }
        }
    }
}

//! Whatever stands in a file: no reader falls over it, and no row of a table is lost without a word.

use super::{csv, document, encoding, mapped, words};
use crate::commands::fleet::import::{Source, ansible};
use proptest::prelude::*;
use std::collections::BTreeSet;

const HEADER: &str = "name,site,role,criticality\n";

/// Rows that are in the source or in its faults.
fn told(source: &Source) -> BTreeSet<usize> {
    let taken = source.places.values().map(|place| place.order);
    taken.chain(source.faults.iter().map(|(place, _)| place.order)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_a_reader_fall(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        text in "[\"',;:{}\\[\\]\r\n \ta-c0-9é\u{feff}-]{0,160}",
    ) {
        let _ = encoding::decode(bytes);
        for text in [format!("{HEADER}{text}"), text] {
            let _ = csv::read(&text, &words());
            let _ = document::read(&text, &words());
            let _ = ansible::read(&text, &mapped(&[]), &words());
        }
    }

    #[test]
    fn every_row_is_taken_or_named(
        rows in proptest::collection::vec("[a-c1\", ;.é-]{0,16}|[a-c]{1,3},north,app,(low|high|)", 1..12),
        windows in any::<bool>(),
    ) {
        let end = if windows { "\r\n" } else { "\n" };
        let text = format!("{HEADER}{}", rows.join(end));
        let Ok(source) = csv::read(&text, &words()) else {
            let says_something = |row: &&String| row.contains(|c: char| c.is_alphanumeric());
            prop_assert!(!rows.iter().any(|row| says_something(&row)), "{text}");
            return Ok(());
        };
        let told = told(&source);
        // What follows a quote that nobody closed belongs to the row that began it.
        let faulty = |row: usize| source.faults.iter().any(|(place, _)| place.order == row);
        let swallowed = |at: usize| (0..at).any(|row| rows[row].contains('"') && faulty(row + 2));
        for (at, row) in rows.iter().enumerate() {
            let says_something = row.contains(|c: char| c.is_alphanumeric());
            prop_assert!(!says_something || told.contains(&(at + 2)) || swallowed(at), "row {} `{row}` of {text:?}: {told:?}", at + 2);
        }
        prop_assert!(told.iter().all(|row| (2..rows.len() + 2).contains(row)), "{told:?} of {text:?}");
    }
}

//! What a walk found, for people and programs.

use crate::walk::Tally;
use anyhow::Result;
use std::io::Write as _;

/// Talk.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// The data.
pub(crate) fn json(tallies: &[Tally]) -> Result<()> {
    let mut out = std::io::stdout();
    serde_json::to_writer_pretty(&mut out, tallies)?;
    Ok(writeln!(out)?)
}

/// One line of data.
pub(crate) fn data(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// The table's head.
pub(crate) fn head() {
    let mut out = std::io::stdout();
    let _ = writeln!(
        out,
        "{:<28}{:>8}{:>9}{:>8}{:>7}{:>8}{:>6}{:>6}{:>7}",
        "kind", "points", "journal", "killed", "again", "missed", "old", "new", "wrong"
    );
}

/// A row, the calls that were cut off, and what was wrong.
pub(crate) fn row(tally: &Tally) {
    let mut out = std::io::stdout();
    let Tally { kind, points, journal, killed, missed, killed_again, old, new, wrong, .. } = tally;
    let _ = writeln!(
        out,
        "{kind:<28}{points:>8}{journal:>9}{killed:>8}{killed_again:>7}{missed:>8}{old:>6}{new:>6}{:>7}",
        wrong.len()
    );
    let calls = tally.calls.iter().map(|(call, times)| format!("{call} {times}"));
    let _ = writeln!(out, "  cut off: {}", calls.collect::<Vec<_>>().join(", "));
    for wrong in wrong {
        let _ = writeln!(out, "  WRONG: {wrong}");
    }
}

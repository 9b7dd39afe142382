//! What a benchmark prints.

use serde::Serialize;

/// One comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The benchmark.
    pub bench: &'static str,
    /// What was compared.
    pub case: String,
    /// Our median.
    pub ours: f64,
    /// The peer's median.
    pub peer: f64,
    /// Who the peer is.
    pub peer_name: String,
    /// What both are measured in.
    pub unit: &'static str,
    /// Small is good.
    pub ratio: f64,
    /// The ratio to stay under.
    pub goal: f64,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Time, bytes, memory.
    Less,
    /// Rates.
    More,
}

impl Row {
    /// Compares the medians of two series.
    #[must_use]
    pub fn compare(
        (bench, case): (&'static str, &str),
        better: Better,
        (ours, peer): (&[f64], &[f64]),
        peer_name: &str,
        unit: &'static str,
        goal: f64,
    ) -> Self {
        let (ours, peer) = (median(ours), median(peer));
        let ratio = if better == Better::Less { ours / peer } else { peer / ours };
        Self {
            bench,
            case: case.to_owned(),
            ours,
            peer,
            peer_name: peer_name.to_owned(),
            unit,
            ratio,
            goal,
        }
    }
}

/// The middle of a series; the mean of the two middle ones of an even series.
#[must_use]
pub fn median(series: &[f64]) -> f64 {
    let mut sorted = series.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Prints rows as a table, or as one JSON array.
#[expect(clippy::print_stdout, reason = "the benchmark's data go to standard output")]
pub fn print(rows: &[Row], json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(rows)?);
        return Ok(());
    }
    println!(
        "{:<10} {:<34} {:>12} {:>12} {:<22} {:>8} {:>6}  peer",
        "bench", "case", "ours", "peer", "unit", "ratio", "goal"
    );
    for row in rows {
        let mark = if row.ratio <= row.goal { "ok" } else { "over" };
        println!(
            "{:<10} {:<34} {:>12.1} {:>12.1} {:<22} {:>8.4} {:>6} {mark} {}",
            row.bench, row.case, row.ours, row.peer, row.unit, row.ratio, row.goal, row.peer_name
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_ratio_is_good_both_ways() {
        let less = Row::compare(("b", "c"), Better::Less, (&[1.0], &[10.0]), "p", "s", 0.1);
        let more = Row::compare(("b", "c"), Better::More, (&[10.0], &[1.0]), "p", "1/s", 0.1);
        assert!((less.ratio - 0.1).abs() < 1e-9 && (more.ratio - 0.1).abs() < 1e-9);
    }

    #[test]
    fn median_of_even_and_odd_series() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }
}

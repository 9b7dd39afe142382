//! Times as people type them: `90s`, `15m`, `2h`, `3d`, `500ms`.

use std::time::Duration;

const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a whole number with its unit. clap prints the error behind the argument's name.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let wrong = || format!("`{text}` is not a whole number with one of the units ms, s, m, h, d");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    number.checked_mul(*ms).map(Duration::from_millis).ok_or_else(wrong)
}

/// Milliseconds for people: `850 ms`, `12.3 s`, `4 m 05 s`.
pub(crate) fn text(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} m {:02} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_without_unit_is_refused() {
        assert_eq!(parse("3d"), Ok(Duration::from_secs(3 * 86_400)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        for text in ["3", "d", "", "3 d", "-1s", "99999999999999999999s"] {
            assert!(parse(text).is_err(), "{text} was accepted");
        }
    }
}

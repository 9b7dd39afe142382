//! Zones by their IANA name, from the data built into the program.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::LazyLock;

/// Built in, so that server, command line and tests agree whatever the machine has installed.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Below this likeness a suggestion would be a guess.
const LIKENESS_MIN: f64 = 0.85;

/// The zone of exactly this name, or the name that was probably meant.
///
/// Other spellings (`europe/berlin`) are no zone: other calendars would not know them.
pub(crate) fn zone(name: &str) -> Result<TimeZone, Option<String>> {
    match ZONES.get(name) {
        Ok(zone) if zone.iana_name() == Some(name) => Ok(zone),
        _ => Err(suggestion(name)),
    }
}

fn suggestion(name: &str) -> Option<String> {
    let wanted = name.to_lowercase().replace(' ', "_");
    let likeness = |zone: &str| {
        let zone = zone.to_lowercase();
        let city = zone.rsplit('/').next().unwrap_or(&zone);
        let whole = strsim::jaro_winkler(&wanted, &zone);
        if wanted.contains('/') { whole } else { whole.max(strsim::jaro_winkler(&wanted, city)) }
    };
    let candidates = ZONES.available().map(|zone| (likeness(zone.as_str()), zone.to_string()));
    let best = candidates.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(likeness, _)| *likeness >= LIKENESS_MIN).map(|(_, zone)| zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spelling_is_suggested_not_taken() {
        for (wrong, meant) in [
            ("Europe/Berln", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("America/New York", "America/New_York"),
        ] {
            assert_eq!(zone(wrong).unwrap_err().as_deref(), Some(meant), "{wrong}");
        }
        for nonsense in ["zzzz", "Mars/Base"] {
            assert_eq!(zone(nonsense).unwrap_err(), None, "{nonsense}");
        }
        assert!(zone("Europe/Berlin").is_ok());
    }
}

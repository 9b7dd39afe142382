//! Numbers, moments and texts of people, as they stand in documents.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Longest text of one cell: a reason of the planner fits; a novel is cut.
pub(crate) const CELL_CHARS_MAX: usize = 400;

/// One line, without control characters and what turns text around, not endless.
pub(crate) fn clean(text: &str, chars_max: usize) -> String {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let plain = |c: char| if harmful(c) { ' ' } else { c };
    let mut short: String = text.chars().map(plain).take(chars_max).collect();
    if text.chars().nth(chars_max).is_some() {
        short.push('…');
    }
    short.trim().to_owned()
}

/// `Thu 26 Nov 2026 20:00`.
pub(crate) fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %-d %b %Y %H:%M").to_string()
}

/// `26 Nov 20:00`, for narrow columns.
pub(crate) fn short_moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %-d %b %H:%M").to_string()
}

/// `20:00`.
pub(crate) fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M").to_string()
}

/// `Thu 26 Nov 2026`.
pub(crate) fn day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %-d %b %Y").to_string()
}

/// `Thu 26 Nov 2026 20:00 to 23:30`, or both in full when they are on different days.
pub(crate) fn span(from: Timestamp, to: Timestamp, zone: &TimeZone) -> String {
    let same = day(from, zone) == day(to, zone);
    let end = if same { clock(to, zone) } else { moment(to, zone) };
    format!("{} to {end}", moment(from, zone))
}

/// A planner's sentence, whose moments are in UTC, with those of the paper.
pub(crate) fn told(text: &str, zone: &TimeZone) -> String {
    let word = |word: &str| {
        let moment_of = word.trim_matches([' ', ',', ';', ':', '.', '(', ')']);
        match moment_of.parse::<Timestamp>() {
            Ok(at) => word.replacen(moment_of, &moment(at, zone), 1),
            Err(_) => word.to_owned(),
        }
    };
    text.split_inclusive(' ').map(word).collect()
}

/// What a zone is called.
pub(crate) fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().unwrap_or("UTC").to_owned()
}

/// A duration of the rehearsal.
pub(crate) fn signed(ms: i64) -> String {
    refit_names::span(u64::try_from(ms).unwrap_or(0))
}

/// `a, b and c`; a dash for nobody.
pub(crate) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let mut all: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let last = all.pop();
    match (all.is_empty(), last) {
        (_, None) => "–".to_owned(),
        (true, Some(last)) => last,
        (false, Some(last)) => format!("{} and {last}", all.join(", ")),
    }
}

/// `working hours` for `working-hours`.
pub(crate) fn words(text: &impl ToString) -> String {
    text.to_string().replace('-', " ")
}

/// With a large first letter.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_people_loses_what_turns_lines_around() {
        assert_eq!(clean("a\nb\u{202e}c\u{0}", 10), "a b c");
        assert_eq!(clean("abcdef", 3), "abc…");
    }

    #[test]
    fn lists_end_with_and() {
        assert_eq!(list(["a", "b", "c"]), "a, b and c");
        assert_eq!(list(Vec::<String>::new()), "–");
    }

    #[test]
    fn moments_of_a_sentence_are_those_of_the_paper() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(
            told("pinned to 2026-03-07T21:00:00Z; window sat (of 2 h) opens then", &zone),
            "pinned to Sat 7 Mar 2026 22:00; window sat (of 2 h) opens then"
        );
    }
}

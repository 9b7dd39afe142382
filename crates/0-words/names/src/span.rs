/// A duration in its two largest units: `850 ms`, `1.5 s`, `40 s`, `1 h 30 min`, `42 d 23 h`; what is smaller is left out.
#[must_use]
pub fn span(ms: u64) -> String {
    let (seconds, tenths) = (ms / 1_000, ms % 1_000 / 100);
    match seconds {
        0 => format!("{ms} ms"),
        1..10 if tenths > 0 => format!("{seconds}.{tenths} s"),
        1..60 => format!("{seconds} s"),
        60..3_600 => pair(seconds, 60, "min", "s"),
        3_600..86_400 => pair(seconds / 60, 60, "h", "min"),
        _ => pair(seconds / 3_600, 24, "d", "h"),
    }
}

fn pair(small: u64, factor: u64, large_unit: &str, small_unit: &str) -> String {
    match (small / factor, small % factor) {
        (large, 0) => format!("{large} {large_unit}"),
        (large, rest) => format!("{large} {large_unit} {rest} {small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_largest_units_tell_a_duration() {
        let minutes = |minutes: u64| span(minutes * 60_000);
        assert_eq!(
            [0, 999, 1_099, 9_950, 59_999].map(span),
            ["0 ms", "999 ms", "1 s", "9.9 s", "59 s"]
        );
        assert_eq!(
            (minutes(1), minutes(90), minutes(360)),
            ("1 min".into(), "1 h 30 min".into(), "6 h".into())
        );
        assert_eq!((minutes(1_440), minutes(61_875)), ("1 d".into(), "42 d 23 h".into()));
    }
}

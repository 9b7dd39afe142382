//! Spans of time as people say them.

/// `90000` → `1 min 30 s`: the two largest parts.
pub(crate) fn span_ms(ms: u64) -> String {
    const PARTS: [(&str, u64); 4] =
        [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)];
    let mut rest = ms;
    let mut told = vec![];
    for (name, size) in PARTS {
        if rest >= size && told.len() < 2 {
            told.push(format!("{} {name}", rest / size));
            rest %= size;
        } else if !told.is_empty() {
            break;
        }
    }
    if told.is_empty() { format!("{ms} ms") } else { told.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::span_ms;

    #[test]
    fn spans_are_told_by_their_two_largest_parts() {
        let told = [0, 999, 90_000, 86_400_000, 90_061_000, 3_600_000].map(span_ms);
        assert_eq!(told, ["0 ms", "999 ms", "1 min 30 s", "1 d", "1 d 1 h", "1 h"]);
    }
}

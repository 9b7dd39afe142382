//! Names that some file systems take for one: those that differ only by case, or only by how their letters are composed.

use unicode_normalization::UnicodeNormalization;

/// What two paths have in common that some file system takes for one.
#[must_use]
pub fn merged(path: &str) -> String {
    path.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// How two paths with the same [`merged`] form differ, and what to do when that is meant, as the end of a sentence.
#[must_use]
pub fn difference(path: &str, twin: &str) -> String {
    let only = if path.to_lowercase() == twin.to_lowercase() || path.is_ascii() {
        "only by upper and lower case"
    } else {
        "only by case or by how its letters are composed"
    };
    format!(
        "differs from `{twin}` {only}; if every host tells them apart: `requirements: {{ case_sensitive: true }}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_are_merged_and_nothing_else() {
        assert_eq!(merged("net/xt_DSCP.ko"), merged("net/xt_dscp.ko"));
        assert_eq!(merged("caf\u{e9}"), merged("CAFE\u{301}"));
        assert_ne!(merged("a-b"), merged("a_b"));
        assert!(difference("caf\u{e9}", "cafe\u{301}").contains("composed"));
        assert!(difference("A", "a").contains("upper and lower case"));
    }
}

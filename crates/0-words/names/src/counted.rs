//! Numbers of things in sentences.

/// `1 server`, `2 servers`.
#[must_use]
pub fn counted(number: usize, noun: &str) -> String {
    match (number, noun) {
        (1, _) => format!("1 {noun}"),
        (_, "person") => format!("{number} people"),
        (_, "try") => format!("{number} tries"),
        _ => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_told_as_one() {
        assert_eq!([counted(0, "host"), counted(1, "host")], ["0 hosts", "1 host"]);
        assert_eq!([counted(1, "person"), counted(2, "person")], ["1 person", "2 people"]);
        assert_eq!([counted(1, "try"), counted(2, "try")], ["1 try", "2 tries"]);
    }
}

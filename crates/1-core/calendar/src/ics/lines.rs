//! Content lines: unfolded, with their number, cut into name, parameters and value.

use super::IcsError;

/// `NAME;PARAMETER=x:VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it begins in the file, from 1.
    pub(crate) number: usize,
    /// In capitals.
    pub(crate) name: String,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) value: String,
}

impl Line {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn fault(&self, what: impl Into<String>) -> IcsError {
        IcsError { line: self.number, property: self.name.clone(), what: what.into() }
    }
}

/// Cuts a file into lines; lines that are none become faults.
pub(crate) fn lines(text: &str) -> (Vec<Line>, Vec<IcsError>) {
    let mut whole: Vec<(usize, String)> = Vec::new();
    let mut faults = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()) {
        match (line.strip_prefix([' ', '\t']), whole.last_mut()) {
            (Some(rest), Some((_, last))) => last.push_str(rest),
            _ if line.trim().is_empty() => {}
            _ => whole.push((number, line.to_owned())),
        }
    }
    let mut lines = Vec::new();
    for (number, line) in whole {
        match cut(number, &line) {
            Some(line) => lines.push(line),
            None => faults.push(IcsError {
                line: number,
                property: String::new(),
                what: format!("`{}` is not NAME:VALUE", line.chars().take(60).collect::<String>()),
            }),
        }
    }
    (lines, faults)
}

fn cut(number: usize, line: &str) -> Option<Line> {
    let mut quoted = false;
    let colon = line.find(|c| {
        quoted ^= c == '"';
        c == ':' && !quoted
    })?;
    let (head, value) = line.split_at_checked(colon)?;
    let mut quoted = false;
    let mut parts = head.split(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    let name = parts.next()?.trim().to_ascii_uppercase();
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let mut parameters = Vec::new();
    for part in parts {
        let (key, value) = part.split_once('=')?;
        parameters.push((key.to_ascii_uppercase(), value.trim_matches('"').to_owned()));
    }
    let value = value.strip_prefix(':')?.to_owned();
    plain.then_some(Line { number, name, parameters, value })
}

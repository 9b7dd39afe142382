//! Rules about the text of source files.

use crate::{files, workspace};
use std::path::Path;

/// A source file without its tests stops here.
pub const LINES_MAX: usize = 600;
/// A `main.rs` only wires.
pub const MAIN_LINES_MAX: usize = 40;

/// Files that are too long, each as a sentence.
#[must_use]
pub fn too_long() -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        let is_test = path.contains("/tests/") || path.ends_with("tests.rs");
        let limit = if path.ends_with("/main.rs") { MAIN_LINES_MAX } else { LINES_MAX };
        if !is_test && lines > limit {
            found.push(format!("{path} has {lines} lines without tests, expected at most {limit}"));
        }
    }
    found
}

/// `lib.rs` files without the header that STYLE asks for.
#[must_use]
pub fn without_header() -> Vec<String> {
    sources()
        .into_iter()
        .filter(|(path, text)| {
            path.ends_with("/lib.rs")
                && path.starts_with("crates/")
                && !(text.starts_with("//! ")
                    && text.contains("//! Called by")
                    && text.contains("nvariant"))
        })
        .map(|(path, _)| {
            format!("{path} does not say what it is for, who calls it and its invariants")
        })
        .collect()
}

/// Lines that carry something that the house does not have.
#[must_use]
pub fn forbidden() -> Vec<String> {
    // Put together here so that this file does not match itself.
    let words = [
        ["#[al", "low("].concat(),
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["mod", ".rs"].concat(),
    ];
    let mut found = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(word.as_str())) {
                found.push(format!("{path}:{} has `{word}`", number + 1));
            }
        }
        if path.ends_with(&["/mod", ".rs"].concat()) {
            found.push(format!("{path} is named like that, expected `NAME.rs` beside `NAME/`"));
        }
    }
    found
}

fn sources() -> Vec<(String, String)> {
    let root = workspace();
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    ["crates", "examples"]
        .iter()
        .flat_map(|folder| files(&root.join(folder), ".rs"))
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
            let text = read(&path);
            (name, text)
        })
        .collect()
}

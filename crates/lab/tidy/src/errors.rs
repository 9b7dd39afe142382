//! Error codes and their pages belong together.

use crate::{files, workspace};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Codes that stand in the source: text literals `area.what` inside functions named `code`, in constants named `CODE…`, and
/// where a problem, a cause or an error of the command line is made.
#[must_use]
pub fn codes() -> BTreeSet<String> {
    sources().iter().flat_map(|text| codes_of(text)).collect()
}

/// Those of `pages` that no source file has as a text literal.
#[must_use]
pub fn without_code(pages: &BTreeSet<String>) -> Vec<String> {
    let sources = sources();
    let stands = |page: &str| sources.iter().any(|text| text.contains(&format!("\"{page}\"")));
    pages.iter().filter(|page| !stands(page)).cloned().collect()
}

fn sources() -> Vec<String> {
    let crates = workspace().join("crates");
    let shipped = |path: &PathBuf| !path.starts_with(crates.join("lab")) && !is_test(path);
    let paths = files(&crates, ".rs").into_iter().filter(shipped);
    paths.filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

fn is_test(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

/// Codes that have a page.
#[must_use]
pub fn pages() -> BTreeSet<String> {
    let folder = workspace().join("docs/errors");
    files(&folder, ".md")
        .iter()
        .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .filter(|stem| stem != "README")
        .collect()
}

/// What makes an error of its first argument, a code.
const MAKERS: [&str; 3] = ["CliError::new(", "Problem::new(", "code: \""];

fn codes_of(text: &str) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    let mut depth_of_code_fn: Option<usize> = None;
    let mut depth = 0_usize;
    let mut after_maker = false;
    // Codes that only a test makes up need no page.
    for line in text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")) {
        let starts = line.contains("fn code(") && line.contains("&'static str");
        let constant = line
            .trim_start()
            .trim_start_matches("pub ")
            .trim_start_matches("pub(crate) ")
            .starts_with("const CODE");
        if starts {
            depth_of_code_fn = Some(depth);
        }
        // The code may stand on the line after the maker's bracket.
        let maker = MAKERS.iter().any(|maker| line.contains(maker));
        if depth_of_code_fn.is_some() || constant || maker || after_maker {
            codes.extend(literals(line).filter(|literal| is_code(literal)).map(str::to_owned));
        }
        after_maker = maker && line.trim_end().ends_with('(');
        depth += line.matches('{').count();
        depth = depth.saturating_sub(line.matches('}').count());
        if !starts && depth_of_code_fn.is_some_and(|at| depth <= at) {
            depth_of_code_fn = None;
        }
    }
    codes
}

fn literals(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

fn is_code(literal: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    literal.split_once('.').is_some_and(|(area, what)| plain(area) && plain(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_code_functions_only() {
        let text = "fn code(&self) -> &'static str {\n match self {\n A => \"pack.wrong-build\",\n }\n}\nfn other() { \"file.txt\" }\nconst CODE_X: &str = \"a.b\";";
        assert_eq!(
            codes_of(text),
            BTreeSet::from(["pack.wrong-build".to_owned(), "a.b".to_owned()])
        );
    }
}

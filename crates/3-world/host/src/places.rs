//! Files that a runbook names: below the product's root or absolute, with `*` and `?`.

use crate::{context::Context, error::StepError};
use refit_packs::runbook::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders deeper than that are no configuration.
const DEPTH_MAX: usize = 32;
/// Files that one step keeps: more are a volume, not evidence.
const FILES_MAX: usize = 20_000;

/// Every file that the patterns name, folders with all that lies in them; sorted, each once.
pub(crate) fn files(context: &Context<'_>, patterns: &[Value]) -> Result<Vec<PathBuf>, StepError> {
    let mut found = vec![];
    for pattern in patterns {
        let text = context.text(pattern)?;
        let full = context.layout.root().join(&text);
        for place in matching(&full, &text)? {
            gather(&place, 0, &mut found)?;
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn matching(full: &Path, text: &str) -> Result<Vec<PathBuf>, StepError> {
    let bad = || StepError::BadValue {
        what: "path of a step",
        found: text.to_owned(),
        expected: "a path, maybe with `*` and `?`",
    };
    let pattern = full.to_str().ok_or_else(bad)?;
    let places = glob::glob(pattern).map_err(|_| bad())?;
    // What may not be read is told, not passed over.
    let read = |place: Result<PathBuf, glob::GlobError>| {
        place.map_err(|error| {
            let path = error.path().to_owned();
            StepError::io("look into", &path)(error.into())
        })
    };
    places.map(read).collect()
}

fn gather(place: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), StepError> {
    let seen = fs::symlink_metadata(place).map_err(StepError::io("look at", place))?;
    if seen.is_dir() && depth < DEPTH_MAX {
        for entry in fs::read_dir(place).map_err(StepError::io("list", place))?.flatten() {
            gather(&entry.path(), depth + 1, found)?;
        }
    } else if (seen.is_file() || seen.is_symlink()) && found.len() < FILES_MAX {
        found.push(place.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_files_and_folders_name_all_in_them() {
        let top = tempfile::tempdir().unwrap();
        for path in ["a/x.log", "a/y.log", "a/z.txt", "b/c/d.conf"] {
            let path = top.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let names = |text: &str| -> Vec<String> {
            let mut found = vec![];
            for place in matching(&top.path().join(text), text).unwrap() {
                gather(&place, 0, &mut found).unwrap();
            }
            found
                .iter()
                .map(|path| path.strip_prefix(top.path()).unwrap().display().to_string())
                .collect()
        };
        assert_eq!(names("a/*.log"), ["a/x.log", "a/y.log"]);
        assert_eq!(names("b"), ["b/c/d.conf"]);
        assert_eq!(names("c*"), Vec::<String>::new());
        assert!(matching(Path::new("/x/***"), "***").is_err());
    }
}

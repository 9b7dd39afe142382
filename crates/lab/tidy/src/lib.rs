//! The rules of the house, as tests: floors, sizes, error pages, forbidden words.
//!
//! Here: what can be read off `cargo metadata` and the text of the tree. Deliberately not here: anything that clippy or rustfmt knows.
//! Called by: `cargo test -p refit-tidy`.
//!
//! Invariant: each rule names the file, what it found and what it expected.

pub mod errors;
pub mod floors;
pub mod text;

use std::path::{Path, PathBuf};

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(3).unwrap_or(here).to_path_buf()
}

/// All files below `folder` whose name ends with `ending`, sorted, build output left out.
#[must_use]
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name =
                path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

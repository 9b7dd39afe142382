//! Which optional parts of an installed build are there: a list beside the agent's state, one per product and build.

use crate::error::StepError;
use refit_backup::sync_folder;
use refit_names::{BuildId, PartName, ProductName};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn place(state: &Path, product: &ProductName, build: &BuildId) -> PathBuf {
    state.join("parts").join(product.as_str()).join(build.as_str())
}

/// Notes what a staged build was made with. A build without optional parts has no list.
///
/// # Errors
/// [`StepError`] when the disk refuses.
pub fn note(
    state: &Path,
    product: &ProductName,
    build: &BuildId,
    parts: &BTreeSet<PartName>,
) -> Result<(), StepError> {
    let path = place(state, product, build);
    if parts.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StepError::io("remove", &path)(error))
            }
            _ => Ok(()),
        };
    }
    let folder = path.parent().unwrap_or(state);
    fs::create_dir_all(folder).map_err(StepError::io("make folder", folder))?;
    let lines: String = parts.iter().map(|part| format!("{part}\n")).collect();
    fs::write(&path, lines).map_err(StepError::io("write", &path))?;
    Ok(sync_folder(folder)?)
}

/// The parts of an installed build; names that cannot be read are left out.
#[must_use]
pub fn of(state: &Path, product: &ProductName, build: &BuildId) -> BTreeSet<PartName> {
    let text = fs::read_to_string(place(state, product, build)).unwrap_or_default();
    text.lines().filter_map(|line| PartName::parse(line).ok()).collect()
}

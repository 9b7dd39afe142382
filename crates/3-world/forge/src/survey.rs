//! Everything that is wrong with a pack's folder, and what could be better, without building it.

mod advice;
pub(crate) mod walk;

use crate::{
    ForgeError,
    pack::{MANIFEST_FILE, TEXT_BYTES_MAX},
};
use refit_names::{ByteSize, Coded, TreePath, chain};
use refit_packs::{
    SourceFlaw,
    manifest::{self, Manifest, Requirements},
    runbook::{self, Runbook},
};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};
use walk::Tree;

/// One thing that is wrong, or that could be better.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, below the pack's folder; empty for the folder itself.
    pub file: String,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// The field's path in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong, for people.
    pub text: String,
    /// The error code, or `advice`.
    pub code: &'static str,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = if self.file.is_empty() { "." } else { &self.file };
        match (self.line, self.column, &self.field) {
            (Some(line), Some(column), Some(field)) => {
                write!(f, "{file}:{line}:{column}: field `{field}`: {}", self.text)
            }
            _ => write!(f, "{file}: {}", self.text),
        }
    }
}

/// What was found.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Survey {
    /// What keeps the pack from being built.
    pub faults: Vec<Finding>,
    /// What does not, and should be looked at.
    pub advice: Vec<Finding>,
}

impl Survey {
    fn fault(&mut self, code: &'static str, file: &str, text: impl Into<String>) {
        self.faults.push(Finding {
            file: file.to_owned(),
            line: None,
            column: None,
            field: None,
            text: text.into(),
            code,
        });
    }

    fn advise(&mut self, file: &str, text: impl Into<String>) {
        self.advice.push(Finding {
            file: file.to_owned(),
            line: None,
            column: None,
            field: None,
            text: text.into(),
            code: "advice",
        });
    }

    fn flaws(&mut self, code: &'static str, file: &str, flaws: &[SourceFlaw]) {
        self.faults.extend(flaws.iter().map(|flaw| Finding {
            file: file.to_owned(),
            line: Some(flaw.line),
            column: Some(flaw.column),
            field: Some(flaw.field.clone()),
            text: format!("expected {}, found {}", flaw.expected, flaw.found),
            code,
        }));
    }
}

/// Looks at a pack's folder: manifest, runbook, read-me and trees. Reads no more of a file than its beginning.
///
/// # Errors
/// [`ForgeError::Io`] when the folder itself, or its manifest, cannot be read.
pub fn survey(folder: &Path) -> Result<Survey, ForgeError> {
    let mut survey = Survey::default();
    let text = read_text(&folder.join(MANIFEST_FILE))?;
    let reading = manifest::read(&text);

    let requirements = reading.look(&["requirements"]).map(|m| m.requirements.clone());
    let requirements = requirements.unwrap_or_default();
    let payload = reading
        .look(&["payload"])
        .and_then(|m| tree(folder, &m.payload, &requirements, &mut survey));
    let web = reading.look(&["web"]).and_then(|m| m.web.clone());
    let web = web.and_then(|web| tree(folder, &web, &requirements, &mut survey));
    let readme = reading.look(&["readme"]).and_then(|m| readme(folder, &m.readme, &mut survey));
    let runbook = match reading.look(&["runbook"]).map(|m| m.runbook.clone()) {
        Some(Some(name)) => book(folder, &name, &mut survey),
        Some(None) => Some(runbook::default_for_plain_service()),
        None => None,
    };

    let whole = reading.look(&["unit", "migrations", "reboot", "parts"]);
    let misfits = match (whole, &runbook, &payload) {
        (Some(m), Some(runbook), Some(payload)) => {
            manifest::misfits(m, runbook, &|path| payload.has(path))
        }
        _ => Vec::new(),
    };
    let reading = reading.with(misfits);
    let code = if reading.is_shape() { "pack.manifest-shape" } else { "pack.manifest-rule" };
    // The manifest first: much of the rest follows from it.
    let others = std::mem::take(&mut survey.faults);
    survey.flaws(code, MANIFEST_FILE, reading.flaws());
    survey.faults.extend(others);
    if let (Some(m), Some(runbook)) = (reading.look(&[]), &runbook) {
        advise(m, runbook, readme.as_deref(), payload.as_ref(), web.as_ref(), &mut survey);
    }
    Ok(survey)
}

fn advise(
    m: &Manifest,
    runbook: &Runbook,
    readme: Option<&str>,
    payload: Option<&Tree>,
    web: Option<&Tree>,
    survey: &mut Survey,
) {
    advice::manifest(m, runbook, survey);
    if let Some(readme) = readme {
        advice::readme(m.readme.as_str(), readme, survey);
    }
    if let Some(payload) = payload {
        advice::payload(m, payload, survey);
    }
    if web.is_some_and(|web| !web.entries.contains_key("index.html")) {
        let web = m.web.as_ref().map(TreePath::as_str).unwrap_or_default();
        survey.advise(web, "has no index.html: the console shows nothing");
    }
}

fn tree(
    folder: &Path,
    name: &TreePath,
    requirements: &Requirements,
    survey: &mut Survey,
) -> Option<Tree> {
    match inside(folder, name) {
        Ok(path) if path.is_dir() => Some(walk::tree(&path, name.as_str(), requirements, survey)),
        Ok(_) => {
            survey.fault(
                "pack.unfit-tree",
                name.as_str(),
                "expected a folder, found something else",
            );
            None
        }
        Err(error) => {
            survey.fault(error.code(), name.as_str(), chain(&error));
            None
        }
    }
}

fn readme(folder: &Path, name: &TreePath, survey: &mut Survey) -> Option<String> {
    let text = text_of(folder, name, survey)?;
    if text.trim().is_empty() {
        survey.advise(name.as_str(), "is empty: people agree to what it says");
    }
    Some(text)
}

fn book(folder: &Path, name: &TreePath, survey: &mut Survey) -> Option<Runbook> {
    match runbook::parse(&text_of(folder, name, survey)?) {
        Ok(runbook) => Some(runbook),
        Err(error) => {
            survey.flaws(error.code(), name.as_str(), error.flaws());
            None
        }
    }
}

fn text_of(folder: &Path, name: &TreePath, survey: &mut Survey) -> Option<String> {
    inside(folder, name)
        .and_then(|path| read_text(&path))
        .map_err(|error| survey.fault(error.code(), name.as_str(), chain(&error)))
        .ok()
}

/// Where `name` is below a pack's folder. A link on the way would let a pack's folder name what is outside of it.
pub(crate) fn inside(folder: &Path, name: &TreePath) -> Result<PathBuf, ForgeError> {
    let mut path = folder.to_owned();
    for part in name.as_str().split('/') {
        path.push(part);
        if fs::symlink_metadata(&path).map_err(ForgeError::read(&path))?.is_symlink() {
            let why = "expected a file or folder of the pack itself, found a link".to_owned();
            return Err(ForgeError::UnfitTree { path, why });
        }
    }
    Ok(path)
}

/// A text that is read whole: a plain file of limited size, in UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, ForgeError> {
    let metadata = fs::symlink_metadata(path).map_err(ForgeError::read(path))?;
    if !metadata.is_file() {
        let why = "expected a file".to_owned();
        return Err(ForgeError::UnfitTree { path: path.to_owned(), why });
    }
    if metadata.len() > TEXT_BYTES_MAX {
        let (found, limit) = (ByteSize(metadata.len()), ByteSize(TEXT_BYTES_MAX));
        return Err(ForgeError::TooLarge { path: path.to_owned(), found, limit });
    }
    let bytes = fs::read(path).map_err(ForgeError::read(path))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let why = format!("expected UTF-8, and byte {at} is not");
        ForgeError::UnfitTree { path: path.to_owned(), why }
    })
}

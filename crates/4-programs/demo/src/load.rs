//! What a benchmark asks of the ledger beyond the demo: a folder with many files, a PostgreSQL database.

use crate::{DemoError, content::noise, hosts::Host};
use std::{fs, path::Path};

/// Files of one folder: as deep as document stores usually are.
const FOLDER_FILES: u32 = 250;
/// What a file has that no other has; the rest repeats, so that compressors find something as in real documents.
const NOISE_SHARE: usize = 2;
/// Where the files lie below the product's folder.
const FOLDER: &str = "data/files";

/// More than the demo's ledger has.
#[derive(Debug, Clone, Default)]
pub struct Load {
    /// Files in `data/files` of every host.
    pub files: u32,
    /// Size of all of them.
    pub mib: u32,
    /// Connection string of a PostgreSQL database that belongs to the unit too.
    pub database: Option<String>,
}

impl Load {
    /// A file of a pack, with what this asks for.
    pub(crate) fn adapted(&self, name: &str, text: &str) -> String {
        match name {
            "pack.yaml" => self.unit(text),
            "runbook.yaml" => self.runbook(text),
            _ => text.to_owned(),
        }
    }

    fn unit(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if self.files > 0 {
            text = text.replace("[data/ledger.json]", &format!("[data/ledger.json, {FOLDER}]"));
        }
        if self.database.is_some() {
            let entries = "    entries: { engine: sqlite, path: data/ledger.db }\n";
            let main = "    main: { engine: postgres, url: database-url }\n";
            text = text.replace(entries, &format!("{entries}{main}"));
        }
        text
    }

    fn runbook(&self, text: &str) -> String {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let insert = |lines: &mut Vec<String>, before: &str, line: &str| {
            if let Some(at) = lines.iter().position(|found| found.starts_with(before)) {
                lines.insert(at, line.to_owned());
            }
        };
        if self.database.is_some() {
            let url = "  database-url: { type: url, about: \"the archive\", secret: true }";
            insert(&mut lines, "steps:", url);
        }
        if self.files > 0 {
            let ahead = "  - { id: ahead, phase: before, do: { backup.ahead: {} } }";
            insert(&mut lines, "  - { id: close,", ahead);
        }
        lines.join("\n") + "\n"
    }

    /// Lines for the host's configuration.
    pub(crate) fn secrets(&self) -> String {
        match &self.database {
            Some(url) => format!("\n[product.secrets]\ndatabase-url = {url:?}\n"),
            None => String::new(),
        }
    }

    /// Lays the files of a host.
    pub(crate) fn lay(&self, host: &Host) -> Result<(), DemoError> {
        if self.files == 0 {
            return Ok(());
        }
        let length = self.mib as usize * (1 << 20) / self.files as usize;
        lay_files(&host.root.join(FOLDER), self.files, length)
    }
}

fn lay_files(top: &Path, files: u32, length: usize) -> Result<(), DemoError> {
    for number in 0..files {
        let folder = top.join(format!("{:03}", number / FOLDER_FILES));
        fs::create_dir_all(&folder).map_err(DemoError::io("make", &folder))?;
        let mut bytes = noise(&format!("file {number}"), length / NOISE_SHARE);
        bytes.resize(length, b'-');
        let path = folder.join(format!("{number:06}"));
        fs::write(&path, bytes).map_err(DemoError::io("write", &path))?;
    }
    Ok(())
}

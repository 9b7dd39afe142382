//! A folder and the list of what is in it: whatever is missing, damaged or foreign is named.

use super::MediumFile;
use refit_names::{ByteSize, Digest};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

const BLOCK_BYTES: usize = 256 << 10;

/// Every regular file of a folder but `but`, measured.
///
/// # Errors
/// What reading the folder meets.
pub fn list(dir: &Path, but: &str) -> io::Result<Vec<MediumFile>> {
    let (files, _) = walk(dir)?;
    let wanted = files.into_iter().filter(|name| name != but);
    let measured = wanted.map(|name| {
        let (size, sha256) = measure(&dir.join(&name))?;
        Ok(MediumFile { name, size: ByteSize(size), sha256 })
    });
    measured.collect()
}

/// Holds a list against a folder; `but` is the list itself. A line for every file that is missing, damaged, foreign or no path below it.
///
/// # Errors
/// When the folder cannot be read at all.
pub fn faults(dir: &Path, files: &[MediumFile], but: &str) -> io::Result<Vec<String>> {
    let (mut found, odd) = walk(dir)?;
    found.remove(but);
    let mut faults: Vec<String> =
        odd.into_iter().map(|name| format!("{name}: is no regular file")).collect();
    let mut seen = BTreeSet::new();
    for file in files {
        let name = &file.name;
        if !is_lawful(name) {
            faults.push(format!("{name:?}: is no path below the folder"));
        } else if !seen.insert(name) {
            faults.push(format!("{name}: is listed twice"));
        } else if !found.remove(name) {
            faults.push(format!("{name}: is missing"));
        } else {
            faults.extend(fault(dir, file));
        }
    }
    faults.extend(found.into_iter().map(|name| format!("{name}: is not on the list")));
    Ok(faults)
}

fn fault(dir: &Path, file: &MediumFile) -> Option<String> {
    let name = &file.name;
    match measure(&dir.join(name)) {
        Err(error) => Some(format!("{name}: cannot be read: {error}")),
        Ok((size, _)) if size != file.size.0 => {
            Some(format!("{name}: is damaged: expected {} bytes, found {size}", file.size.0))
        }
        Ok((_, sha256)) if sha256 != file.sha256 => Some(format!(
            "{name}: is damaged: expected sha256 {}, found {}",
            file.sha256.to_hex(),
            sha256.to_hex()
        )),
        Ok(_) => None,
    }
}

fn is_lawful(name: &str) -> bool {
    !name.contains('\\')
        && !name.chars().any(char::is_control)
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// All regular files below `dir`, with `/`; links and other things are told apart.
pub(super) fn walk(dir: &Path) -> io::Result<(BTreeSet<String>, Vec<String>)> {
    let (mut files, mut odd) = (BTreeSet::new(), Vec::new());
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(dir.join(&folder))? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                odd.push(entry.path().display().to_string());
                continue;
            };
            // What operating systems leave on every stick.
            let clutter = name.starts_with('.')
                || name == "System Volume Information"
                || name == "lost+found";
            if folder.is_empty() && clutter {
                continue;
            }
            let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(name);
            } else if kind.is_file() {
                files.insert(name);
            } else {
                odd.push(name);
            }
        }
    }
    Ok((files, odd))
}

/// Size and SHA-256 of a file.
pub(super) fn measure(path: &Path) -> io::Result<(u64, Digest)> {
    use sha2::Digest as _;
    let mut file = File::open(path)?;
    let (mut digest, mut size, mut block) = (sha2::Sha256::new(), 0, vec![0; BLOCK_BYTES]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok((size, Digest::from_bytes(digest.finalize().into()))),
            count => {
                digest.update(&block[..count]);
                size += count as u64;
            }
        }
    }
}

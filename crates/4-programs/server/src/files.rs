//! Files of the server's state folder: secrets are 0600 from their first byte and appear whole or not at all.

use crate::ServerError;
use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Makes a folder that only the server may enter, if it is missing.
pub(crate) fn private_folder(path: &Path) -> Result<(), ServerError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| ServerError::file("make the folder", path, source))
}

/// Makes an empty file that only the server may read, if it is missing.
pub(crate) fn private_file(path: &Path) -> Result<(), ServerError> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(ServerError::file("make", path, source)),
    }
}

/// Writes a file that only the server may read.
pub(crate) fn write_secret(path: &Path, content: &[u8]) -> Result<(), ServerError> {
    write(path, content, 0o600)
}

/// Writes a file that everybody may read.
pub(crate) fn write_public(path: &Path, content: &[u8]) -> Result<(), ServerError> {
    write(path, content, 0o644)
}

/// The file's text; none when it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<String>, ServerError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ServerError::file("read", path, source)),
    }
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), ServerError> {
    let partial = path.with_extension("partial");
    let deed = || -> std::io::Result<()> {
        let _ = fs::remove_file(&partial);
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::File::open(folder)?.sync_all()
    };
    deed().map_err(|source| ServerError::file("write", path, source))
}

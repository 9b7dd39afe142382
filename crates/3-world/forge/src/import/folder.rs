//! A folder, entry by entry, by the same rules as an archive.

use super::place::{Kind, Place};
use crate::ForgeError;
use std::{
    fs::{self, File},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{FileTypeExt as _, PermissionsExt as _},
    },
    path::Path,
};

pub(super) fn fill(root: &Path, place: &mut Place) -> Result<(), ForgeError> {
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).map_err(ForgeError::read(&folder))?;
        let entries = entries.collect::<Result<Vec<_>, _>>().map_err(ForgeError::read(&folder))?;
        for entry in entries {
            let path = entry.path();
            let metadata = fs::symlink_metadata(&path).map_err(ForgeError::read(&path))?;
            let name = path.strip_prefix(root).unwrap_or(&path).as_os_str().as_bytes().to_vec();
            let kind = metadata.file_type();
            if kind.is_dir() {
                place.take(&name, Kind::Folder)?;
                open.push(path);
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).map_err(ForgeError::read(&path))?;
                place.take(&name, Kind::Link(target.into_os_string().into_vec()))?;
            } else if kind.is_file() {
                let is_program = metadata.permissions().mode() & 0o111 != 0;
                let mut content = File::open(&path).map_err(ForgeError::read(&path))?;
                place.take(&name, Kind::File { is_program, content: &mut content })?;
            } else {
                let device = kind.is_block_device() || kind.is_char_device();
                place.take(
                    &name,
                    Kind::Other(if device { "a device" } else { "a pipe or socket" }),
                )?;
            }
        }
    }
    Ok(())
}

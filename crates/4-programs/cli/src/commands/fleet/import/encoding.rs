//! Bytes as text: UTF-8, with or without its mark; anything else is refused with the place and what to do.

use crate::{CliError, Exit};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Larger files are no inventory: 100,000 hosts with long rows are a third of it.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Reads a file, or standard input for `-`.
pub(super) fn text(file: &Path) -> Result<String, CliError> {
    let (name, mut bytes) = (file.display().to_string(), Vec::new());
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        let open = File::open(file).map_err(|error| CliError::io("read", &name, error))?;
        open.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
    };
    read.map_err(|error| CliError::io("read", &name, error))?;
    if u64::try_from(bytes.len()).is_ok_and(|found| found > FILE_BYTES_MAX) {
        let what = format!("{name} is larger than {FILE_BYTES_MAX} bytes, nothing was imported");
        return Err(CliError::new("fleet.import", Exit::Usage, what));
    }
    decode(bytes).map_err(|what| {
        let what = format!("{name}: {what}; nothing was imported");
        CliError::new("fleet.encoding", Exit::Usage, what)
    })
}

/// The text without its mark.
pub(super) fn decode(bytes: Vec<u8>) -> Result<String, String> {
    if let Some(found) = wide(&bytes) {
        return Err(format!(
            "it is {found}, expected UTF-8: convert it with `iconv -f {found} -t UTF-8`"
        ));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let row = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let found = bytes.get(at).copied().unwrap_or_default();
        format!(
            "byte {at} (row {row}) is 0x{found:02x}, which is not UTF-8, as Latin-1 and Windows-1252 look: convert it with `iconv -f WINDOWS-1252 -t UTF-8`"
        )
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    if let Some(at) = text.bytes().position(|byte| byte == 0) {
        return Err(format!("byte {at} is 0, which no text has: is this the right file?"));
    }
    Ok(text)
}

/// Encodings with two or four bytes a character, by their mark, or by the zeros in plain letters.
fn wide(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some("UTF-16LE"),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some("UTF-16BE"),
        _ => None,
    }
}

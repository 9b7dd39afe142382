//! Archives: tar in several wrappings, zip, deb.

use super::{
    deb,
    place::{Kind, Place},
    sheet::Told,
};
use crate::ForgeError;
use serde::Serialize;
use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

/// What something that is imported is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A folder.
    Folder,
    /// A tar archive, packed or not.
    Tar,
    /// A zip archive.
    Zip,
    /// A Debian package.
    Deb,
}

/// Where a tar archive says that it is one.
const USTAR_AT: usize = 257;

pub(super) fn fill(path: &Path, place: &mut Place) -> Result<(Format, Told), ForgeError> {
    let mut file = File::open(path).map_err(ForgeError::read(path))?;
    let mut head = vec![0; 512];
    let read = read_up_to(&mut file, &mut head).map_err(ForgeError::read(path))?;
    file.seek(SeekFrom::Start(0)).map_err(ForgeError::read(path))?;
    head.truncate(read);
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        zip(file, place)?;
        return Ok((Format::Zip, Told::default()));
    }
    if head.starts_with(b"!<arch>\n") {
        return Ok((Format::Deb, deb::fill(file, place)?));
    }
    let packed = unpacked(BufReader::new(file), &head).map_err(|error| place.unreadable(error))?;
    tar(packed, place)?;
    Ok((Format::Tar, Told::default()))
}

fn read_up_to(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match from.read(&mut into[done..])? {
            0 => break,
            read => done += read,
        }
    }
    Ok(done)
}

/// The tar stream inside gzip, xz, zstd or nothing, told by its first bytes.
pub(super) fn unpacked<'a>(
    from: impl io::BufRead + 'a,
    head: &[u8],
) -> io::Result<Box<dyn Read + 'a>> {
    let is_tar = head.get(USTAR_AT..USTAR_AT + 5) == Some(b"ustar");
    Ok(match head {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(from)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(lzma_rust2::XzReader::new(from, true)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(from)?),
        _ if is_tar => Box::new(from),
        _ => return Err(io::Error::other("expected tar, tar.gz, tar.xz, tar.zst, zip or deb")),
    })
}

pub(super) fn tar(from: impl Read, place: &mut Place) -> Result<(), ForgeError> {
    use tar::EntryType;
    let mut archive = tar::Archive::new(from);
    let entries = archive.entries().map_err(|error| place.unreadable(error))?;
    for entry in entries {
        let mut entry = entry.map_err(|error| place.unreadable(error))?;
        let name = entry.path_bytes().into_owned();
        let link = entry.link_name_bytes().map(|link| link.into_owned()).unwrap_or_default();
        let is_program = entry.header().mode().unwrap_or_default() & 0o111 != 0;
        let kind = match entry.header().entry_type() {
            EntryType::Directory => Kind::Folder,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                Kind::File { is_program, content: &mut entry }
            }
            EntryType::Symlink => Kind::Link(link),
            EntryType::Link => Kind::Twin(link),
            EntryType::Char | EntryType::Block => Kind::Other("a device"),
            EntryType::Fifo => Kind::Other("a pipe"),
            EntryType::XGlobalHeader => continue,
            _ => Kind::Other("of a kind that is not known"),
        };
        place.take(&name, kind)?;
    }
    Ok(())
}

/// A link's target in a zip is its content; none is longer than a path.
const LINK_BYTES_MAX: u64 = 4096;

fn zip(file: File, place: &mut Place) -> Result<(), ForgeError> {
    let broken =
        |place: &Place, error: zip::result::ZipError| place.unreadable(io::Error::other(error));
    let mut archive = zip::ZipArchive::new(file).map_err(|error| broken(place, error))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| broken(place, error))?;
        let name = entry.name_raw().to_vec();
        let mode = entry.unix_mode().unwrap_or_default();
        let kind = match mode & 0o170_000 {
            0o120_000 => {
                let mut target = Vec::new();
                let read = (&mut entry).take(LINK_BYTES_MAX).read_to_end(&mut target);
                read.map_err(|error| place.unreadable(error))?;
                Kind::Link(target)
            }
            0o020_000 | 0o060_000 => Kind::Other("a device"),
            0o010_000 | 0o140_000 => Kind::Other("a pipe or socket"),
            _ if name.ends_with(b"/") => Kind::Folder,
            _ => Kind::File { is_program: mode & 0o111 != 0, content: &mut entry },
        };
        place.take(&name, kind)?;
    }
    Ok(())
}

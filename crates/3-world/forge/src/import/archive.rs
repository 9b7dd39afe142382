//! Archives: tar in several wrappings, zip, deb.

use super::{
    deb,
    place::{Kind, Place},
    sheet::Told,
};
use crate::ForgeError;
use serde::Serialize;
use std::{
    cell::Cell,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
    rc::Rc,
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

/// Bytes between two contents of a tar archive: a header, and long names or attributes that the library holds in memory.
const HEAD_BYTES_MAX: u64 = 1 << 20;

/// A stream that ends in an error when more is read than is left.
struct Metered<R> {
    from: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into)?;
        let left = self.left.get().checked_sub(read as u64);
        let left = left.ok_or_else(|| io::Error::other("a name or header is longer than 1 MiB"))?;
        self.left.set(left);
        Ok(read)
    }
}

pub(super) fn tar(from: impl Read, place: &mut Place) -> Result<(), ForgeError> {
    use tar::EntryType;
    let left = Rc::new(Cell::new(HEAD_BYTES_MAX));
    let mut archive = tar::Archive::new(Metered { from, left: Rc::clone(&left) });
    let mut entries = archive.entries().map_err(|error| place.unreadable(error))?;
    loop {
        left.set(HEAD_BYTES_MAX);
        let Some(entry) = entries.next() else { return Ok(()) };
        let mut entry = entry.map_err(|error| place.unreadable(error))?;
        left.set(u64::MAX);
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
        // Whatever was not taken, so that only a header is read before the next entry.
        io::copy(&mut entry, &mut io::sink()).map_err(|error| place.unreadable(error))?;
    }
}

/// How many entries the end of a zip archive states; none where it is too large for the old field.
fn stated_entries(file: &mut File) -> io::Result<Option<usize>> {
    const END_BYTES: usize = 22;
    const COMMENT_BYTES_MAX: u64 = 65_535;
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(COMMENT_BYTES_MAX + END_BYTES as u64)))?;
    let mut tail = Vec::new();
    file.take(COMMENT_BYTES_MAX + END_BYTES as u64).read_to_end(&mut tail)?;
    file.seek(SeekFrom::Start(0))?;
    let end = tail.windows(END_BYTES).rposition(|window| window.starts_with(b"PK\x05\x06"));
    let count = end.map(|at| u16::from_le_bytes([tail[at + 10], tail[at + 11]]));
    Ok(count.filter(|count| *count != u16::MAX).map(usize::from))
}

/// A link's target in a zip is its content; none is longer than a path.
const LINK_BYTES_MAX: u64 = 4096;

fn zip(mut file: File, place: &mut Place) -> Result<(), ForgeError> {
    let stated = stated_entries(&mut file).map_err(|error| place.unreadable(error))?;
    let broken =
        |place: &Place, error: zip::result::ZipError| place.unreadable(io::Error::other(error));
    let mut archive = zip::ZipArchive::new(file).map_err(|error| broken(place, error))?;
    // The library keeps only the last of entries with one name.
    if stated.is_some_and(|stated| stated != archive.len()) {
        let why = format!("{} names for {} entries", archive.len(), stated.unwrap_or_default());
        place.take_fault("(list of entries)", &why)?;
    }
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

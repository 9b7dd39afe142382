//! Chunks that arrived: one append-only file per bundle.
//!
//! ```text
//! "RCHK"  kind (0 frame, 1 plain)  BLAKE3 (32)  stored length (u32 LE)  content length (u32 LE)  bytes
//! ```
//! A record that is cut or damaged counts as absent; a cut one is the last and is overwritten.

use crate::{ContentError, chunking, tail};
use refit_names::ChunkId;
use refit_packs::record::{Bundle, Chunk};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 4] = b"RCHK";
const HEAD_BYTES: usize = 4 + 1 + 32 + 4 + 4;
const KIND_FRAME: u8 = 0;
const KIND_PLAIN: u8 = 1;

pub(crate) struct Cache {
    file: File,
    path: PathBuf,
    places: BTreeMap<ChunkId, Place>,
    end: u64,
}

/// How much of the file is looked at when it is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scan {
    Content,
    Heads,
}

#[derive(Clone, Copy)]
struct Place {
    kind: u8,
    offset: u64,
    stored: u32,
    size: u32,
}

fn path_of(dir: &Path, bundle: &Bundle) -> PathBuf {
    dir.join(format!("{}.chunks", bundle.digest.to_hex()))
}

/// Where the files of a bundle lie that were made from deltas, each under its digest.
pub(crate) fn made_folder(dir: &Path, bundle: &Bundle) -> PathBuf {
    dir.join(format!("{}.files", bundle.digest.to_hex()))
}

/// Stands beside the made files once all of them were compared with their digests and are durable.
pub(crate) const DURABLE_MARK: &str = "durable";

/// Forgets what arrived of a bundle, when its trees exist.
///
/// # Errors
/// [`ContentError::Io`] when a file cannot be removed; that there is none is fine.
pub fn discard(cache: &Path, bundle: &Bundle) -> Result<(), ContentError> {
    let gone = |path: PathBuf, result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ContentError::io("remove", path)(error))
        }
        _ => Ok(()),
    };
    for path in [path_of(cache, bundle), tail::path_of(cache, bundle)] {
        let result = fs::remove_file(&path);
        gone(path, result)?;
    }
    let folder = made_folder(cache, bundle);
    let result = fs::remove_dir_all(&folder);
    gone(folder, result)
}

/// Opens a file that grows over several runs: made if it is not there, never emptied.
pub(crate) fn open_kept(path: &Path) -> Result<File, ContentError> {
    let mut options = File::options();
    options.create(true).truncate(false).read(true).write(true);
    options.open(path).map_err(ContentError::io("open", path))
}

impl Cache {
    /// Opens the bundle's file and lists what is whole in it. Waits while another process has it open.
    pub(crate) fn open(dir: &Path, bundle: &Bundle) -> Result<Self, ContentError> {
        Self::open_and(dir, bundle, Scan::Content)
    }

    /// As [`Cache::open`], for one who only reads: each chunk is compared with its name when it is taken, not now.
    pub(crate) fn open_to_read(dir: &Path, bundle: &Bundle) -> Result<Self, ContentError> {
        Self::open_and(dir, bundle, Scan::Heads)
    }

    fn open_and(dir: &Path, bundle: &Bundle, scan: Scan) -> Result<Self, ContentError> {
        fs::create_dir_all(dir).map_err(ContentError::io("create", dir))?;
        let path = path_of(dir, bundle);
        let file = open_kept(&path)?;
        file.lock().map_err(ContentError::io("lock", &path))?;
        let mut cache = Self { file, path, places: BTreeMap::new(), end: 0 };
        cache.scan(scan).map_err(ContentError::io("read", cache.path.clone()))?;
        Ok(cache)
    }

    fn scan(&mut self, scan: Scan) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        while let Some((id, place)) = self.record_at(self.end, length)? {
            self.end = place.offset + u64::from(place.stored);
            let is_sound =
                || self.load(place).is_ok_and(|content| chunking::chunk_id(&content) == id);
            if scan == Scan::Heads || is_sound() {
                self.places.insert(id, place);
            }
        }
        Ok(())
    }

    fn record_at(&self, at: u64, length: u64) -> io::Result<Option<(ChunkId, Place)>> {
        if at + HEAD_BYTES as u64 > length {
            return Ok(None);
        }
        let mut head = [0; HEAD_BYTES];
        self.file.read_exact_at(&mut head, at)?;
        let mut id = [0; 32];
        id.copy_from_slice(&head[5..37]);
        let number = |from: usize| {
            u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]])
        };
        let place = Place {
            kind: head[4],
            offset: at + HEAD_BYTES as u64,
            stored: number(37),
            size: number(41),
        };
        let whole = place.offset + u64::from(place.stored) <= length;
        let sound = head[..4] == MAGIC[..]
            && place.kind <= KIND_PLAIN
            && place.stored as usize <= chunking::STORED_BYTES_MAX;
        Ok((whole && sound).then_some((ChunkId::from_bytes(id), place)))
    }

    fn load(&self, place: Place) -> io::Result<Vec<u8>> {
        let mut stored = vec![0; place.stored as usize];
        self.file.read_exact_at(&mut stored, place.offset)?;
        if place.kind == KIND_PLAIN { Ok(stored) } else { chunking::expand(&stored, place.size) }
    }

    pub(crate) fn has(&self, id: &ChunkId) -> bool {
        self.places.contains_key(id)
    }

    /// Of these places in the bundle's list the chunks that are not here.
    pub(crate) fn absent<'a>(
        &'a self,
        bundle: &'a Bundle,
        places: &'a [u32],
    ) -> impl Iterator<Item = ChunkId> + 'a {
        places
            .iter()
            .filter_map(|place| bundle.chunks.get(*place as usize))
            .map(|chunk| chunk.id)
            .filter(|id| !self.has(id))
    }

    /// A chunk's content, compared with its name again: disks forget.
    pub(crate) fn get(&self, id: &ChunkId) -> Option<Vec<u8>> {
        let content = self.load(*self.places.get(id)?).ok()?;
        (chunking::chunk_id(&content) == *id).then_some(content)
    }

    /// Keeps a frame whose content the caller compared with `chunk`.
    pub(crate) fn add_frame(&mut self, chunk: &Chunk, frame: &[u8]) -> Result<(), ContentError> {
        self.add(KIND_FRAME, chunk.id, frame, chunk.size)
    }

    /// Keeps content that the caller compared with `id`.
    pub(crate) fn add_plain(&mut self, id: ChunkId, content: &[u8]) -> Result<(), ContentError> {
        self.add(KIND_PLAIN, id, content, content.len() as u32)
    }

    fn add(&mut self, kind: u8, id: ChunkId, stored: &[u8], size: u32) -> Result<(), ContentError> {
        if self.has(&id) {
            return Ok(());
        }
        let length = stored.len() as u32;
        let record = [
            MAGIC.as_slice(),
            &[kind],
            id.as_bytes(),
            &length.to_le_bytes(),
            &size.to_le_bytes(),
            stored,
        ]
        .concat();
        self.file.write_all_at(&record, self.end).map_err(ContentError::io("write", &self.path))?;
        self.places
            .insert(id, Place { kind, offset: self.end + HEAD_BYTES as u64, stored: length, size });
        self.end += record.len() as u64;
        Ok(())
    }

    /// Makes durable what was kept.
    pub(crate) fn sync(&self) -> Result<(), ContentError> {
        self.file.sync_all().map_err(ContentError::io("write", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_names::{ByteSize, Digest, TargetName};

    fn bundle() -> Bundle {
        Bundle {
            target: TargetName::parse("b").unwrap(),
            size: ByteSize(0),
            digest: Digest::ZERO,
            chunks: Vec::new(),
            deltas: Vec::new(),
        }
    }

    #[test]
    fn cut_record_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let ids: Vec<ChunkId> = (0..3_u8).map(|n| chunking::chunk_id(&[n; 100])).collect();
        let mut cache = Cache::open(dir.path(), &bundle()).unwrap();
        for (n, id) in ids.iter().enumerate() {
            cache.add_plain(*id, &[n as u8; 100]).unwrap();
        }
        let end = cache.end;
        cache.file.set_len(end - 1).unwrap();
        drop(cache);
        let mut cache = Cache::open(dir.path(), &bundle()).unwrap();
        assert!(cache.has(&ids[0]) && cache.has(&ids[1]) && !cache.has(&ids[2]));
        cache.add_plain(ids[2], &[2; 100]).unwrap();
        drop(cache);
        let cache = Cache::open(dir.path(), &bundle()).unwrap();
        assert_eq!(cache.get(&ids[2]), Some(vec![2; 100]));
    }

    #[test]
    fn damaged_record_counts_as_absent() {
        let dir = tempfile::tempdir().unwrap();
        let ids: Vec<ChunkId> = (0..2_u8).map(|n| chunking::chunk_id(&[n; 100])).collect();
        let mut cache = Cache::open(dir.path(), &bundle()).unwrap();
        cache.add_plain(ids[0], &[0; 100]).unwrap();
        cache.add_plain(ids[1], &[1; 100]).unwrap();
        cache.file.write_all_at(b"x", HEAD_BYTES as u64 + 7).unwrap();
        assert_eq!(cache.get(&ids[0]), None);
        drop(cache);
        let cache = Cache::open(dir.path(), &bundle()).unwrap();
        assert!(!cache.has(&ids[0]) && cache.has(&ids[1]));
    }
}

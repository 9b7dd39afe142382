//! Files made from older files and deltas, into the cache: which deltas are worth it, and making them.

use crate::{
    ContentError, Realise,
    cache::{self, Cache},
    compare::{self, Comparison},
    fetch::Wanted,
    tree,
};
use refit_delta::{DeltaError, GroupReader, patch};
use refit_names::{ByteSize, TreePath};
use refit_packs::record::delta::{
    DeltaGroup, DeltaIndex, DeltaMethod, DeltaPiece, DeltaSet, INDEX_BYTES_MAX,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

type WantedFiles<'a> = BTreeMap<&'a TreePath, Wanted<'a>>;

/// The index of a set, from the cache, or why it cannot be used.
pub(crate) fn read_index(
    realise: &Realise<'_>,
    set: &DeltaSet,
    cache: &Cache,
) -> Result<DeltaIndex, String> {
    let bytes = join(realise, &set.index, cache).ok_or("its index is not complete")?;
    let reader = zstd::stream::read::Decoder::with_buffer(bytes.as_slice())
        .map_err(|error| error.to_string())?
        .take(INDEX_BYTES_MAX);
    let index: DeltaIndex =
        serde_json::from_reader(io::BufReader::new(reader)).map_err(|error| error.to_string())?;
    index.check(realise.entries, realise.bundle).map_err(|error| error.to_string())?;
    Ok(index)
}

/// The content of chunks one after the other, if all are here and whole.
fn join(realise: &Realise<'_>, places: &[u32], cache: &Cache) -> Option<Vec<u8>> {
    let mut joined = Vec::new();
    for place in places {
        joined.extend(cache.get(&realise.bundle.chunks.get(*place as usize)?.id)?);
    }
    Some(joined)
}

/// Takes files over that lie elsewhere in the old tree; returns how many bytes that is.
pub(crate) fn move_files(
    realise: &Realise<'_>,
    index: &DeltaIndex,
    wanted: &mut WantedFiles<'_>,
) -> Result<ByteSize, ContentError> {
    let folder = made_folder(realise)?;
    let mut moved = ByteSize(0);
    for entry in &index.moved {
        let Some(file) = wanted.get(&entry.path) else { continue };
        let Some(from) = seed_file(realise, &entry.old, file.size.0) else { continue };
        let place = folder.join(file.digest.to_hex());
        let growing = growing(&place);
        fs::copy(&from, &growing).map_err(ContentError::io("write", &growing))?;
        let is_right = compare::is_content(&growing, realise.bundle, file.chunks);
        if is_right.map_err(ContentError::io("read", &growing))? {
            fs::rename(&growing, &place).map_err(ContentError::io("write", &place))?;
            moved.0 += file.size.0;
            wanted.remove(&entry.path);
        } else {
            fs::remove_file(&growing).map_err(ContentError::io("remove", &growing))?;
        }
    }
    Ok(moved)
}

fn made_folder(realise: &Realise<'_>) -> Result<PathBuf, ContentError> {
    let folder = cache::made_folder(realise.cache, realise.bundle);
    fs::create_dir_all(&folder).map_err(ContentError::io("create", &folder))?;
    Ok(folder)
}

fn growing(place: &Path) -> PathBuf {
    place.with_extension("growing")
}

/// A seed's file of this path and length; whether it is the right one shows in what is made of it.
fn seed_file(realise: &Realise<'_>, path: &TreePath, size: u64) -> Option<PathBuf> {
    realise.seeds.iter().map(|seed| seed.join(path.as_str())).find(|path| {
        fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.len() == size)
    })
}

/// The groups that are worth their bytes.
pub(crate) struct Chosen {
    groups: Vec<DeltaGroup>,
    makes: BTreeSet<TreePath>,
}

impl Chosen {
    /// Takes those groups that cost less than the chunks of the wanted files they make; the second says why some cannot be used.
    pub(crate) fn new(
        realise: &Realise<'_>,
        index: DeltaIndex,
        wanted: &WantedFiles<'_>,
        cache: &Cache,
    ) -> (Self, Option<String>) {
        let (mut chosen, mut unfit) = (Self { groups: Vec::new(), makes: BTreeSet::new() }, None);
        for run in runs(index.groups) {
            let paths: BTreeSet<&TreePath> = run
                .iter()
                .flat_map(|group| &group.pieces)
                .map(|piece| &piece.path)
                .filter(|path| wanted.contains_key(path))
                .collect();
            if paths.is_empty() {
                continue;
            }
            let gone = run
                .iter()
                .flat_map(|group| &group.pieces)
                .find(|piece| seed_file(realise, piece.old_path(), piece.old_size).is_none());
            if let Some(piece) = gone {
                unfit.get_or_insert_with(|| {
                    format!(
                        "`{}` is not here with {} bytes, so {} files come another way",
                        piece.old_path(),
                        piece.old_size,
                        paths.len()
                    )
                });
                continue;
            }
            let delta = run.iter().flat_map(|group| &group.chunks);
            let whole = paths.iter().filter_map(|path| wanted.get(*path)).flat_map(|it| it.chunks);
            if cost(realise, delta, cache) < cost(realise, whole, cache) {
                chosen.makes.extend(paths.into_iter().cloned());
                chosen.groups.extend(run);
            }
        }
        (chosen, unfit)
    }

    /// Whether it makes this file.
    pub(crate) fn covers(&self, path: &TreePath) -> bool {
        self.makes.contains(path)
    }

    /// What must be here before it can be applied.
    pub(crate) fn chunks(&self) -> Vec<u32> {
        self.groups.iter().flat_map(|group| &group.chunks).copied().collect()
    }
}

/// Groups that belong together because a file goes on from one to the next.
fn runs(groups: Vec<DeltaGroup>) -> Vec<Vec<DeltaGroup>> {
    let mut runs: Vec<Vec<DeltaGroup>> = Vec::new();
    for group in groups {
        match runs.last_mut() {
            Some(run) if group.pieces.first().is_some_and(|piece| piece.at > 0) => run.push(group),
            _ => runs.push(vec![group]),
        }
    }
    runs
}

/// Bytes that these chunks still cost.
fn cost<'a>(realise: &Realise<'_>, places: impl Iterator<Item = &'a u32>, cache: &Cache) -> u64 {
    let places: BTreeSet<&u32> = places.collect();
    let chunks = places.into_iter().filter_map(|place| realise.bundle.chunks.get(*place as usize));
    chunks.filter(|chunk| !cache.has(&chunk.id)).map(|chunk| u64::from(chunk.stored)).sum()
}

/// What applying gave.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) made: u64,
    /// Files that must come another way, and why.
    pub(crate) failed: Vec<(TreePath, String)>,
}

/// Makes the files of all chosen groups. What cannot be made is in the outcome, not an error: only this disk's refusals are.
pub(crate) async fn apply(
    realise: &Realise<'_>,
    chosen: &Chosen,
    wanted: &WantedFiles<'_>,
    cache: &Cache,
) -> Result<Outcome, ContentError> {
    let folder = made_folder(realise)?;
    let mark = folder.join(cache::DURABLE_MARK);
    match fs::remove_file(&mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(ContentError::io("remove", mark)(error));
        }
        _ => {}
    }
    let mut making = Making {
        realise,
        wanted,
        folder: folder.clone(),
        open: None,
        outcome: Outcome::default(),
        done: BTreeSet::new(),
        old: Vec::new(),
    };
    for group in &chosen.groups {
        let result = match join(realise, &group.chunks, cache) {
            None => Err(Stop::Unfit("its chunks are not complete".to_owned())),
            Some(bytes) => making.group(group, &bytes).await,
        };
        match result {
            Ok(()) => {}
            Err(Stop::Disk(error)) => return Err(error),
            Err(Stop::Unfit(why)) => making.give_up(group, &why)?,
        }
    }
    for path in chosen.makes.iter().filter(|path| !making.done.contains(*path)) {
        if !making.outcome.failed.iter().any(|(failed, _)| failed == path) {
            making.outcome.failed.push((path.clone(), "no piece completes it".to_owned()));
        }
    }
    let durable = || {
        rustix::fs::syncfs(File::open(&folder)?)?;
        File::create(&mark)?.sync_all()
    };
    durable().map_err(ContentError::io("write", &mark))?;
    Ok(making.outcome)
}

/// Why a group ends early.
enum Stop {
    /// This disk refuses: the fetch ends.
    Disk(ContentError),
    /// The delta or what it is applied to is not what it should be: its files come as chunks.
    Unfit(String),
}

impl From<ContentError> for Stop {
    fn from(error: ContentError) -> Self {
        Self::Disk(error)
    }
}

struct Making<'a> {
    realise: &'a Realise<'a>,
    wanted: &'a WantedFiles<'a>,
    folder: PathBuf,
    open: Option<Growing<'a>>,
    outcome: Outcome,
    done: BTreeSet<TreePath>,
    /// Old content of the piece at hand; kept to spare the allocation.
    old: Vec<u8>,
}

/// The one file that is not complete yet.
struct Growing<'a> {
    path: TreePath,
    file: File,
    content: Comparison<'a>,
    /// Once the disk refused: why.
    refused: Option<io::Error>,
}

impl Write for Growing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.file.write_all(bytes) {
            self.refused = Some(error);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.content.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Making<'_> {
    async fn group(&mut self, group: &DeltaGroup, bytes: &[u8]) -> Result<(), Stop> {
        match group.method {
            DeltaMethod::Words => {
                let mut reader = GroupReader::new(bytes).map_err(unfit)?;
                for piece in &group.pieces {
                    let mut old = std::mem::take(&mut self.old);
                    old.clear();
                    self.read_old(piece, &mut old)?;
                    self.piece(piece, |to| reader.piece(&old, piece.size, to))?;
                    self.old = old;
                    tokio::task::yield_now().await;
                }
            }
            DeltaMethod::Zstd => {
                let mut old = std::mem::take(&mut self.old);
                old.clear();
                for piece in &group.pieces {
                    self.read_old(piece, &mut old)?;
                }
                let mut frame = patch::Patch::new(&old, bytes).map_err(unfit)?;
                for piece in &group.pieces {
                    self.piece(piece, |to| frame.next(piece.size, to))?;
                    tokio::task::yield_now().await;
                }
                drop(frame);
                self.old = old;
            }
        }
        Ok(())
    }

    /// Appends the old bytes that a piece refers to.
    fn read_old(&self, piece: &DeltaPiece, old: &mut Vec<u8>) -> Result<(), Stop> {
        let gone = || Stop::Unfit(format!("`{}` is not here any more", piece.old_path()));
        let path = seed_file(self.realise, piece.old_path(), piece.old_size).ok_or_else(gone)?;
        let start = old.len();
        old.resize(start + usize::try_from(piece.old_bytes()).map_err(|_| gone())?, 0);
        File::open(&path)
            .and_then(|file| file.read_exact_at(&mut old[start..], piece.old_at))
            .map_err(|error| Stop::Unfit(format!("{}: {error}", path.display())))
    }

    /// Makes one piece; the last one of a file completes it.
    fn piece(
        &mut self,
        piece: &DeltaPiece,
        make: impl FnOnce(&mut dyn Write) -> Result<(), DeltaError>,
    ) -> Result<(), Stop> {
        let Some(file) = self.wanted.get(&piece.path) else {
            return make(&mut io::sink()).map_err(unfit);
        };
        let place = self.folder.join(file.digest.to_hex());
        let growing = growing(&place);
        if piece.at == 0 {
            let at = File::create(&growing).map_err(ContentError::io("create", &growing))?;
            let content = Comparison::new(self.realise.bundle, file.chunks);
            let (path, refused) = (piece.path.clone(), None);
            self.open = Some(Growing { path, file: at, content, refused });
        }
        let Some(open) = self.open.as_mut().filter(|open| open.path == piece.path) else {
            return Err(Stop::Unfit("an earlier piece of the same file failed".to_owned()));
        };
        if let Err(error) = make(open) {
            return Err(match open.refused.take() {
                Some(source) => Stop::Disk(ContentError::io("write", &growing)(source)),
                None => unfit(error),
            });
        }
        if piece.at + piece.size < file.size.0 {
            return Ok(());
        }
        if !self.open.take().is_some_and(|open| open.content.fits()) {
            return Err(Stop::Unfit(self.blame(piece)));
        }
        fs::rename(&growing, &place).map_err(ContentError::io("write", &place))?;
        self.done.insert(piece.path.clone());
        self.outcome.made += 1;
        Ok(())
    }

    /// What was wrong when the outcome is another file: the old file, or else the delta.
    fn blame(&self, piece: &DeltaPiece) -> String {
        let old = piece.old_path();
        let found = seed_file(self.realise, old, piece.old_size)
            .and_then(|path| tree::digest_of(&path).ok());
        match found {
            Some(found) if found == piece.old_digest => {
                "the delta is damaged: what it makes is another file".to_owned()
            }
            Some(found) => {
                format!("`{old}` was changed here: expected {}, found {found}", piece.old_digest)
            }
            None => format!("`{old}` is not here any more"),
        }
    }

    /// All files of a group that are not done come another way.
    fn give_up(&mut self, group: &DeltaGroup, why: &str) -> Result<(), ContentError> {
        self.open = None;
        for piece in &group.pieces {
            let Some(file) = self.wanted.get(&piece.path) else { continue };
            let is_known = self.outcome.failed.iter().any(|(path, _)| *path == piece.path);
            if self.done.contains(&piece.path) || is_known {
                continue;
            }
            self.outcome.failed.push((piece.path.clone(), why.to_owned()));
            let growing = growing(&self.folder.join(file.digest.to_hex()));
            match fs::remove_file(&growing) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ContentError::io("remove", growing)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn unfit(error: DeltaError) -> Stop {
    Stop::Unfit(refit_names::chain(&error))
}

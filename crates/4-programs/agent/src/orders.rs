//! Orders on the host's own disk: `STATE/orders/ROLLOUT-GENERATION/`.
//!
//! ```text
//! orders/seen.json               newest generation of each rollout, with its plan: older ones are refused
//! orders/active.json             the order that was persisted and is not dropped
//! orders/R-1/stages.json         what each finished sub-stage found
//! orders/R-1/records/0.json      the verified record of leg 0, byte for byte as signed
//! orders/R-1/way-back.json       instead of it, of an order that removes a pack: the procedure, as this host made it
//! orders/R-1/order.json          the order; from here on the host needs no server
//! orders/R-1/commands.json       identifiers of all steps, for people
//! ```

use crate::files;
use refit_names::{
    BuildId, ByteSize, Coded, Digest, DigestReader, ErrorClass, Generation, RolloutName, StepId,
};
use refit_packs::{
    record::{PackRecord, RecordError, validate},
    runbook::Phase,
};
use refit_plan::{Order, OrderKey, PackPin};
use refit_protocol::agent::{Measured, PrepareEvidence, StageNote};
use refit_rollout::PrepareStage;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// Why orders on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OrderStoreError {
    /// The file system refused, or a file is damaged.
    #[error("failed to {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A record is not the one that the order pins.
    #[error("record {} of build {build} is not the one that the order pins: expected {expected}, found {found}", .path.display())]
    RecordDigest {
        /// Where it is kept.
        path: PathBuf,
        /// The build that its pack leads to.
        build: BuildId,
        /// What the order pins.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// A record contradicts itself.
    #[error("record {} is not valid", .path.display())]
    Record {
        /// Where it is kept.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
}

impl Coded for OrderStoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "agent.file-system",
            Self::RecordDigest { .. } => "order.record-mismatch",
            Self::Record { .. } => "order.record-invalid",
        }
    }
    fn class(&self) -> ErrorClass {
        match self {
            Self::Io { .. } => ErrorClass::Retry,
            Self::RecordDigest { .. } | Self::Record { .. } => ErrorClass::NeedsOperator,
        }
    }
}

impl OrderStoreError {
    /// Whether a file is there whose text is not what was written.
    fn is_damage(&self) -> bool {
        let Self::Io { source, .. } = self else { return false };
        matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OrderStoreError {
    let path = path.to_owned();
    move |source| OrderStoreError::Io { action, path, source }
}

type Stored<T> = Result<T, OrderStoreError>;

/// The newest order of a rollout that this host accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) generation: Generation,
    pub(crate) plan: Digest,
}

/// What prepare has found so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct StageBook {
    /// Finished sub-stages, in order.
    pub(crate) done: Vec<StageNote>,
    /// Bytes that came over the network, over all tries.
    pub(crate) bytes_fetched: ByteSize,
    /// Bytes of the whole content of all packs, compressed.
    pub(crate) bytes_full: ByteSize,
    /// Preflight values, once measured.
    pub(crate) preflight: Vec<Measured>,
}

impl StageBook {
    pub(crate) fn evidence(&self) -> PrepareEvidence {
        PrepareEvidence {
            bytes_fetched: self.bytes_fetched,
            bytes_full: self.bytes_full,
            stages: self.done.clone(),
            preflight: self.preflight.clone(),
        }
    }
}

/// Identifiers of what an order will do.
#[derive(Serialize)]
struct Commands<'a> {
    plan: Digest,
    legs: Vec<CommandLeg<'a>>,
}

#[derive(Serialize)]
struct CommandLeg<'a> {
    pack: &'a PackPin,
    runbook: String,
    steps: Vec<(Phase, &'a StepId, &'static str)>,
}

/// What of a record says where its content is.
#[derive(Deserialize)]
struct RecordPart {
    bundle: BundlePart,
}

#[derive(Deserialize)]
struct BundlePart {
    digest: Digest,
}

/// The folder `orders`.
#[derive(Debug, Clone)]
pub(crate) struct OrderStore {
    dir: PathBuf,
}

impl OrderStore {
    pub(crate) fn new(state: &Path) -> Self {
        Self { dir: state.join("orders") }
    }

    pub(crate) fn folder(&self, key: &OrderKey) -> PathBuf {
        self.dir.join(format!("{}-{}", key.rollout, key.generation))
    }

    pub(crate) fn seen(&self) -> Stored<BTreeMap<RolloutName, Seen>> {
        self.read("seen.json").map(Option::unwrap_or_default)
    }

    /// Remembers that this generation was accepted.
    pub(crate) fn accept(&self, order: &Order) -> Stored<()> {
        let mut seen = self.seen()?;
        let now = Seen { generation: order.key.generation, plan: order.plan };
        if seen.insert(order.key.rollout.clone(), now.clone()) != Some(now) {
            self.write(Path::new("seen.json"), &seen)?;
        }
        Ok(())
    }

    /// What prepare found; nothing where a power cut damaged it: prepare finds again what is done.
    pub(crate) fn stages(&self, key: &OrderKey) -> Stored<StageBook> {
        match self.read(self.folder(key).join("stages.json")) {
            Err(error) if error.is_damage() => {
                tracing::warn!("prepare begins anew: {}", refit_names::chain(&error));
                Ok(StageBook::default())
            }
            read => read.map(Option::unwrap_or_default),
        }
    }

    /// Durable once prepare is done: until then it costs no more than a look.
    pub(crate) fn save_stages(&self, key: &OrderKey, book: &StageBook) -> Stored<()> {
        let name = self.folder(key).join("stages.json");
        if book.done.len() == PrepareStage::ALL.len() {
            return self.write(&name, book);
        }
        self.note(&name, book)
    }

    fn record_path(&self, key: &OrderKey, leg: usize) -> PathBuf {
        self.folder(key).join("records").join(format!("{leg}.json"))
    }

    /// Keeps the signed text of a record, after checking it against the pin.
    pub(crate) fn save_record(
        &self,
        order: &Order,
        leg: usize,
        text: Vec<u8>,
    ) -> Stored<PackRecord> {
        let (path, pin) = (self.record_path(&order.key, leg), &order.legs[leg].pack);
        check_digest(&path, pin, Digest::of(&text))?;
        files::write(&path, &text).map_err(failed("write", &path))?;
        // Of a large pack it has twenty megabytes, and what is read from it as many again.
        drop(text);
        read_record(&path, pin)
    }

    /// Keeps the procedure of a removal. This host made it of the signed record of the pack that goes, so no pin is for it.
    pub(crate) fn save_way_back(&self, order: &Order, record: &PackRecord) -> Stored<()> {
        let path = self.folder(&order.key).join("way-back.json");
        validate(record)
            .map_err(|source| OrderStoreError::Record { path: path.clone(), source })?;
        files::write_json(&path, record).map_err(failed("write", &path))
    }

    fn way_back(&self, key: &OrderKey) -> Stored<Option<PackRecord>> {
        let path = self.folder(key).join("way-back.json");
        let record: Option<PackRecord> = self.read(&path)?;
        record.map(|record| sound(record, &path)).transpose()
    }

    /// The verified record of a leg; none when it was not fetched.
    pub(crate) fn record(&self, order: &Order, leg: usize) -> Stored<Option<PackRecord>> {
        if order.legs[leg].is_removal() {
            return self.way_back(&order.key);
        }
        let path = self.record_path(&order.key, leg);
        match read_record(&path, &order.legs[leg].pack) {
            Err(OrderStoreError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    /// The verified records of all legs.
    pub(crate) fn records(&self, order: &Order) -> Stored<Vec<PackRecord>> {
        (0..order.legs.len())
            .map(|leg| {
                self.record(order, leg)?.ok_or_else(|| {
                    let path = self.record_path(&order.key, leg);
                    failed("find", &path)(io::ErrorKind::NotFound.into())
                })
            })
            .collect()
    }

    /// Writes the order with all identifiers; when it returns, the host can go on without the server.
    pub(crate) fn persist(&self, order: &Order, records: &[PackRecord]) -> Stored<()> {
        let folder = self.folder(&order.key);
        let legs = order.legs.iter().zip(records).map(|(leg, record)| CommandLeg {
            pack: &leg.pack,
            runbook: format!("{} version {}", record.runbook.name, record.runbook.version),
            steps: (record.runbook.steps.iter())
                .map(|step| (step.phase, &step.id, step.kind.name()))
                .collect(),
        });
        let commands = Commands { plan: order.plan, legs: legs.collect() };
        self.note(&folder.join("commands.json"), &commands)?;
        self.write(&folder.join("order.json"), order)?;
        self.write(Path::new("active.json"), &order.key)
    }

    /// The order that was persisted last, unless it was dropped.
    pub(crate) fn active(&self) -> Stored<Option<Order>> {
        match self.read::<OrderKey>("active.json")? {
            Some(key) => self.stored(&key),
            None => Ok(None),
        }
    }

    /// The order that was persisted under `key`.
    pub(crate) fn stored(&self, key: &OrderKey) -> Stored<Option<Order>> {
        self.read(self.folder(key).join("order.json"))
    }

    /// Every order that was persisted and not dropped.
    pub(crate) fn all(&self) -> Stored<Vec<Order>> {
        let mut orders = Vec::new();
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            // Beside the orders lies what was seen of them.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                orders.extend(self.read::<Order>(entry.path().join("order.json"))?);
            }
        }
        Ok(orders)
    }

    /// Forgets an order that was not begun. What was seen of its generation stays.
    pub(crate) fn drop_order(&self, key: &OrderKey) -> Stored<()> {
        self.retire(key)?;
        let folder = self.folder(key);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("remove", &folder)(error))
            }
            _ => Ok(()),
        }
    }

    /// Keeps a finished order's files, but does not go on with it after a restart.
    pub(crate) fn retire(&self, key: &OrderKey) -> Stored<()> {
        if self.read::<OrderKey>("active.json")?.as_ref() != Some(key) {
            return Ok(());
        }
        let path = self.dir.join("active.json");
        fs::remove_file(&path)
            .and_then(|()| files::sync_folder(&self.dir))
            .map_err(failed("remove", &path))
    }

    /// SHA-256 of the bundles that orders still need: the one that is being prepared, and the one that was persisted and is not finished.
    pub(crate) fn bundles_needed(&self) -> Stored<BTreeSet<String>> {
        let mut keys: BTreeSet<OrderKey> = self.read("active.json")?.into_iter().collect();
        let seen = self.seen()?.into_iter();
        let seen = seen.map(|(rollout, seen)| OrderKey { rollout, generation: seen.generation });
        keys.extend(seen.filter(|key| !self.folder(key).join("order.json").exists()));
        let mut bundles = BTreeSet::new();
        for key in keys {
            // Legs follow each other; their records come before any of their content.
            for leg in 0.. {
                let Some(part) = self.read::<RecordPart>(self.record_path(&key, leg))? else {
                    break;
                };
                bundles.insert(part.bundle.digest.to_hex());
            }
        }
        Ok(bundles)
    }

    fn read<T: serde::de::DeserializeOwned>(&self, name: impl AsRef<Path>) -> Stored<Option<T>> {
        let path = self.dir.join(name);
        files::read_json(&path).map_err(failed("read", &path))
    }

    fn write<T: Serialize>(&self, name: &Path, value: &T) -> Stored<()> {
        let path = self.dir.join(name);
        files::write_json(&path, value).map_err(failed("write", &path))
    }

    fn note<T: Serialize>(&self, name: &Path, value: &T) -> Stored<()> {
        let path = self.dir.join(name);
        files::note_json(&path, value).map_err(failed("write", &path))
    }
}

fn check_digest(path: &Path, pin: &PackPin, found: Digest) -> Stored<()> {
    if found == pin.digest {
        return Ok(());
    }
    let (path, build) = (path.to_owned(), pin.to.clone());
    Err(OrderStoreError::RecordDigest { path, build, expected: pin.digest, found })
}

/// Looks at the file twice, so that its text is never in memory as a whole.
fn read_record(path: &Path, pin: &PackPin) -> Stored<PackRecord> {
    let open = || fs::File::open(path).map_err(failed("read", path));
    let found = DigestReader::new(open()?).finish().map_err(failed("read", path))?;
    check_digest(path, pin, found)?;
    let record: PackRecord = serde_json::from_reader(io::BufReader::new(open()?))
        .map_err(|error| failed("read", path)(error.into()))?;
    sound(record, path)
}

fn sound(record: PackRecord, path: &Path) -> Stored<PackRecord> {
    validate(&record)
        .map_err(|source| OrderStoreError::Record { path: path.to_owned(), source })?;
    Ok(record)
}

#[cfg(test)]
mod tests;

//! Why something could not be built, read or published.

use refit_names::{BuildId, ByteSize, Coded, Digest, ErrorClass, ProductName, TargetName};
use refit_packs::{manifest::ManifestError, record::RecordError, runbook::RunbookError};
use std::{io, path::PathBuf};

/// Why something could not be built, read or published.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// The file system refused.
    #[error("failed to {action} {}", path.display())]
    Io {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The manifest says something that it must not, or not enough.
    #[error("{} is not a valid manifest", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ManifestError>,
    },
    /// The runbook says something that it must not, or not enough.
    #[error("{} is not a valid runbook", path.display())]
    Runbook {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<RunbookError>,
    },
    /// Something in the folder cannot become part of a tree.
    #[error("{} cannot be packed: {why}", path.display())]
    UnfitTree {
        /// The file, link or folder.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// Deltas against a build that the pack does not follow.
    #[error("{} does not follow this build: expected {expected}, found {found}", path.display())]
    NotBefore {
        /// The pack's folder.
        path: PathBuf,
        /// Product and builds that the manifest names in `from`.
        expected: String,
        /// Product and build of the old pack.
        found: String,
    },
    /// Entries of an archive or folder cannot become part of a tree.
    #[error("{} cannot be imported: {}; nothing was written", path.display(), told(faults))]
    Import {
        /// The archive or folder.
        path: PathBuf,
        /// Each entry with why not.
        faults: Vec<String>,
    },
    /// An archive cannot be read.
    #[error("archive {} cannot be read; nothing was written", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// More comes out of an archive than may.
    #[error("archive {} has {size} and grows beyond {limit}; nothing was written", path.display())]
    Bomb {
        /// The archive.
        path: PathBuf,
        /// Its own size.
        size: ByteSize,
        /// What may come out of it.
        limit: ByteSize,
    },
    /// A file that is read whole is too large.
    #[error("{} has {found}, expected at most {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: ByteSize,
        /// The largest size.
        limit: ByteSize,
    },
    /// The record contradicts itself.
    #[error("record of {} is not valid", path.display())]
    Record {
        /// The pack or the folder.
        path: PathBuf,
        /// What is wrong.
        source: Box<RecordError>,
    },
    /// The file was never a pack.
    #[error("{} is not a pack: {why}", path.display())]
    NotAPack {
        /// The file.
        path: PathBuf,
        /// How it can be seen.
        why: String,
    },
    /// The pack is not what was built.
    #[error("pack {} is damaged: {what}: expected {expected}, found {found}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part.
        what: String,
        /// What the record says.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The pack has no signature, and one was asked for.
    #[error("pack {} is not signed, expected a signature by {expected}", path.display())]
    Unsigned {
        /// The file.
        path: PathBuf,
        /// The key.
        expected: String,
    },
    /// The pack has a signature that does not fit its record.
    #[error("signature of pack {} does not fit: signed by {signer}", path.display())]
    BadSignature {
        /// The file.
        path: PathBuf,
        /// The key that the signature names.
        signer: String,
    },
    /// The pack is signed by somebody else.
    #[error("pack {} is signed by {found}, expected {expected}", path.display())]
    WrongSigner {
        /// The file.
        path: PathBuf,
        /// The key that was asked for.
        expected: String,
        /// The key that signed.
        found: String,
    },
    /// A key file cannot be used.
    #[error("key {} cannot be used: {why}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// There is a repository, or a key, already.
    #[error("{} exists already; nothing was changed", path.display())]
    Exists {
        /// The folder or file.
        path: PathBuf,
    },
    /// The repository's own metadata cannot be read or does not verify.
    #[error("repository {} cannot be edited: {why}", path.display())]
    BrokenRepository {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The same build of the same product is published with other content.
    #[error(
        "{product} {build} is already published with other content: expected record {expected}, found {found}"
    )]
    AlreadyPublished {
        /// The product.
        product: ProductName,
        /// The build that the pack leads to.
        build: BuildId,
        /// The record in the repository.
        expected: Box<Digest>,
        /// The record of the pack that was to be published.
        found: Box<Digest>,
    },
    /// The pack was taken back.
    #[error("{product} {build} was withdrawn: {reason}; expected a new build that supersedes it")]
    Withdrawn {
        /// The product.
        product: ProductName,
        /// The build that the pack leads to.
        build: BuildId,
        /// Why.
        reason: String,
    },
    /// The catalogue has no such pack.
    #[error("repository has no pack of {product} to {build}; it has: {}", builds(known))]
    UnknownPack {
        /// The product.
        product: ProductName,
        /// The build.
        build: BuildId,
        /// Builds of the product that it has packs to.
        known: Vec<BuildId>,
    },
    /// A reason that nobody could read.
    #[error("reason has {found} characters, expected 1 to {limit} in one line")]
    Reason {
        /// How many.
        found: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// A threshold that no set of signatures can reach, or that nobody needs to reach.
    #[error("threshold of {role} is {threshold}, expected 1 to {keys}")]
    Threshold {
        /// The role.
        role: String,
        /// What was asked for.
        threshold: u64,
        /// How many keys there are.
        keys: u64,
    },
    /// Fewer signatures than the keys' owners agreed on.
    #[error(
        "{role} metadata has {found} of the {threshold} signatures that it needs; nothing was changed"
    )]
    BelowThreshold {
        /// The role.
        role: String,
        /// How many must sign.
        threshold: u64,
        /// How many have signed.
        found: u64,
    },
    /// A key that has no part in what is to be signed.
    #[error("none of the keys given may sign {role} metadata")]
    ForeignKey {
        /// The role.
        role: String,
    },
    /// A key that a role does not have, or a beginning that fits several.
    #[error("role {role} has {found} keys that begin with `{key}`, expected 1")]
    NoSuchKey {
        /// The role.
        role: String,
        /// What was asked for.
        key: String,
        /// How many fit.
        found: usize,
    },
    /// Nothing waits for signatures.
    #[error("no {role} metadata wait for signatures in {}", path.display())]
    NothingStaged {
        /// The role.
        role: String,
        /// Where they would be.
        path: PathBuf,
    },
    /// What waits was made on top of another state.
    #[error(
        "{role} metadata that wait do not follow the published ones: expected version {expected}, found {found}"
    )]
    Stale {
        /// The role.
        role: String,
        /// One more than the published version.
        expected: u64,
        /// The version of what waits.
        found: u64,
    },
    /// There is no such delegation.
    #[error("repository delegates nothing to `{role}`")]
    NoDelegation {
        /// The name.
        role: String,
    },
    /// A delegation that makes no sense.
    #[error("delegation `{name}` cannot be made: {why}")]
    Delegation {
        /// The name.
        name: String,
        /// Why not.
        why: String,
    },
    /// A vendor publishes what is not his.
    #[error("`{role}` may not publish target `{target}`, only {paths}")]
    NotDelegated {
        /// The vendor.
        role: String,
        /// The target.
        target: String,
        /// What is delegated to him.
        paths: String,
    },
    /// The same version of the same runbook is published with other content.
    #[error(
        "runbook target {target} is published with other content: expected {expected}, found {found}; raise its version"
    )]
    RunbookPublished {
        /// The target.
        target: TargetName,
        /// What is published.
        expected: Box<Digest>,
        /// What was to be published.
        found: Box<Digest>,
    },
    /// Metadata could not be written in their signed form.
    #[error("failed to write the repository's metadata: {why}")]
    Metadata {
        /// Why not.
        why: String,
    },
}

fn builds(known: &[BuildId]) -> String {
    match known {
        [] => "none of the product".to_owned(),
        some => some.iter().map(BuildId::as_str).collect::<Vec<_>>().join(", "),
    }
}

fn told(faults: &[String]) -> String {
    match faults {
        [only] => only.clone(),
        many => format!("{} faults", many.len()),
    }
}

impl ForgeError {
    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action: "read", path, source }
    }

    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action: "write", path, source }
    }

    /// Whether a signature or a digest was wrong or missing, as opposed to anything else.
    #[must_use]
    pub const fn is_verification(&self) -> bool {
        matches!(
            self,
            Self::NotAPack { .. }
                | Self::Damaged { .. }
                | Self::Record { .. }
                | Self::Unsigned { .. }
                | Self::BadSignature { .. }
                | Self::WrongSigner { .. }
                | Self::BrokenRepository { .. }
        )
    }
}

impl Coded for ForgeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "pack.file-system",
            Self::Manifest { source, .. } => source.code(),
            Self::Runbook { source, .. } => source.code(),
            Self::UnfitTree { .. } => "pack.unfit-tree",
            Self::NotBefore { .. } => "pack.not-before",
            Self::Import { .. } => "pack.unfit-tree",
            Self::Archive { .. } => "pack.unreadable-archive",
            Self::Bomb { .. } => "pack.archive-bomb",
            Self::TooLarge { .. } => "pack.too-large",
            Self::Record { source, .. } => source.code(),
            Self::NotAPack { .. } => "pack.not-a-pack",
            Self::Damaged { .. } => "pack.damaged",
            Self::Unsigned { .. } => "pack.unsigned",
            Self::BadSignature { .. } => "pack.bad-signature",
            Self::WrongSigner { .. } => "pack.wrong-key",
            Self::Key { .. } => "pack.unusable-key",
            Self::Exists { .. } => "repo.exists",
            Self::BrokenRepository { .. } => "repo.broken",
            Self::AlreadyPublished { .. } => "repo.already-published",
            Self::Threshold { .. } => "repo.threshold",
            Self::Withdrawn { .. } => "repo.withdrawn",
            Self::UnknownPack { .. } => "repo.unknown-pack",
            Self::Reason { .. } => "repo.reason",
            Self::BelowThreshold { .. } => "repo.below-threshold",
            Self::ForeignKey { .. } => "repo.foreign-key",
            Self::NoSuchKey { .. } => "repo.no-such-key",
            Self::NothingStaged { .. } => "repo.nothing-staged",
            Self::Stale { .. } => "repo.stale",
            Self::NoDelegation { .. } => "repo.no-delegation",
            Self::Delegation { .. } => "repo.bad-delegation",
            Self::NotDelegated { .. } => "repo.not-delegated",
            Self::RunbookPublished { .. } => "repo.already-published",
            Self::Metadata { .. } => "repo.signing-failed",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Damaged { .. }
            | Self::NotAPack { .. }
            | Self::Record { .. }
            | Self::BadSignature { .. } => ErrorClass::Permanent,
            _ => ErrorClass::NeedsOperator,
        }
    }
}

//! What can go wrong on a host. Every error that ends in a report has a code with a page.

use refit_journal::{Cause, ChainBroken, HashError, JournalBroken};
use refit_names::{BuildId, Coded, Digest, ErrorClass, ProductName, StepId};
use std::path::{Path, PathBuf};

/// Why an order cannot be carried out or looked at.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What the journal says of the order contradicts itself.
    #[error("the journal of this order contradicts itself")]
    Contradiction(#[from] JournalBroken),
    /// Order, records and product do not belong together.
    #[error("{what} is `{found}`, expected `{expected}`")]
    Mismatch {
        /// What differs.
        what: &'static str,
        /// What the order or the host says.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A step of prepare failed.
    #[error("step `{step}` of leg {leg} failed: {}", cause.text)]
    Step {
        /// Which leg, from 0.
        leg: u32,
        /// Which step.
        step: StepId,
        /// The root cause.
        cause: Cause,
    },
    /// The host does not answer.
    #[error(transparent)]
    Host(Box<StepError>),
    /// Something that was kept cannot be read again.
    #[error("{what} is not readable")]
    Kept {
        /// What was kept.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl From<StepError> for EngineError {
    fn from(error: StepError) -> Self {
        Self::Host(Box::new(error))
    }
}

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another agent runs.
    #[error("state folder {} is locked by process {pid}, expected no other agent", state.display())]
    Locked {
        /// Which folder.
        state: PathBuf,
        /// The other's process id, as it wrote it.
        pid: String,
    },
    /// The lock or its folder cannot be used.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database refused.
    #[error("failed to {what} the journal {}", path.display())]
    Storage {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// There is no room for it.
    #[error("failed to {what} the journal {}: its volume is full", path.display())]
    Full {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the database said.
        source: rusqlite::Error,
    },
    /// An entry cannot be written as JSON or read from it.
    #[error("journal entry {seq} is not readable")]
    Text {
        /// Which entry.
        seq: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// An entry was altered, left out or put in.
    #[error("the journal {} was altered", path.display())]
    Broken {
        /// Which file.
        path: PathBuf,
        /// Where.
        source: ChainBroken,
    },
    /// An entry cannot be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A system call failed.
    #[error("failed to {what}")]
    Io {
        /// What was tried, with which file.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// A command ended otherwise than well.
    #[error("`{command}` ended with {status}, expected exit code 0; it said: {said}")]
    Command {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
        /// The end of its output.
        said: String,
    },
    /// A command ended with a code that its step does not accept.
    #[error("`{command}` ended with {status}, expected {expected}; it said: {said}")]
    ExitCode {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
        /// The codes that are accepted.
        expected: String,
        /// The end of its output.
        said: String,
    },
    /// A step did not say what its runbook expects.
    #[error("the step said `{found}`, expected a text with `{expected}`")]
    Unexpected {
        /// The text that is expected.
        expected: String,
        /// What it said.
        found: String,
    },
    /// A check measured something that is not well.
    #[error("{text}")]
    Check {
        /// The code of the worst of it.
        code: &'static str,
        /// Each measured value with its limit and its remedy.
        text: String,
    },
    /// A command took too long; it and its children were killed.
    #[error("`{command}` did not end within {limit_ms} ms and was killed; it said: {said}")]
    TimedOut {
        /// The command.
        command: String,
        /// Its limit.
        limit_ms: u128,
        /// The end of its output.
        said: String,
    },
    /// A command ended and what it had started did not.
    #[error(
        "`{command}` ended, but what it started was still running after {limit_ms} ms and was ended: {list}"
    )]
    LeftRunning {
        /// The command.
        command: String,
        /// Its limit.
        limit_ms: u128,
        /// Process id, command and user of each.
        list: String,
    },
    /// A step of a kind that is newer than this agent.
    #[error("this agent cannot carry out steps of kind `{kind}`")]
    Unable {
        /// Which kind.
        kind: &'static str,
    },
    /// A command has no program.
    #[error("a command is empty, expected a program and its arguments")]
    EmptyCommand,
    /// The host does not know the user.
    #[error("user `{user}` is not known to this host")]
    UnknownUser {
        /// Who.
        user: String,
    },
    /// A parameter has no value.
    #[error(
        "parameter `{parameter}` has no value, expected one from the order, the host's configuration or the runbook"
    )]
    NoValue {
        /// Which.
        parameter: String,
    },
    /// A parameter's value is not of its kind.
    #[error("{what} is `{found}`, expected {expected}")]
    BadValue {
        /// Where it stands.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it ought to be.
        expected: &'static str,
    },
    /// There is too little space.
    #[error("volume of {} has {free} bytes free, expected {needed}", path.display())]
    DiskFull {
        /// A folder on the volume.
        path: PathBuf,
        /// What is free.
        free: u64,
        /// What is needed.
        needed: u64,
    },
    /// Another build is installed.
    #[error("build `{found}` is installed, expected `{expected}`")]
    WrongBuild {
        /// What the step expects.
        expected: BuildId,
        /// What is there.
        found: String,
    },
    /// The `current` link is no link, or leads elsewhere.
    #[error("{} is {found}, expected a link to a folder of `releases`", path.display())]
    NoLink {
        /// Which.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// The release was not staged.
    #[error("release folder {} is missing, expected it since prepare", path.display())]
    NotStaged {
        /// Which.
        path: PathBuf,
    },
    /// A script removed what it belongs to.
    #[error("release folder {} is gone after `{command}`, expected it still there", path.display())]
    ReleaseTakenAway {
        /// The script.
        command: String,
        /// Which.
        path: PathBuf,
    },
    /// Processes still run from the product's folder.
    #[error("{count} processes still run from {}: {list}", root.display())]
    ProcessesLeft {
        /// How many.
        count: usize,
        /// The product's folder.
        root: PathBuf,
        /// Process id, command and user of each.
        list: String,
    },
    /// Files of the product are not as its build brought them.
    #[error("{count} paths were changed on this host or stand in the way: {list}")]
    LocalChanges {
        /// How many.
        count: usize,
        /// Path, expected and found of each.
        list: String,
    },
    /// Nobody said what the installed build owns.
    #[error("nothing says which files build `{build}` of product `{product}` owns, expected {}: adopt it with `refit-agent adopt`", path.display())]
    NotAdopted {
        /// Which product.
        product: ProductName,
        /// Which build.
        build: BuildId,
        /// Where it would be said.
        path: PathBuf,
    },
    /// A path is not what the exchange left there.
    #[error("{} is not as the exchange left it", path.display())]
    NotExchanged {
        /// Which.
        path: PathBuf,
    },
    /// dpkg is busy.
    #[error("{} is locked, expected nobody to change packages: {list}", path.display())]
    PackagesLocked {
        /// Which lock.
        path: PathBuf,
        /// Process id, command and user.
        list: String,
    },
    /// An earlier installation was not brought to its end.
    #[error("{count} packages are not whole, expected all to be configured: {list}")]
    PackagesBroken {
        /// How many.
        count: usize,
        /// Name, version and state of each.
        list: String,
    },
    /// The carried packages cannot be installed here.
    #[error("the carried packages do not fit this host: {found}")]
    PackagesUnfit {
        /// What does not.
        found: String,
    },
    /// The last pack cannot be removed.
    #[error("build `{build}` of product `{product}` cannot be removed: {because}")]
    CannotUninstall {
        /// Which product.
        product: ProductName,
        /// Which build.
        build: BuildId,
        /// Why.
        because: String,
    },
    /// Files are in use that are about to be exchanged.
    #[error("files are in use {count} times, expected nobody: {list}")]
    FilesHeld {
        /// How many.
        count: usize,
        /// Process id, command, user and file of each.
        list: String,
    },
    /// A service is not in the state that it ought to be in.
    #[error("service {service} is {found}, expected {expected}")]
    Service {
        /// Which.
        service: String,
        /// What it ought to be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// systemd could not be asked.
    #[error("failed to {what} through the system bus")]
    Bus {
        /// What was tried.
        what: String,
        /// Why.
        source: Box<zbus_systemd::zbus::Error>,
    },
    /// A probe did not see what it ought to.
    #[error("{target} gave {found}, expected {expected}")]
    Probe {
        /// What was looked at.
        target: String,
        /// What ought to be seen.
        expected: String,
        /// What was seen.
        found: String,
    },
    /// A test that was to succeed for a while failed in it.
    #[error("well at {looks} looks, failed after {after_ms} of {for_ms} ms")]
    Watched {
        /// Looks that succeeded.
        looks: u32,
        /// When it failed.
        after_ms: u128,
        /// The watch period.
        for_ms: u128,
        /// What was seen.
        source: Box<Self>,
    },
    /// There is no backup of this leg.
    #[error("leg {leg} has no sealed backup, expected one before {before}")]
    NoBackup {
        /// Which leg, from 0.
        leg: u32,
        /// What would have followed.
        before: &'static str,
    },
    /// The unit was not saved, read back or restored.
    #[error(transparent)]
    Backup(#[from] refit_backup::BackupError),
    /// Something was not written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Something that was kept cannot be read again.
    #[error("what was kept of the former state is not readable")]
    Kept(#[from] serde_json::Error),
    /// The release could not be laid.
    #[error("{}", cause.text)]
    Release {
        /// The root cause.
        cause: Cause,
    },
    /// Something else happens to the product.
    #[error(
        "product `{product}` is busy: an order, a backup or a restore runs, expected nothing else"
    )]
    ProductBusy {
        /// Which.
        product: ProductName,
    },
    /// There is nothing to save or to bring back to.
    #[error("no build of product `{product}` is installed, expected one")]
    NothingInstalled {
        /// Which product.
        product: ProductName,
    },
    /// A backup needs the release that ran when it was taken.
    #[error(
        "the backup is of build `{build}`, whose release is not in {} any more: install that build first", path.display()
    )]
    ReleaseGone {
        /// Which build.
        build: BuildId,
        /// Where it would be.
        path: PathBuf,
    },
    /// The release is not the one that ran when the backup was taken.
    #[error("release {} is not what it was when the backup was taken; its newest change: {newest}", path.display())]
    ReleaseNotOfBackup {
        /// Which.
        path: PathBuf,
        /// The file of it that was changed last, and when.
        newest: String,
    },
    /// A file of a release is not what it was a moment before.
    #[error("{} looks like {found}, expected {expected} as before", path.display())]
    ReleaseChanged {
        /// Which.
        path: PathBuf,
        /// As the backup says.
        expected: Digest,
        /// As it is.
        found: Digest,
    },
    /// The machine did not restart.
    #[error(
        "boot `{boot_id}` still runs {after_ms} ms after the restart was asked for, expected another within {within_ms} ms"
    )]
    NoRestart {
        /// The boot.
        boot_id: String,
        /// How long ago it was asked for.
        after_ms: u64,
        /// The limit.
        within_ms: u64,
    },
}

impl StepError {
    pub(crate) fn io(what: &str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let what = format!("{what} {}", path.display());
        move |source| Self::Io { what, source }
    }

    /// The cause as it stands in the journal.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::Release { cause } => cause.clone(),
            other => Cause::of(other),
        }
    }
}

impl Coded for EngineError {
    fn code(&self) -> &'static str {
        match self {
            Self::Journal(error) => error.code(),
            Self::Contradiction(_) => "journal.contradiction",
            Self::Mismatch { .. } => "host.order-mismatch",
            Self::Step { .. } => "host.stage-failed",
            Self::Host(error) => error.code(),
            Self::Kept { .. } => "journal.storage",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Journal(error) => error.class(),
            Self::Step { .. } => ErrorClass::Retry,
            Self::Host(error) => error.class(),
            Self::Contradiction(_) | Self::Kept { .. } => ErrorClass::NeedsOperator,
            Self::Mismatch { .. } => ErrorClass::Permanent,
        }
    }
}

impl Coded for JournalError {
    fn code(&self) -> &'static str {
        match self {
            Self::Locked { .. } => "journal.locked",
            Self::Broken { .. } | Self::Text { .. } => "journal.broken",
            Self::Io { .. } | Self::Storage { .. } | Self::Full { .. } | Self::Hash(_) => {
                "journal.storage"
            }
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Io { .. } | Self::Storage { .. } | Self::Full { .. } => ErrorClass::Retry,
            Self::Locked { .. } | Self::Broken { .. } | Self::Text { .. } | Self::Hash(_) => {
                ErrorClass::NeedsOperator
            }
        }
    }
}

impl Coded for StepError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } | Self::Kept(_) => "host.io",
            Self::Command { .. } | Self::EmptyCommand | Self::Unable { .. } => {
                "host.command-failed"
            }
            Self::ExitCode { .. } | Self::Unexpected { .. } => "host.command-failed",
            Self::Check { code, .. } => code,
            Self::TimedOut { .. } => "host.command-timed-out",
            Self::LeftRunning { .. } => "host.left-running",
            Self::UnknownUser { .. } => "host.unknown-user",
            Self::NoValue { .. } | Self::BadValue { .. } => "host.bad-parameter",
            Self::DiskFull { .. } => "host.disk-full",
            Self::WrongBuild { .. } => "host.wrong-build",
            Self::NoLink { .. } | Self::NotStaged { .. } | Self::ReleaseTakenAway { .. } => {
                "host.layout"
            }
            Self::ProcessesLeft { .. } => "host.processes-left",
            Self::LocalChanges { .. } | Self::NotExchanged { .. } => "host.local-changes",
            Self::NotAdopted { .. } => "host.not-adopted",
            Self::PackagesLocked { .. } => "host.packages-locked",
            Self::PackagesBroken { .. } => "host.packages-broken",
            Self::PackagesUnfit { .. } => "host.packages-unfit",
            Self::CannotUninstall { .. } => "host.cannot-uninstall",
            Self::FilesHeld { .. } => "host.files-held",
            Self::Service { .. } | Self::Bus { .. } => "host.service",
            Self::Probe { .. } => "host.probe-failed",
            Self::Watched { source, .. } => source.code(),
            Self::NoBackup { .. } => "host.no-backup",
            Self::Backup(error) => error.code(),
            Self::Journal(error) => error.code(),
            // The cause carries its own code; see `StepError::cause`.
            Self::Release { .. } => "host.stage-failed",
            Self::NoRestart { .. } => "host.no-restart",
            Self::ProductBusy { .. } => "host.product-busy",
            Self::NothingInstalled { .. } => "host.nothing-installed",
            Self::ReleaseGone { .. }
            | Self::ReleaseNotOfBackup { .. }
            | Self::ReleaseChanged { .. } => "host.release-gone",
        }
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::TimedOut { .. }
            | Self::LeftRunning { .. }
            | Self::Probe { .. }
            | Self::Release { .. }
            | Self::ProductBusy { .. } => ErrorClass::Retry,
            Self::Watched { source, .. } => source.class(),
            Self::Backup(error) => error.class(),
            Self::Journal(error) => error.class(),
            _ => ErrorClass::NeedsOperator,
        }
    }
}

//! Updates: what can follow what, what a check found, and when the next one is.

use jiff::Timestamp;
use refit_names::{
    BuildId, ByteSize, Digest, HostName, ProductName, RolloutName, StepId, TargetName,
};
use refit_packs::{
    manifest::{KnownIssue, PackKind},
    runbook::AskedRole,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

use super::UpdateView;

/// A build that an installed one can be brought to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateTarget {
    /// The build.
    pub build: BuildId,
    /// The way, first and last included.
    pub builds: Vec<BuildId>,
    /// The packs on the way.
    pub packs: Vec<UpdatePack>,
    /// Bytes of all packs, compressed.
    pub size: ByteSize,
    /// Why it is this way and not another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// The build that replaces this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<BuildId>,
}

/// A pack with what people should read first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatePack {
    /// Where it leads.
    pub to: BuildId,
    /// How large a change it is.
    pub kind: PackKind,
    /// One line for people.
    pub title: String,
    /// Bytes, compressed.
    pub size: ByteSize,
    /// The target with its record.
    pub record: TargetName,
    /// SHA-256 of that target.
    pub record_digest: Digest,
    /// The read-me's text.
    pub readme: String,
    /// Troubles known at publication.
    pub known_issues: Vec<KnownIssue>,
}

/// When the repository is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// The interval, in milliseconds.
    pub every_ms: u64,
    /// What chance adds to it at most, in milliseconds.
    pub jitter_ms: u64,
    /// When it was last looked at.
    pub last_at: Option<Timestamp>,
    /// When it was last looked at with success.
    pub last_success_at: Option<Timestamp>,
    /// When it is looked at next by itself.
    pub next_at: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// Since when it fails.
    pub failing_since: Option<Timestamp>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// When it was.
    pub checked_at: Timestamp,
    /// Whether the repository says something else than at the check before.
    pub changed: bool,
    /// Versions of its metadata.
    pub versions: BTreeMap<String, u64>,
    /// When its metadata expires first.
    pub expires_at: Option<Timestamp>,
    /// What was found for the first time; it was also sent to whoever wants to know.
    pub new: Vec<Finding>,
    /// Everything that is available now.
    pub updates: Vec<UpdateView>,
}

/// Something that people want to hear of, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Finding {
    /// An installed build can be brought to another one.
    Update {
        /// The product.
        product: ProductName,
        /// The installed build.
        installed: BuildId,
        /// The way, first and last included.
        builds: Vec<BuildId>,
        /// How many servers it concerns.
        servers: u64,
        /// The last pack's line for people.
        title: String,
        /// Its kind.
        kind: PackKind,
        /// Bytes of all packs, compressed.
        size: ByteSize,
    },
    /// A pack that is in use was withdrawn.
    Withdrawn {
        /// The product.
        product: ProductName,
        /// The build that it leads to.
        build: BuildId,
        /// Why, as its author says.
        reason: String,
        /// How many servers have the build.
        servers: u64,
        /// Rollouts whose plan has the pack.
        rollouts: Vec<RolloutName>,
    },
    /// The repository is not believed any more from then on.
    Expires {
        /// When.
        at: Timestamp,
    },
    /// The repository could not be brought up to date several times in a row.
    CheckFailed {
        /// Since when.
        since: Timestamp,
        /// The last problem.
        problem: String,
    },
    /// A host waits for a person.
    Question {
        /// Of which rollout.
        rollout: RolloutName,
        /// The host.
        host: HostName,
        /// The step.
        step: StepId,
        /// Who is asked.
        ask: AskedRole,
        /// What is asked.
        question: String,
        /// Which answers there are.
        answers: String,
        /// What silence means; empty: the step fails.
        default: String,
        /// When silence becomes the answer.
        until: Timestamp,
        /// Which reminder this is; 0: the first word.
        reminder: u32,
    },
    /// Somebody tries a channel.
    Test {
        /// Who and when.
        text: String,
    },
}

/// Kinds of events: what a channel can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// New paths for installed builds.
    UpdatesAvailable,
    /// A pack in use was withdrawn.
    PackWithdrawn,
    /// Metadata are about to expire.
    MetadataExpires,
    /// Checks fail.
    CheckFailed,
    /// A host asks the owner of its application.
    AsksApplicationOwner,
    /// A host asks whoever deploys.
    AsksOperator,
    /// A host asks whoever makes plans.
    AsksPlanner,
    /// A host asks whoever agrees.
    AsksApprover,
    /// A host asks whoever authorises.
    AsksAuthoriser,
    /// A host asks whoever configures.
    AsksConfigurer,
    /// A try.
    Test,
}

impl EventKind {
    /// All that a channel can be asked for.
    pub const ALL: [Self; 10] = [
        Self::UpdatesAvailable,
        Self::PackWithdrawn,
        Self::MetadataExpires,
        Self::CheckFailed,
        Self::AsksApplicationOwner,
        Self::AsksOperator,
        Self::AsksPlanner,
        Self::AsksApprover,
        Self::AsksAuthoriser,
        Self::AsksConfigurer,
    ];

    /// The event of a question to a role.
    #[must_use]
    pub const fn asks(role: AskedRole) -> Self {
        match role {
            AskedRole::ApplicationOwner => Self::AsksApplicationOwner,
            AskedRole::Operator => Self::AsksOperator,
            AskedRole::Planner => Self::AsksPlanner,
            AskedRole::Approver => Self::AsksApprover,
            AskedRole::Authoriser => Self::AsksAuthoriser,
            AskedRole::Configurer => Self::AsksConfigurer,
        }
    }

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UpdatesAvailable => "updates-available",
            Self::PackWithdrawn => "pack-withdrawn",
            Self::MetadataExpires => "metadata-expires",
            Self::CheckFailed => "check-failed",
            Self::AsksApplicationOwner => "asks-application-owner",
            Self::AsksOperator => "asks-operator",
            Self::AsksPlanner => "asks-planner",
            Self::AsksApprover => "asks-approver",
            Self::AsksAuthoriser => "asks-authoriser",
            Self::AsksConfigurer => "asks-configurer",
            Self::Test => "test",
        }
    }
}

impl Finding {
    /// The event that carries it.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Update { .. } => EventKind::UpdatesAvailable,
            Self::Withdrawn { .. } => EventKind::PackWithdrawn,
            Self::Expires { .. } => EventKind::MetadataExpires,
            Self::CheckFailed { .. } => EventKind::CheckFailed,
            Self::Question { ask, .. } => EventKind::asks(*ask),
            Self::Test { .. } => EventKind::Test,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Update { product, builds, servers, title, size, .. } => {
                let way = builds.iter().map(BuildId::as_str).collect::<Vec<_>>().join(" → ");
                write!(f, "{product} {way}: {} ({title}, {size})", servers_text(*servers))
            }
            Self::Withdrawn { product, build, reason, servers, rollouts } => {
                write!(
                    f,
                    "{product} {build} was withdrawn: {reason}; it runs on {}",
                    servers_text(*servers)
                )?;
                match rollouts.as_slice() {
                    [] => Ok(()),
                    names => {
                        let names = names.iter().map(RolloutName::as_str).collect::<Vec<_>>();
                        write!(f, "; in the plan of {}", names.join(", "))
                    }
                }
            }
            Self::Expires { at } => write!(f, "metadata of the repository expire at {at}"),
            Self::CheckFailed { since, problem } => {
                write!(f, "repository could not be checked since {since}: {problem}")
            }
            Self::Question {
                rollout,
                host,
                step,
                ask,
                question,
                answers,
                default,
                until,
                reminder,
            } => {
                let again = if *reminder > 0 { "still waits" } else { "waits" };
                let silence = if default.is_empty() {
                    "then the step fails".to_owned()
                } else {
                    format!("then the answer is {default}")
                };
                write!(
                    f,
                    "{host} {again} for {ask} until {until}, {silence}: {question} ({answers}) \
                     — refit rollout answer {rollout} {host} {step}"
                )
            }
            Self::Test { text } => f.write_str(text),
        }
    }
}

fn servers_text(count: u64) -> String {
    refit_names::counted(usize::try_from(count).unwrap_or(usize::MAX), "server")
}

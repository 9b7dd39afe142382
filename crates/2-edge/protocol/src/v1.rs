//! The API for people and programs, below `/api/v1`.
//!
//! Each request carries `Authorization: Bearer TOKEN`. Errors are problems.
//!
//! | method and path | body | answer | role |
//! |---|---|---|---|
//! | GET `/healthz`, `/readyz` (no prefix) | – | text | – |
//! | GET `/whoami` | – | [`Whoami`] | any |
//! | GET, POST `/users` | [`NewUser`] | [`UserCreated`] | administrator |
//! | POST `/enrolment-tokens` | [`NewEnrolmentToken`] | [`EnrolmentToken`] | administrator |
//! | GET `/hosts`, `/hosts/{host}` | – | [`HostView`] | any |
//! | POST `/hosts/import` | [`HostImport`] | [`HostImported`] | planner |
//! | GET `/hosts/page?where=&after=&limit=` | – | [`HostPage`]: hosts that an expression names, some at a time | any |
//! | POST `/hosts/{host}/set` | [`HostSet`] | [`FleetImported`] | planner |
//! | POST `/hosts/{host}/retire`, `/unretire` | [`Reason`], – | [`FleetImported`] | planner |
//! | POST `/hosts/{host}/clear-quarantine` | [`ClearQuarantine`] | [`QuarantineCleared`] | deployer |
//! | GET `/hosts/{host}/changes` | – | [`ChangeView`] list | any |
//! | GET `/hosts/{host}/risk` | – | [`HostRisk`] | any |
//! | POST `/fleet/import` | [`FleetImport`] | [`FleetImported`] | planner |
//! | GET `/fleet/records` | – | [`FleetRecords`] | any |
//! | POST `/fleet/{sites,clusters,engineers}/{name}/remove` | – | [`FleetImported`] | planner |
//! | GET `/risk?where=` | – | [`HostRisk`] list | any |
//! | POST `/risk/entries` | [`NewRisk`] | [`RiskEntryView`] | planner, application-owner |
//! | GET `/risk/entries`, POST `/risk/entries/{id}` | [`RiskAct`] | [`RiskEntryView`] | any; planner, application-owner |
//! | GET, POST `/risk/weights` | [`WeightsSet`] | [`WeightsView`] | any; planner |
//! | GET, POST `/windows` | [`WindowsPut`] | [`WindowView`] list, [`WindowsChanged`] | any; planner |
//! | POST `/windows/{name}/remove` | – | [`Removed`] | planner |
//! | GET `/windows/{name}/openings` | [`OpeningsQuery`] as query | [`OpeningsView`] | any |
//! | GET, POST `/freezes`, POST `/freezes/{name}/remove` | freeze | freezes, [`Removed`] | any; planner |
//! | GET, POST `/feeds`, POST `/feeds/{id}/remove` | [`NewFeed`] | [`FeedView`] list, [`FeedCreated`], [`Removed`] | any |
//! | GET `/windows.ics` | [`FeedQuery`] as query, or `secret=` instead of a bearer token | iCalendar | any |
//! | GET `/repository` | – | [`RepositoryView`] | any |
//! | POST `/repository/refresh` | – | [`RepositoryView`] | planner |
//! | GET `/packs/{product}/{build}` | – | [`PackView`] | any |
//! | GET `/updates` | – | [`UpdateView`] list | any |
//! | GET `/updates/path?product=&from=&to=` | – | [`PathView`] | any |
//! | POST `/updates/check` | – | [`CheckReport`] | planner |
//! | GET `/updates/graph?product=&format=` | – | Cincinnati JSON, `json` or `dot` | any |
//! | GET `/notifications/channels` | – | [`ChannelView`] list | any |
//! | POST `/notifications/channels` | [`NewChannel`] | [`ChannelCreated`] | administrator |
//! | POST `/notifications/channels/{id}/remove`, `/test` | – | [`ChannelView`], [`EventView`] | administrator |
//! | GET `/notifications/events?limit=` | – | [`EventView`] list | any |
//! | GET, POST `/rollouts` | [`NewRollout`] | [`RolloutView`] | planner |
//! | GET `/rollouts/{name}` | – | [`RolloutView`] | any |
//! | GET, POST `/rollouts/{name}/plan` | [`PlanRequest`] | [`PlanView`] | planner to make |
//! | GET `/rollouts/{name}/plans` | – | [`PlanLine`] list, the newest first | any |
//! | GET `/rollouts/{name}/plans/{generation}` | – | [`PlanView`] | any |
//! | GET `/rollouts/{name}/rollback/{wave}` | – | the way back of a wave | any |
//! | POST `/rollouts/{name}/agree` | [`Decision`] | [`RolloutView`] | approver, application-owner |
//! | POST `/rollouts/{name}/prepare` | – | [`RolloutView`] | preparer |
//! | POST `/rollouts/{name}/authorise` | [`Decision`] | [`RolloutView`] | authoriser |
//! | POST `/rollouts/{name}/configure` | [`Configuration`] | [`RolloutView`] | configurer |
//! | POST `/rollouts/{name}/deploy` | [`Deploy`] | [`RolloutView`] | deployer |
//! | POST `/rollouts/{name}/pause`, `/resume`, `/cancel` | [`Reason`] | [`RolloutView`] | deployer |
//! | POST `/rollouts/{name}/advance` | – | [`RolloutView`] | deployer |
//! | POST `/rollouts/{name}/hosts/{host}/ignore` | [`Reason`] | [`RolloutView`] | deployer |
//! | GET `/rollouts/{name}/hosts/{host}/why` | – | [`WhyView`] | any |
//! | POST `/rollouts/{name}/hosts/{host}/steps/{step}/acknowledge` | [`Reason`] | [`RolloutView`] | deployer, application-owner |
//! | GET `/questions?rollout=&all=` | [`QuestionsQuery`] as query | [`QuestionView`] list | any |
//! | POST `/rollouts/{name}/hosts/{host}/steps/{step}/answer` | [`NewAnswer`] | [`QuestionView`] | the role that is asked |
//! | GET `/uploads/{digest}` | – | the file that was handed in | any |
//! | GET `/rollouts/{name}/events` | – | server-sent events, each a [`RolloutView`] | any |
//! | POST `/rollouts/{name}/hosts/{host}/sign` | [`SignOff`] | [`CertificateView`] | application-owner, deployer |
//! | GET `/rollouts/{name}/certificates` | – | [`CertificateView`] list | any |
//! | GET `/rollouts/{name}/hosts/{host}/certificate` | – | DSSE envelope, JSON | any |
//! | GET `/rollouts/{name}/hosts/{host}/certificate.pdf` | – | PDF | any |
//! | GET `/rollouts/{name}/rehearsal` | [`RehearsalQuery`] as query | [`RehearsalReport`] | any |
//! | GET `/rollouts/{name}/{approach,project-plan}.{pdf,html}` | [`DocumentQuery`] as query | PDF, HTML | any |
//! | GET `/rollouts/{name}/export.{xlsx,csv,ics}` | [`ExportQuery`] as query | spreadsheet, CSV, iCalendar | any |
//! | GET `/backups`, `/hosts/{host}/backups` | – | [`HostBackups`] | any |
//! | POST `/hosts/{host}/backups` | [`NewBackupRequest`] | [`BackupRequestView`] | deployer |
//! | POST `/hosts/{host}/runbook-tests` | [`NewRunbookTest`] | [`RunbookTestView`] | planner, deployer |
//! | GET `/runbook-tests/{id}` | – | [`RunbookTestView`] | any |
//! | GET, POST `/backup-schedules` | [`BackupScheduleView`] | [`BackupScheduleView`] list | any; planner to set |
//! | POST `/backup-schedules/{name}/remove` | – | [`BackupScheduleView`] | planner |
//! | GET `/signing-key` | – | PEM of the key that signs certificates | any |

use crate::agent::{OrderReport, RunEvidence};
use jiff::Timestamp;
use refit_inventory::HostRecord;
use refit_names::{
    BuildId, ByteSize, Digest, Generation, HostName, Percent, PersonName, ProductName, RoleName,
    RolloutName, SiteName, WaveName,
};
use refit_packs::catalog::PackSummary;
use refit_plan::{Advance, Plan, Way};
use refit_risk::RiskScore;
use refit_rollout::{HostState, RolloutState};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

mod acknowledgement;
mod backup;
mod fleet;
mod notify;
mod packs;
mod paper;
mod plan;
mod question;
mod risk;
mod runbook_test;
mod updates;
mod window;

pub use acknowledgement::{Acknowledgement, AdvisoryFinding};
pub use backup::*;
pub use fleet::*;
pub use notify::*;
pub use packs::*;
pub use paper::*;
pub use plan::{PlanDemands, PlanLine, PlanRequest};
pub use question::*;
pub use risk::*;
pub use runbook_test::*;
pub use updates::*;
pub use window::*;

/// Where the API begins.
pub const PREFIX: &str = "/api/v1";

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Everything about the server itself; nothing about rollouts.
    Administrator,
    /// Imports hosts, creates rollouts, makes plans.
    Planner,
    /// Agrees to plans.
    Approver,
    /// Starts prepare.
    Preparer,
    /// Authorises.
    Authoriser,
    /// Configures.
    Configurer,
    /// Deploys, pauses, resumes, cancels, ignores.
    Deployer,
    /// Agrees and signs for an application.
    ApplicationOwner,
    /// Reads everything.
    Auditor,
}

impl fmt::Display for Right {
    /// The name on the wire: there is one list of names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Who the token belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whoami {
    /// Name.
    pub name: PersonName,
    /// Rights.
    pub rights: BTreeSet<Right>,
}

/// A person or service account to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Name.
    pub name: PersonName,
    /// Rights.
    pub rights: BTreeSet<Right>,
}

/// A new person with the token, shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserCreated {
    /// Name.
    pub name: PersonName,
    /// Rights.
    pub rights: BTreeSet<Right>,
    /// The token; only its hash is kept.
    pub token: String,
}

/// A one-time token to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewEnrolmentToken {
    /// Only this host may use it; absent: any.
    #[serde(default)]
    pub host: Option<HostName>,
    /// Where the host stands.
    pub site: SiteName,
    /// What it does.
    pub role: RoleName,
    /// Until when, in milliseconds from now.
    pub expires_in_ms: u64,
}

/// A one-time token, shown once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentToken {
    /// The token; it also carries the fingerprint of the server's authority, so that a host can check whom it talks to.
    pub token: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A host with its score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostView {
    /// What is known.
    #[serde(flatten)]
    pub record: HostRecord,
    /// Whether its agent was heard of lately.
    pub reachable: bool,
    /// How risky a change is.
    pub risk: RiskScore,
}

/// Hosts to be imported; all or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostImport {
    /// What people say of hosts; `last_seen` and `facts` are ignored.
    pub hosts: Vec<HostRecord>,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostImported {
    /// New ones.
    pub created: u64,
    /// Changed ones.
    pub updated: u64,
    /// Same as before.
    pub unchanged: u64,
}

/// What the server holds of its repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryView {
    /// Where it comes from.
    pub url: String,
    /// When it was last refreshed with success.
    pub refreshed_at: Option<Timestamp>,
    /// Why the last refresh failed, if it did.
    pub problem: Option<String>,
    /// Versions of its metadata.
    pub versions: BTreeMap<String, u64>,
    /// When its metadata expires first.
    pub expires_at: Option<Timestamp>,
    /// Its packs.
    pub packs: Vec<PackSummary>,
    /// When it is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckStatus>,
    /// Packs in the catalogue whose files are not here: the medium that it came from has only some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<PackSummary>,
}

/// An update that is available for a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateView {
    /// The product.
    pub product: ProductName,
    /// The installed build.
    pub installed: BuildId,
    /// How many servers have it.
    pub servers: u64,
    /// Where it can go, each with the builds on the way; the shortest path.
    pub paths: Vec<Vec<BuildId>>,
    /// The same with packs, read-me and known issues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<UpdateTarget>,
    /// The build that replaces the installed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<BuildId>,
    /// Why the installed build was withdrawn, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
}

/// A path from build to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathView {
    /// The product.
    pub product: ProductName,
    /// Builds, first and last included.
    pub builds: Vec<BuildId>,
    /// The packs between them.
    pub packs: Vec<PackSummary>,
    /// Bytes of all packs, compressed.
    pub size: ByteSize,
    /// Why it is this way and not another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// A rollout to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRollout {
    /// Its name.
    pub name: RolloutName,
    /// What is upgraded.
    pub product: ProductName,
    /// Where to.
    pub target: BuildId,
    /// Whether hosts are upgraded to it, or taken back to it by removing their last pack.
    #[serde(default, skip_serializing_if = "Way::is_forward")]
    pub way: Way,
    /// Which hosts; empty means all that have the product.
    #[serde(default)]
    pub hosts: BTreeSet<HostName>,
    /// Shape of its waves.
    #[serde(default)]
    pub waves: WaveShape,
    /// Failures over all waves that halt it when exceeded.
    #[serde(default = "default_budget")]
    pub failure_budget: u32,
    /// How many people other than the author must agree.
    #[serde(default = "default_approvals")]
    pub approvals_needed: u32,
    /// What people want beside the target.
    #[serde(default)]
    pub demands: PlanDemands,
}

fn default_budget() -> u32 {
    1
}
fn default_approvals() -> u32 {
    1
}

/// Shape of waves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaveShape {
    /// Share of the hosts in each wave; the last one takes the rest.
    pub shares: Vec<Percent>,
    /// Share of a wave that must succeed before the next starts.
    pub goal: Percent,
    /// How long a wave is watched after its last host, in milliseconds.
    pub soak_ms: u64,
    /// When a wave stops waiting, in milliseconds.
    pub timeout_ms: u64,
    /// Hosts that may be down at the same time.
    pub parallel: u32,
    /// How the next wave starts.
    pub advance: Advance,
}

impl Default for WaveShape {
    /// Canaries (a tenth), a third, the rest; three days as in ZENworks; watched for a minute.
    fn default() -> Self {
        let percent = |n| Percent::new(n).unwrap_or(Percent::HUNDRED);
        Self {
            shares: vec![percent(10), percent(30), percent(60)],
            goal: percent(80),
            soak_ms: 60_000,
            timeout_ms: 3 * 24 * 3_600_000,
            parallel: 4,
            advance: Advance::Automatic,
        }
    }
}

/// A rollout with all its hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutView {
    /// Its name.
    pub name: RolloutName,
    /// What is upgraded.
    pub product: ProductName,
    /// Where to.
    pub target: BuildId,
    /// Whether hosts are upgraded to it, or taken back to it.
    #[serde(default, skip_serializing_if = "Way::is_forward")]
    pub way: Way,
    /// Where it stands.
    pub state: RolloutState,
    /// Whether it was configured.
    pub configured: bool,
    /// The current plan.
    pub plan: Option<Digest>,
    /// Its generation.
    pub generation: Option<Generation>,
    /// Who made it.
    pub author: PersonName,
    /// Who agreed to the current plan.
    pub agreed_by: Vec<PersonName>,
    /// Who authorised it.
    pub authorised_by: Option<PersonName>,
    /// Failures so far, of the budget.
    pub failures: u32,
    /// How many are too many, less one.
    pub failure_budget: u32,
    /// When it was deployed.
    pub deployed_at: Option<Timestamp>,
    /// Its waves.
    pub waves: Vec<WaveView>,
}

/// A wave with its hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveView {
    /// Its name.
    pub name: WaveName,
    /// `waiting`, `running`, `soaking`, `done`.
    pub state: WaveState,
    /// Its hosts, in the plan's order.
    pub hosts: Vec<RolloutHostView>,
}

/// Where a wave stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaveState {
    /// Not started.
    Waiting,
    /// Hosts run.
    Running,
    /// All hosts are finished; it is watched.
    Soaking,
    /// Done.
    Done,
}

/// A host of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutHostView {
    /// Its name.
    pub host: HostName,
    /// Its score when the plan was made.
    pub risk: u32,
    /// Builds, first and last included.
    pub path: Vec<BuildId>,
    /// Where it stands.
    pub state: HostState,
    /// The agent's last word on it.
    pub report: Option<OrderReport>,
    /// Whether its agent was heard of lately.
    pub reachable: bool,
    /// What was proven, when it is finished.
    pub evidence: Option<RunEvidence>,
    /// Advisory steps that failed, each with who takes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<AdvisoryFinding>,
    /// Whether all named parties signed.
    pub signed_off: bool,
}

/// A plan with what the planner and its judge said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// What is approved.
    pub hash: Digest,
    /// The plan.
    pub plan: Plan,
    /// Remarks of the planner, a line each.
    pub report: Vec<String>,
    /// What the second judge found; a plan with findings cannot be agreed to.
    pub findings: Vec<String>,
}

/// A decision about exactly this plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The plan's hash.
    pub plan: Digest,
    /// A remark for the record.
    #[serde(default)]
    pub remark: String,
}

/// What is set between prepare and deploy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Hosts that may be down at the same time, at most what the plan says.
    #[serde(default)]
    pub parallel: Option<u32>,
    /// How the next wave starts.
    #[serde(default)]
    pub advance: Option<Advance>,
    /// Roles that must sign each certificate.
    #[serde(default = "default_parties")]
    pub parties: BTreeSet<Right>,
}

fn default_parties() -> BTreeSet<Right> {
    BTreeSet::from([Right::Deployer, Right::ApplicationOwner])
}

/// By waves, or selected servers only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// Only these; empty means by waves.
    #[serde(default)]
    pub hosts: BTreeSet<HostName>,
}

/// Why something is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// For the record.
    pub reason: String,
}

/// Why a host stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyView {
    /// The host.
    pub host: HostName,
    /// Why not now.
    pub because: String,
    /// What unblocks it.
    pub unblocked_by: String,
    /// When at the latest something happens by itself.
    pub latest: Option<Timestamp>,
    /// Why it was placed where it is.
    pub placement: String,
    /// What its score is made of.
    pub risk: RiskScore,
    /// Advisory steps that failed, each with who takes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<AdvisoryFinding>,
    /// What the way back restored, with the folder where that lies which was replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<String>,
}

/// A named party signs for a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignOff {
    /// As what.
    pub party: Right,
    /// A remark for the certificate.
    #[serde(default)]
    pub remark: String,
}

/// A certificate's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateView {
    /// `SITE - SERVER - DATE`.
    pub name: String,
    /// The host.
    pub host: HostName,
    /// Where it stands.
    pub state: CertificateState,
    /// Who signed.
    pub signatures: Vec<PartySignature>,
    /// Parties that have not signed.
    pub missing: BTreeSet<Right>,
    /// SHA-256 of the evidence: the same in the PDF and in the statement.
    pub evidence: Digest,
}

/// Where a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateState {
    /// Nobody signed.
    Draft,
    /// Some signed.
    PartlySigned,
    /// All signed: it is final and never changes again.
    Final,
}

/// A party's signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartySignature {
    /// As what.
    pub party: Right,
    /// Who.
    pub person: PersonName,
    /// When.
    pub at: Timestamp,
    /// Remark.
    pub remark: String,
}

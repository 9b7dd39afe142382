//! What the console needs of the server.

use async_trait::async_trait;
use refit_names::{Digest, HostName, RolloutName, TreePath};
use refit_packs::catalog::PackSummary;
use refit_plan::Freeze;
use refit_protocol::Problem;
use refit_protocol::v1::{
    CertificateView, EventView, HostRisk, HostView, PlanView, RepositoryView, RolloutView,
    UpdateView, Whoami, WhyView, WindowView,
};

/// What every call answers; a problem is shown as a page with its code.
pub type Answer<T> = Result<T, Problem>;

/// Reads for a person who is logged in. Every method only reads.
///
/// The console asks [`ConsoleSource::whoami`] before each page; any right may read everything.
#[async_trait]
pub trait ConsoleSource: Send + Sync + 'static {
    /// Who the access token belongs to; a token that is unknown or was taken back is a problem with status 401.
    async fn whoami(&self, token: &str) -> Answer<Whoami>;
    /// All campaigns, the newest first.
    async fn rollouts(&self) -> Answer<Vec<RolloutView>>;
    /// One campaign.
    async fn rollout(&self, name: &RolloutName) -> Answer<RolloutView>;
    /// The campaign's current plan; none while it is a draft.
    async fn plan(&self, name: &RolloutName) -> Answer<Option<PlanView>>;
    /// Why a host of a campaign stands where it stands.
    async fn why(&self, name: &RolloutName, host: &HostName) -> Answer<WhyView>;
    /// Returns as soon as something about any campaign may have changed after the call; may return without any change.
    ///
    /// The console looks again after a second in any case, so a change that is missed is late, never lost.
    async fn changed(&self);
    /// Hosts that an expression names, by name; without one, all.
    async fn hosts(&self, filter: Option<&str>) -> Answer<Vec<HostView>>;
    /// One host.
    async fn host(&self, name: &HostName) -> Answer<HostView>;
    /// The risk of one host.
    async fn host_risk(&self, name: &HostName) -> Answer<HostRisk>;
    /// Risks of active hosts that an expression names, the riskiest first.
    async fn risks(&self, filter: Option<&str>) -> Answer<Vec<HostRisk>>;
    /// Updates that are available.
    async fn updates(&self) -> Answer<Vec<UpdateView>>;
    /// The newest events with what became of them.
    async fn notifications(&self) -> Answer<Vec<EventView>> {
        Ok(Vec::new())
    }
    /// Windows with what follows from them now.
    async fn windows(&self) -> Answer<Vec<WindowView>>;
    /// Freezes, by beginning.
    async fn freezes(&self) -> Answer<Vec<Freeze>>;
    /// The repository and its packs.
    async fn repository(&self) -> Answer<RepositoryView>;
    /// The pack with this record digest, as its author describes it.
    async fn pack(&self, record: &Digest) -> Answer<PackPage>;
    /// One file of the pack's static pages, verified; at most a few MiB.
    async fn pack_file(&self, record: &Digest, path: &TreePath) -> Answer<Vec<u8>>;
    /// Certificates of a campaign.
    async fn certificates(&self, name: &RolloutName) -> Answer<Vec<CertificateView>>;
    /// The signed form of one certificate.
    async fn certificate_json(&self, name: &RolloutName, host: &HostName) -> Answer<Vec<u8>>;
    /// The pages of one certificate.
    async fn certificate_pdf(&self, name: &RolloutName, host: &HostName) -> Answer<Vec<u8>>;
    /// A document or export of the campaign's current plan, by the name of its file.
    async fn paper(&self, name: &RolloutName, file: &str) -> Answer<Vec<u8>>;
    /// The public key that certificates are checked with, PEM.
    async fn signing_key(&self) -> Answer<String>;
}

/// A pack as the console shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackPage {
    /// What the catalogue says.
    pub summary: PackSummary,
    /// Its read-me: text, never markup.
    pub readme: String,
    /// Paths of its static pages; `index.html` is shown first.
    pub web: Vec<TreePath>,
}

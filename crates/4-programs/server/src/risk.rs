//! What the risk of a host depends on beside itself: history, statements, weights, known issues, the way ahead.

use crate::{app::App, campaign::Campaign, depot::Stock, refusal::Answer};
use refit_inventory::HostRecord;
use refit_names::{BuildId, HostName, ProductName};
use refit_packs::{catalog::PackSummary, manifest::IssueAction};
use refit_protocol::v1::{HostRisk, RiskEntryView};
use refit_risk::{
    KnownIssue, PastFailure, RiskEntry, RiskInput, RiskScore, Weights, score_without,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Read once, then used for any number of hosts.
pub(crate) struct Surroundings {
    failures: BTreeMap<HostName, Vec<PastFailure>>,
    entries: BTreeMap<HostName, Vec<RiskEntry>>,
    weights: Weights,
    stock: Option<Arc<Stock>>,
    /// Ways that were looked for: many hosts stand at the same build.
    ways: Mutex<BTreeMap<Leg, Arc<Vec<PackSummary>>>>,
}

/// A product, the build that it leaves, and the build that it should reach; none: the furthest one.
type Leg = (ProductName, BuildId, Option<BuildId>);

impl Surroundings {
    /// Reads it.
    pub(crate) async fn of(app: &App) -> Answer<Self> {
        let mut failures: BTreeMap<HostName, Vec<PastFailure>> = BTreeMap::new();
        for row in app.store.rollouts::<Campaign>().await? {
            for failure in row.body.rollout.failures() {
                let (rollout, at, cause) = (row.name.clone(), failure.at, failure.cause.clone());
                let past = PastFailure { rollout, at, cause };
                failures.entry(failure.host.clone()).or_default().push(past);
            }
        }
        let mut entries: BTreeMap<HostName, Vec<RiskEntry>> = BTreeMap::new();
        for entry in app.store.risk_entries().await? {
            entries.entry(entry.host.clone()).or_default().push(entry);
        }
        let weights = app.store.risk_weights().await?;
        let (stock, ways) = (app.stock().ok(), Mutex::default());
        Ok(Self { failures, entries, weights, stock, ways })
    }

    /// The score of a host, with what an upgrade to `goal` would mean when one is given.
    pub(crate) fn score(
        &self,
        app: &App,
        host: &HostRecord,
        goal: Option<(&Stock, &ProductName, &BuildId)>,
    ) -> RiskScore {
        let ways = self.ways_of(host, goal);
        let legs = ways.iter().map(|(_, way)| way.len()).max().unwrap_or(0);
        let issues = issues(host, &ways);
        refit_risk::score(&RiskInput {
            host,
            product: goal.map(|(_, product, _)| product),
            legs: u32::try_from(legs).unwrap_or(u32::MAX),
            failures: self.failures.get(&host.name).map_or(&[], Vec::as_slice),
            issues: &issues,
            entries: self.entries_of(&host.name),
            weights: &self.weights,
            now: app.now(),
        })
    }

    /// What people stated about a host.
    pub(crate) fn entries_of(&self, host: &HostName) -> &[RiskEntry] {
        self.entries.get(host).map_or(&[], Vec::as_slice)
    }

    /// The score with everything that was stated and what mitigations changed.
    pub(crate) fn view(&self, app: &App, host: &HostRecord) -> HostRisk {
        self.traced(host, self.score(app, host, None))
    }

    /// The same of a score that is known already.
    pub(crate) fn traced(&self, host: &HostRecord, risk: RiskScore) -> HostRisk {
        let entry = |entry: &RiskEntry| RiskEntryView {
            score_before: score_without(&risk, entry.id),
            score_now: risk.score,
            entry: entry.clone(),
        };
        let entries = self.entries_of(&host.name).iter().map(entry).collect();
        let (host, site, role) = (host.name.clone(), host.site.clone(), host.role.clone());
        HostRisk { host, site, role, risk, entries }
    }

    /// Builds that a host's products leave, each with the packs on its way.
    fn ways_of<'a>(
        &self,
        host: &'a HostRecord,
        goal: Option<(&Stock, &ProductName, &BuildId)>,
    ) -> Vec<(&'a BuildId, Arc<Vec<PackSummary>>)> {
        let seen = host.facts.iter().flat_map(|facts| &facts.products);
        let seen = seen.filter_map(|seen| Some((&seen.name, seen.build.as_ref()?)));
        let stated = host.stated.iter().flat_map(|stated| &stated.products);
        let unseen = stated.filter(|(product, _)| host.product(product).is_none());
        let known = seen.chain(unseen);
        let installed =
            known.filter(|(name, _)| goal.is_none_or(|(_, product, _)| *name == product));
        installed.map(|(product, from)| (from, self.way(product, from, goal))).collect()
    }

    fn way(
        &self,
        product: &ProductName,
        from: &BuildId,
        goal: Option<(&Stock, &ProductName, &BuildId)>,
    ) -> Arc<Vec<PackSummary>> {
        let key = (product.clone(), from.clone(), goal.map(|(_, _, target)| target.clone()));
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let found = ways.entry(key).or_insert_with(|| {
            let packs = match (goal, &self.stock) {
                (Some((stock, _, target)), _) => stock.catalog.path(product, from, target).ok(),
                (None, Some(stock)) => {
                    let reachable = stock.catalog.reachable(product, from);
                    reachable.into_iter().map(|(_, packs)| packs).max_by_key(Vec::len)
                }
                (None, None) => None,
            };
            Arc::new(packs.unwrap_or_default().into_iter().cloned().collect())
        });
        found.clone()
    }
}

/// Known issues of packs on the way that concern this host.
fn issues(host: &HostRecord, ways: &[(&BuildId, Arc<Vec<PackSummary>>)]) -> Vec<KnownIssue> {
    let Some(facts) = &host.facts else { return Vec::new() };
    if ways.iter().all(|(_, way)| way.iter().all(|pack| pack.known_issues.is_empty())) {
        return Vec::new();
    }
    let seen = refit_planner::seen(facts);
    let mut found = Vec::new();
    for (first, way) in ways {
        let mut from = *first;
        for pack in way.iter() {
            for issue in &pack.known_issues {
                if issue.concerns(host.role.as_str(), &seen, from) {
                    found.push(KnownIssue {
                        pack: format!("{} {}", pack.product, pack.to),
                        id: issue.id.clone(),
                        text: issue.text.clone(),
                        holds: issue.action == IssueAction::Hold,
                    });
                }
            }
            from = &pack.to;
        }
    }
    found
}

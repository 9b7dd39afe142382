//! Campaigns as people see them.

use crate::{
    app::App,
    campaign::{self, Campaign, CampaignRow},
    questions,
    refusal::{Answer, Refusal},
};
use refit_inventory::HostRecord;
use refit_names::{BuildId, HostName, RolloutName};
use refit_plan::{Plan, PlannedHost, Way};
use refit_protocol::{
    agent::{OrderReport, RunEvidence, Standing},
    v1::{AdvisoryFinding, RolloutHostView, RolloutView, WaveState, WaveView, WhyView},
};
use refit_rollout::{HostState, WavePhase};
use std::collections::{BTreeMap, BTreeSet};

/// One campaign.
pub(crate) async fn rollout(app: &App, name: &RolloutName) -> Answer<RolloutView> {
    of(app, campaign::load(app, name).await?).await
}

/// All campaigns, the newest first.
pub(crate) async fn rollouts(app: &App) -> Answer<Vec<RolloutView>> {
    let mut views = Vec::new();
    for row in app.store.rollouts::<Campaign>().await? {
        views.push(of(app, row).await?);
    }
    Ok(views)
}

/// The view of a stored campaign.
async fn of(app: &App, row: CampaignRow) -> Answer<RolloutView> {
    let campaign = row.body;
    let rollout = &campaign.rollout;
    let waves = match rollout.plan() {
        None => Vec::new(),
        Some(hash) => {
            let plan = &app.store.plan(&hash).await?.plan;
            let reports = app.store.reports(&row.name).await?;
            let certified = app.store.certified(&row.name).await?.into_iter().collect();
            waves(app, &campaign, plan, &reports, &certified)
        }
    };
    Ok(RolloutView {
        name: row.name,
        product: campaign.spec.product.clone(),
        target: campaign.spec.target.clone(),
        way: campaign.spec.way,
        state: rollout.state().clone(),
        configured: rollout.settings().is_some(),
        plan: rollout.plan(),
        generation: rollout.generation(),
        author: rollout.author().unwrap_or(&campaign.author).clone(),
        agreed_by: rollout.agreed_by().iter().cloned().collect(),
        authorised_by: rollout.authorised_by().cloned(),
        failures: u32::try_from(rollout.failures().len()).unwrap_or(u32::MAX),
        failure_budget: if rollout.plan().is_some() {
            rollout.failure_budget()
        } else {
            campaign.spec.failure_budget
        },
        deployed_at: rollout.deployed_at(),
        waves,
    })
}

fn waves(
    app: &App,
    campaign: &Campaign,
    plan: &Plan,
    reports: &BTreeMap<HostName, OrderReport>,
    certified: &BTreeSet<HostName>,
) -> Vec<WaveView> {
    let expected = crate::expected::Expected::of(plan, reports);
    let host = |planned: &PlannedHost| {
        let report = reports.get(&planned.host);
        let report = report.filter(|report| speaks_of(&planned.host, report, plan));
        let state = campaign.rollout.shown(&planned.host, app.now());
        RolloutHostView {
            host: planned.host.clone(),
            risk: planned.risk,
            path: path(planned),
            state: state.unwrap_or_else(|| HostState::Waiting { on: "prepare".to_owned() }),
            report: report.cloned().map(|mut report| {
                expected.tell(planned, &mut report);
                report
            }),
            reachable: app.hears(&planned.host),
            findings: findings(campaign, &planned.host, report),
            evidence: report.and_then(evidence).cloned(),
            signed_off: certified.contains(&planned.host),
        }
    };
    let states = campaign.rollout.wave_states();
    let waves = plan.waves.iter().zip(states).map(|(wave, status)| WaveView {
        name: wave.name.clone(),
        state: match status.phase {
            WavePhase::Waiting => WaveState::Waiting,
            WavePhase::Running => WaveState::Running,
            WavePhase::Soaking => WaveState::Soaking,
            WavePhase::Done => WaveState::Done,
        },
        hosts: wave.hosts.iter().map(host).collect(),
    });
    waves.collect()
}

/// Whether a report is about this plan's order.
pub(crate) fn is_of(report: &OrderReport, plan: &Plan) -> bool {
    report.key.generation == plan.generation && report.key.rollout == plan.rollout
}

/// Whether a report is about this host's order, of this plan or, for hosts that had begun when it was made, of one before.
pub(crate) fn speaks_of(host: &HostName, report: &OrderReport, plan: &Plan) -> bool {
    let begun = plan.begun.contains(host) && report.key.rollout == plan.rollout;
    begun || is_of(report, plan)
}

/// The advisory steps that failed on a host, each with who takes it.
fn findings(
    campaign: &Campaign,
    host: &HostName,
    report: Option<&OrderReport>,
) -> Vec<AdvisoryFinding> {
    let Some(evidence) = report.and_then(evidence) else { return Vec::new() };
    AdvisoryFinding::of(evidence, &campaign.acknowledged_of(host))
}

/// What a finished host proved.
pub(crate) fn evidence(report: &OrderReport) -> Option<&RunEvidence> {
    match &report.standing {
        Standing::Finished { evidence, .. } => Some(evidence),
        _ => None,
    }
}

fn path(planned: &PlannedHost) -> Vec<BuildId> {
    let first = planned.legs.first().map(|leg| leg.from.clone());
    first.into_iter().chain(planned.legs.iter().map(|leg| leg.pack.to.clone())).collect()
}

/// Why a host stands where it stands in the plan, and when it is its turn.
fn placement(planned: &PlannedHost) -> String {
    match (&planned.slot, latest_start(planned)) {
        (Some(slot), Some(latest)) => {
            format!("{}; planned for {slot}, at {latest} at the latest", planned.because)
        }
        _ => planned.because.clone(),
    }
}

/// The last moment at which its opening still holds the change, its validation and the way back.
fn latest_start(planned: &PlannedHost) -> Option<jiff::Timestamp> {
    let slot = planned.slot.as_ref()?;
    let need = i64::try_from(refit_plan::reserve_ms(planned)).ok()?;
    slot.opening.closes_at.checked_sub(jiff::SignedDuration::from_millis(need)).ok()
}

fn settled(campaign: &Campaign, host: &HostName) -> bool {
    campaign.rollout.host(host).is_some_and(refit_rollout::RolloutHost::settled)
}

/// Why a host of the fleet has no place in a plan.
fn left_out(plan: &Plan, campaign: &Campaign, record: &HostRecord) -> String {
    if let Some(left_out) = plan.excluded.iter().find(|left_out| left_out.host == record.name) {
        return left_out.because.clone();
    }
    let wanted = &campaign.spec.hosts;
    match record.retired_because() {
        Some(reason) => format!("it is retired: {reason}"),
        None if !wanted.is_empty() && !wanted.contains(&record.name) => {
            "the rollout is for other hosts".to_owned()
        }
        None => {
            format!("nobody knew it, or its build, when the plan was made at {:.0}", plan.made_at)
        }
    }
}

/// Why a host of a campaign stands where it stands.
pub(crate) async fn why(app: &App, name: &RolloutName, host: &HostName) -> Answer<WhyView> {
    let campaign = campaign::load(app, name).await?.body;
    let hash = campaign.rollout.plan().ok_or_else(|| Refusal::NoPlan { rollout: name.clone() })?;
    let plan = &app.store.plan(&hash).await?.plan;
    let hosts = app.store.hosts().await?;
    let record = hosts.iter().find(|record| record.name == *host);
    let record = record.ok_or_else(|| Refusal::NotFound { what: "host", key: host.to_string() })?;
    let around = crate::risk::Surroundings::of(app).await?;
    let risk = around.score(app, record, None);
    let planned = plan.hosts().find(|(_, planned)| planned.host == *host);
    let standing = planned.zip(campaign.rollout.why(host, app.now()));
    let Some(((_, planned), mut why)) = standing else {
        let reason = left_out(plan, &campaign, record);
        return Ok(WhyView {
            host: host.clone(),
            because: format!("it is not in the plan: {reason}"),
            unblocked_by: "a new plan, when the reason is gone".to_owned(),
            latest: None,
            placement: reason,
            risk,
            findings: Vec::new(),
            restored: Vec::new(),
        });
    };
    if let Some(view) = questions::open_of(app, name, host).await? {
        let step = &view.key.step;
        why.because =
            format!("step {step} waits for {}: {}", view.question.ask(), view.question.text());
        why.unblocked_by = format!("an answer: `refit rollout answer {name} {host} {step}`");
        why.latest = Some(view.until);
    }
    let state = campaign.rollout.host(host).map(|host| &host.state);
    if plan.way() == Way::Removal && matches!(state, Some(HostState::RolledBack { .. })) {
        // A removal that failed quarantines nothing.
        why.unblocked_by = "the cause removed, and a new rollout".to_owned();
    }
    let reports = app.store.reports(name).await?;
    let report = reports.get(host).filter(|report| speaks_of(host, report, plan));
    if let Some(cause) = report.and_then(|report| report.stuck.as_ref()) {
        why.because = format!("it cannot go on: {cause}");
        why.unblocked_by = "the cause removed on the host, which goes on by itself".to_owned();
    }
    Ok(WhyView {
        host: host.clone(),
        because: why.because,
        unblocked_by: why.unblocked_by,
        latest: match latest_start(planned).filter(|_| !settled(&campaign, host)) {
            Some(start) => Some(why.latest.map_or(start, |tick| tick.max(start))),
            None => why.latest,
        },
        placement: placement(planned),
        risk,
        findings: findings(&campaign, host, report),
        restored: report.and_then(evidence).map(|e| e.restored.clone()).unwrap_or_default(),
    })
}

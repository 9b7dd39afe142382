//! Acknowledgements: a person takes an advisory finding of a host, by name and with a reason, before anybody signs for the host.

use crate::{
    app::App,
    campaign::{self, Campaign},
    refusal::{Answer, ApiError, Refusal},
};
use axum::http::StatusCode;
use refit_names::{Coded, ErrorClass, HostName, RolloutName, StepId};
use refit_packs::runbook::Severity;
use refit_protocol::v1::{Acknowledgement, Reason, Whoami};
use std::collections::BTreeSet;

/// Why nothing is acknowledged; nothing is changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAcknowledged {
    #[error("step `{step}` of host `{host}` is not advisory, expected one of: {known}")]
    NotAdvisory { host: HostName, step: StepId, known: String },
    #[error("host `{host}` is signed for already: what was signed does not change any more")]
    Signed { host: HostName },
    #[error("acknowledging step `{step}` of host `{host}` needs a reason, found an empty one")]
    NoReason { host: HostName, step: StepId },
}

impl Coded for NotAcknowledged {
    fn code(&self) -> &'static str {
        match self {
            Self::NotAdvisory { .. } => "acknowledge.not-advisory",
            Self::Signed { .. } => "acknowledge.too-late",
            Self::NoReason { .. } => "acknowledge.no-reason",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::NeedsOperator
    }
}

impl From<NotAcknowledged> for ApiError {
    fn from(error: NotAcknowledged) -> Self {
        let status = match &error {
            NotAcknowledged::Signed { .. } => StatusCode::CONFLICT,
            NotAcknowledged::NotAdvisory { .. } | NotAcknowledged::NoReason { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        };
        Self::of(status, &error)
    }
}

/// Writes an acknowledgement down; a second one for the same step takes the place of the first, the audit log has both.
pub(crate) async fn acknowledge(
    app: &App,
    person: &Whoami,
    (rollout, host, step): (&RolloutName, &HostName, &StepId),
    reason: &Reason,
) -> Answer<()> {
    let row = campaign::load(app, rollout).await?.body;
    let known = advisory_steps(app, &row, host).await?;
    let (of, what) = (host.clone(), step.clone());
    if !known.contains(step) {
        let known: Vec<&str> = known.iter().map(StepId::as_str).collect();
        let known = if known.is_empty() { "(it has none)".to_owned() } else { known.join(", ") };
        return Err(NotAcknowledged::NotAdvisory { host: of, step: what, known }.into());
    }
    if reason.reason.trim().is_empty() {
        return Err(NotAcknowledged::NoReason { host: of, step: what }.into());
    }
    let signed = app.store.signatures(rollout).await?;
    if signed.iter().any(|(of, _)| of == host) {
        return Err(NotAcknowledged::Signed { host: of }.into());
    }
    let taken = Acknowledgement {
        host: of,
        step: what,
        by: person.name.clone(),
        at: app.now(),
        reason: reason.reason.clone(),
    };
    campaign::change(app, rollout, |campaign| {
        let all = &mut campaign.acknowledged;
        all.retain(|known| (&known.host, &known.step) != (host, step));
        all.push(taken.clone());
        Ok(Vec::new())
    })
    .await?;
    let details = serde_json::json!({ "rollout": rollout, "acknowledged": taken });
    app.audit(&person.name, "rollout.acknowledge", &details).await?;
    Ok(())
}

/// The advisory steps of the runbooks that the plan has for this host.
async fn advisory_steps(
    app: &App,
    campaign: &Campaign,
    host: &HostName,
) -> Answer<BTreeSet<StepId>> {
    let rollout = &campaign.spec.name;
    let hash =
        campaign.rollout.plan().ok_or_else(|| Refusal::NoPlan { rollout: rollout.clone() })?;
    let plan = &app.store.plan(&hash).await?.plan;
    let unknown = || Refusal::NotFound { what: "host of the plan", key: host.to_string() };
    let (_, planned) =
        plan.hosts().find(|(_, planned)| planned.host == *host).ok_or_else(unknown)?;
    let stock = app.stock()?;
    let records = planned.legs.iter().filter_map(|leg| stock.records.get(&leg.pack.digest));
    let steps = records.flat_map(|record| &record.runbook.steps);
    let advisory = steps.filter(|step| step.severity == Severity::Advisory);
    Ok(advisory.map(|step| step.id.clone()).collect())
}

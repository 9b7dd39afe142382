//! What people state of risk, and where every number comes from.

use super::{
    answers::{Asked, Named},
    auth::Person,
};
use crate::{
    app::App,
    body, hosts,
    refusal::{Answer, ApiError, Refusal},
};
use axum::{Json, extract::State, http::StatusCode};
use jiff::Timestamp;
use refit_names::{HostName, PersonName};
use refit_protocol::v1::{
    HostRisk, NewRisk, RiskAct, RiskEntryView, WeightView, WeightsSet, WeightsView,
};
use refit_risk::{RiskEntry, RiskStatus, Weights};
use serde::Deserialize;

/// Which hosts are asked for.
#[derive(Deserialize)]
pub(super) struct Filter {
    #[serde(default, rename = "where")]
    filter: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    Asked(query): Asked<Filter>,
) -> Answer<Json<Vec<HostRisk>>> {
    Ok(Json(hosts::risks(&app, query.filter.as_deref()).await?))
}

pub(super) async fn of_host(
    State(app): State<App>,
    Named(name): Named<HostName>,
) -> Answer<Json<HostRisk>> {
    Ok(Json(hosts::risk_of(&app, &name).await?))
}

pub(super) async fn entries(State(app): State<App>) -> Answer<Json<Vec<RiskEntryView>>> {
    let hosts = hosts::risks(&app, None).await?;
    let mut entries: Vec<_> = hosts.into_iter().flat_map(|host| host.entries).collect();
    entries.sort_by_key(|view| view.entry.id);
    Ok(Json(entries))
}

pub(super) async fn add(
    State(app): State<App>,
    Person(person): Person,
    body::Json(new): body::Json<NewRisk>,
) -> Answer<(StatusCode, Json<RiskEntryView>)> {
    let missing = || Refusal::NotFound { what: "host", key: new.host.to_string() };
    app.store.host(&new.host).await?.ok_or_else(missing)?;
    let now = app.now();
    let entry = RiskEntry {
        id: 0,
        host: new.host.clone(),
        text: text("text", &new.text)?,
        exposure: new.exposure,
        mitigation: limited("mitigation", &new.mitigation)?,
        status: RiskStatus::Open,
        owner: new.owner.clone(),
        due: new.due,
        by: person.name.clone(),
        at: now,
    };
    let entry = app.store.add_risk(entry, (person.name.as_str(), now)).await?;
    app.audit(&person.name, "risk.set", &entry).await?;
    app.changed();
    Ok((StatusCode::CREATED, Json(view(&app, &entry).await?)))
}

pub(super) async fn act(
    State(app): State<App>,
    Person(person): Person,
    Named(id): Named<u64>,
    body::Json(act): body::Json<RiskAct>,
) -> Answer<Json<RiskEntryView>> {
    let now = app.now();
    let who = (person.name.as_str(), now);
    let change = |entry| acted(entry, act, &person.name, now);
    let entry = app.store.change_risk(id, who, change).await?;
    app.audit(&person.name, "risk.change", &entry).await?;
    app.changed();
    Ok(Json(view(&app, &entry).await?))
}

/// The risk after the act.
fn acted(
    mut entry: RiskEntry,
    act: RiskAct,
    by: &PersonName,
    at: Timestamp,
) -> Result<RiskEntry, ApiError> {
    match act {
        RiskAct::Change { text: new, exposure, mitigation, owner, due } => {
            if let Some(new) = new {
                entry.text = text("text", &new)?;
            }
            if let Some(mitigation) = mitigation {
                entry.mitigation = limited("mitigation", &mitigation)?;
            }
            entry.exposure = exposure.unwrap_or(entry.exposure);
            entry.owner = owner.or(entry.owner);
            entry.due = due.or(entry.due);
        }
        RiskAct::Mitigate { left, mitigation } => {
            if let Some(mitigation) = mitigation {
                entry.mitigation = limited("mitigation", &mitigation)?;
            }
            if entry.mitigation.trim().is_empty() {
                let expected =
                    "what was done, as none is written down for this risk: `--mitigation TEXT`"
                        .to_owned();
                let found = "nothing".to_owned();
                return Err(Refusal::OutOfRange { field: "mitigation", expected, found }.into());
            }
            if left.product() > entry.exposure.product() {
                let most = entry.exposure.product();
                let expected = format!("at most the {most} of before");
                let found = left.product().to_string();
                return Err(Refusal::OutOfRange { field: "left", expected, found }.into());
            }
            entry.status = RiskStatus::Mitigated { left, by: by.clone(), at };
        }
        RiskAct::Accept { reason } => {
            let reason = text("reason", &reason)?;
            entry.status = RiskStatus::Accepted { reason, by: by.clone(), at };
        }
        RiskAct::Reopen => entry.status = RiskStatus::Open,
    }
    Ok(entry)
}

/// Longest text of a risk: a paragraph.
const TEXT_CHARS_MAX: usize = 2000;

fn text(field: &'static str, text: &str) -> Result<String, Refusal> {
    if text.trim().is_empty() {
        let (expected, found) = ("a sentence".to_owned(), "nothing".to_owned());
        return Err(Refusal::OutOfRange { field, expected, found });
    }
    limited(field, text)
}

fn limited(field: &'static str, text: &str) -> Result<String, Refusal> {
    let found = text.chars().count();
    if found > TEXT_CHARS_MAX {
        let expected = format!("at most {TEXT_CHARS_MAX} characters");
        return Err(Refusal::OutOfRange { field, expected, found: found.to_string() });
    }
    Ok(text.trim().to_owned())
}

async fn view(app: &App, entry: &RiskEntry) -> Answer<RiskEntryView> {
    let risk = hosts::risk_of(app, &entry.host).await?;
    let found = risk.entries.into_iter().find(|view| view.entry.id == entry.id);
    let missing = || Refusal::NotFound { what: "risk", key: entry.id.to_string() };
    Ok(found.ok_or_else(missing)?)
}

pub(super) async fn weights(State(app): State<App>) -> Answer<Json<WeightsView>> {
    Ok(Json(weights_view(&app.store.risk_weights().await?)))
}

pub(super) async fn set_weights(
    State(app): State<App>,
    Person(person): Person,
    body::Json(set): body::Json<WeightsSet>,
) -> Answer<Json<WeightsView>> {
    let (before, now) = (app.store.risk_weights().await?, app.now());
    let after = before.change(&set.weights, (&person.name, now));
    let after = after.map_err(|errors| Refusal::Weights { errors })?;
    if !set.dry_run && after != before {
        app.store.set_risk_weights(&before, &after, (person.name.as_str(), now)).await?;
        app.audit(&person.name, "risk.weights", &after).await?;
        app.changed();
    }
    Ok(Json(weights_view(&after)))
}

fn weights_view(weights: &Weights) -> WeightsView {
    let view = |weight: refit_risk::Weight| WeightView {
        name: weight.name,
        value: weight.value,
        default: weight.default,
        about: weight.about.to_owned(),
    };
    WeightsView {
        version: weights.version,
        by: weights.by.clone(),
        at: weights.at,
        weights: weights.all().into_iter().map(view).collect(),
    }
}

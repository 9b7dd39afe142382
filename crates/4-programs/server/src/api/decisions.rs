//! What people decide about a campaign. Each decision is one event of its state machine and one line of the audit log.
//!
//! Separation of duties (the author neither agrees nor authorises) is a rule of the state machine, and only there.

use super::{answers::Named, auth::Person};
use crate::{
    app::App,
    body,
    campaign::{self, Campaign},
    planning,
    refusal::{Answer, Refusal},
    views,
};
use axum::{Json, extract::State};
use refit_names::{HostName, RolloutName};
use refit_protocol::v1::{Configuration, Decision, Deploy, Reason, RolloutView, Whoami};
use refit_rollout::Event;
use serde::Serialize;

/// What every decision answers.
type Decided = Answer<Json<RolloutView>>;

/// Carries a decision out and writes it down.
async fn decide(
    app: &App,
    person: &Whoami,
    name: &RolloutName,
    act: &'static str,
    details: &impl Serialize,
    event: Event,
    also: impl Fn(&mut Campaign),
) -> Decided {
    campaign::apply(app, name, event, also).await?;
    let details = serde_json::json!({ "rollout": name, "with": details });
    app.audit(&person.name, act, &details).await?;
    Ok(Json(views::rollout(app, name).await?))
}

pub(super) async fn agree(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<RolloutName>,
    body::Json(decision): body::Json<Decision>,
) -> Decided {
    let current = planning::current(&app, &name).await?;
    if current.hash == decision.plan && !current.findings.is_empty() {
        return Err(Refusal::Findings { plan: current.hash, findings: current.findings }.into());
    }
    let event = Event::Agreed { by: person.name.clone(), plan: decision.plan };
    decide(&app, &person, &name, "rollout.agree", &decision, event, |_| {}).await
}

pub(super) async fn prepare(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<RolloutName>,
) -> Decided {
    planning::seen_as_stated(&app, &name).await?;
    decide(&app, &person, &name, "rollout.prepare", &(), Event::PrepareRequested, |_| {}).await
}

pub(super) async fn authorise(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<RolloutName>,
    body::Json(decision): body::Json<Decision>,
) -> Decided {
    let event = Event::Authorised { by: person.name.clone(), plan: decision.plan };
    decide(&app, &person, &name, "rollout.authorise", &decision, event, |_| {}).await
}

pub(super) async fn configure(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<RolloutName>,
    body::Json(configuration): body::Json<Configuration>,
) -> Decided {
    if configuration.parties.is_empty() {
        let what = "no party signs, expected at least one".to_owned();
        return Err(Refusal::Configuration { what }.into());
    }
    let event =
        Event::Configured { parallel: configuration.parallel, advance: configuration.advance };
    decide(&app, &person, &name, "rollout.configure", &configuration, event, |campaign| {
        campaign.configuration = Some(configuration.clone());
    })
    .await
}

pub(super) async fn deploy(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<RolloutName>,
    body::Json(deploy): body::Json<Deploy>,
) -> Decided {
    let event = Event::DeployRequested { hosts: deploy.hosts.clone() };
    decide(&app, &person, &name, "rollout.deploy", &deploy, event, |campaign| {
        campaign.deployer = Some(person.name.clone());
    })
    .await
}

pub(super) async fn pause(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<RolloutName>,
    body::Json(reason): body::Json<Reason>,
) -> Decided {
    let event = Event::Paused { because: said(&person, &reason) };
    decide(&app, &person, &name, "rollout.pause", &reason, event, |_| {}).await
}

pub(super) async fn resume(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<RolloutName>,
    body::Json(reason): body::Json<Reason>,
) -> Decided {
    decide(&app, &person, &name, "rollout.resume", &reason, Event::Resumed, |_| {}).await
}

pub(super) async fn cancel(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<RolloutName>,
    body::Json(reason): body::Json<Reason>,
) -> Decided {
    let event = Event::Cancelled { because: said(&person, &reason) };
    decide(&app, &person, &name, "rollout.cancel", &reason, event, |_| {}).await
}

pub(super) async fn advance(
    State(app): State<App>,
    Person(person): Person,
    Named(name): Named<RolloutName>,
) -> Decided {
    decide(&app, &person, &name, "rollout.advance", &(), Event::Advanced, |_| {}).await
}

pub(super) async fn ignore(
    State(app): State<App>,
    Person(person): Person,
    Named((name, host)): Named<(RolloutName, HostName)>,
    body::Json(reason): body::Json<Reason>,
) -> Decided {
    let event = Event::HostIgnored { host: host.clone(), because: said(&person, &reason) };
    let details = serde_json::json!({ "host": host, "reason": reason.reason });
    decide(&app, &person, &name, "rollout.ignore", &details, event, |_| {}).await
}

fn said(person: &Whoami, reason: &Reason) -> String {
    format!("{} ({})", reason.reason, person.name)
}

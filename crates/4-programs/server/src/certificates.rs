//! Sign-off: the draft when a host finished, the parties' signatures, the final certificate that never changes again.

use crate::{
    app::App,
    campaign::{self, Campaign},
    refusal::{Answer, Refusal},
    views,
};
use refit_documents::certificate::{
    CertificateEvidence, CertificateInput, JournalEvidence, People,
};
use refit_names::{HostName, RolloutName};
use refit_plan::{Plan, PlannedHost, RiskPoint};
use refit_protocol::{
    agent::{OrderReport, Standing},
    v1::{CertificateView, PartySignature, Right, SignOff, Whoami},
};
use refit_risk::RiskReason;
use refit_store::certificates::CertificateRow;
use std::collections::{BTreeMap, BTreeSet};

/// All that certificates of one campaign are made of.
struct Case {
    campaign: Campaign,
    plan: Plan,
    reports: BTreeMap<HostName, OrderReport>,
    signatures: Vec<(HostName, PartySignature)>,
    certified: BTreeSet<HostName>,
}

impl Case {
    async fn of(app: &App, name: &RolloutName) -> Answer<Self> {
        let campaign = campaign::load(app, name).await?.body;
        let hash =
            campaign.rollout.plan().ok_or_else(|| Refusal::NoPlan { rollout: name.clone() })?;
        Ok(Self {
            plan: app.store.plan(&hash).await?.plan.clone(),
            reports: app.store.reports(name).await?,
            signatures: app.store.signatures(name).await?,
            certified: app.store.certified(name).await?.into_iter().collect(),
            campaign,
        })
    }

    /// What the certificate of a finished host says now.
    async fn input(&self, app: &App, host: &HostName) -> Answer<CertificateInput> {
        let name = &self.campaign.spec.name;
        let unknown = || Refusal::NotFound { what: "host of the plan", key: host.to_string() };
        let (_, planned) =
            self.plan.hosts().find(|(_, planned)| planned.host == *host).ok_or_else(unknown)?;
        let report = self.reports.get(host);
        let report = report.filter(|report| views::speaks_of(host, report, &self.plan));
        let Some((ran, Standing::Finished { outcome, evidence })) =
            report.map(|report| (report, &report.standing))
        else {
            let standing = self.campaign.rollout.host(host).map(|host| format!("{:?}", host.state));
            let (rollout, host) = (name.clone(), host.clone());
            let standing = standing.unwrap_or_else(|| "not in the rollout".to_owned());
            return Err(Refusal::NotFinished { rollout, host, standing }.into());
        };
        let rollout = &self.campaign.rollout;
        let evidence = CertificateEvidence {
            host: host.clone(),
            site: planned.site.clone(),
            role: planned.role.clone(),
            product: self.plan.product.clone(),
            rollout: name.clone(),
            plan: ran.plan,
            generation: ran.key.generation,
            outcome: outcome.clone(),
            run: (**evidence).clone(),
            journal: journal(app, host, evidence.journal_head).await?,
            way: self.plan.way(),
            packs: planned.legs.iter().map(|leg| leg.pack.clone()).collect(),
            risk: refit_risk::RiskScore { score: planned.risk, reasons: risk_reasons(planned) },
            people: People {
                author: rollout.author().unwrap_or(&self.campaign.author).clone(),
                approvers: rollout.agreed_by().iter().cloned().collect(),
                authoriser: rollout.authorised_by().cloned(),
                deployer: self.campaign.deployer.clone(),
            },
            acknowledged: self.campaign.acknowledged_of(host),
        };
        let signed = self.signatures.iter().filter(|(of, _)| of == host);
        let signatures = signed.map(|(_, signature)| signature.clone()).collect();
        Ok(CertificateInput { evidence, parties: self.parties(), signatures })
    }

    fn parties(&self) -> BTreeSet<Right> {
        // As in a configuration that says nothing about parties.
        let default = || BTreeSet::from([Right::Deployer, Right::ApplicationOwner]);
        self.campaign.configuration.as_ref().map_or_else(default, |set| set.parties.clone())
    }
}

/// What the score was made of when the plan was made; plans from before they carried reasons have the one line of the placement.
fn risk_reasons(planned: &PlannedHost) -> Vec<RiskReason> {
    if planned.reasons.is_empty() {
        return vec![RiskReason {
            code: "plan".to_owned(),
            points: planned.risk,
            text: planned.because.clone(),
            ..RiskReason::default()
        }];
    }
    let reason = |point: &RiskPoint| RiskReason {
        code: point.code.clone(),
        points: point.points,
        text: point.text.clone(),
        mitigation: point.mitigation.clone(),
        ..RiskReason::default()
    };
    planned.reasons.iter().map(reason).collect()
}

/// Where the journal's head stands that the host named; entries that came later belong to other orders.
async fn journal(app: &App, host: &HostName, head: refit_names::Digest) -> Answer<JournalEvidence> {
    let entries = app.store.journal_place(host, &head).await?;
    Ok(JournalEvidence { entries: entries.unwrap_or(0), head })
}

fn view(input: &CertificateInput) -> Answer<CertificateView> {
    Ok(CertificateView {
        name: input.name(),
        host: input.evidence.host.clone(),
        state: input.state(),
        signatures: input.signatures.clone(),
        missing: input.missing(),
        evidence: input.evidence_digest()?,
    })
}

/// The certificates of all finished hosts.
pub(crate) async fn list(app: &App, name: &RolloutName) -> Answer<Vec<CertificateView>> {
    let case = Case::of(app, name).await?;
    let mut views = Vec::new();
    for (_, planned) in case.plan.hosts() {
        let report = case
            .reports
            .get(&planned.host)
            .filter(|report| views::speaks_of(&planned.host, report, &case.plan));
        if report.and_then(views::evidence).is_some() {
            views.push(view(&case.input(app, &planned.host).await?)?);
        }
    }
    Ok(views)
}

/// A named party signs. The last missing signature makes the certificate final.
pub(crate) async fn sign(
    app: &App,
    person: &Whoami,
    name: &RolloutName,
    host: &HostName,
    act: &SignOff,
) -> Answer<CertificateView> {
    let case = Case::of(app, name).await?;
    let input = case.input(app, host).await?;
    may_sign(app, person, host, act.party, &case.parties()).await?;
    let signature = PartySignature {
        party: act.party,
        person: person.name.clone(),
        at: app.now(),
        remark: act.remark.clone(),
    };
    if case.certified.contains(host) || !app.store.add_signature(name, host, &signature).await? {
        return Err(Refusal::SignedAlready { host: host.clone(), party: act.party }.into());
    }
    let details = serde_json::json!({ "rollout": name, "host": host, "party": act.party, "remark": act.remark, "evidence": input.evidence_digest()? });
    app.audit(&person.name, "signoff.sign", &details).await?;
    // Beside the request: a client that goes away does not stop what its signature began.
    let (app, name, host) = (app.clone(), name.clone(), host.clone());
    let finished = tokio::spawn(async move { finish(&app, &name, &host).await }).await;
    finished.map_err(|_| Refusal::Bug)?
}

/// Makes final what a crash left between the last signature and the certificate.
pub(crate) async fn finish_left_over(app: &App) -> Answer<()> {
    for row in app.store.rollouts::<Campaign>().await? {
        if row.body.rollout.plan().is_none() {
            continue;
        }
        let case = Case::of(app, &row.name).await?;
        let signed: BTreeSet<&HostName> = case.signatures.iter().map(|(host, _)| host).collect();
        for host in signed.into_iter().filter(|host| !case.certified.contains(host)) {
            if case.input(app, host).await?.missing().is_empty() {
                finish(app, &row.name, host).await?;
            }
        }
    }
    Ok(())
}

/// Makes the certificate final when nothing is missing. Called again after a crash in between, it does the rest.
pub(crate) async fn finish(
    app: &App,
    name: &RolloutName,
    host: &HostName,
) -> Answer<CertificateView> {
    let case = Case::of(app, name).await?;
    let input = case.input(app, host).await?;
    let view = view(&input)?;
    if view.missing.is_empty() && !case.certified.contains(host) {
        let (envelope, pdf) = documents(app, input).await?;
        let row = CertificateRow {
            name: view.name.clone(),
            evidence: view.evidence,
            final_at: app.now(),
            envelope,
            pdf,
        };
        app.store.add_certificate(name, host, &row).await?;
        tracing::info!(rollout = %name, %host, certificate = view.name, "certificate is final");
    }
    app.changed();
    Ok(view)
}

async fn may_sign(
    app: &App,
    person: &Whoami,
    host: &HostName,
    party: Right,
    parties: &BTreeSet<Right>,
) -> Answer<()> {
    if !parties.contains(&party) {
        return Err(Refusal::PartyNotAsked { expected: parties.clone(), found: party }.into());
    }
    if !person.rights.contains(&party) {
        let (name, found) = (person.name.clone(), person.rights.clone());
        return Err(Refusal::RightMissing { person: name, expected: vec![party], found }.into());
    }
    let owner = app.store.host(host).await?.and_then(|record| record.owner);
    match owner {
        Some(expected) if party == Right::ApplicationOwner && expected != person.name => {
            let (host, found) = (host.clone(), person.name.clone());
            Err(Refusal::NotOwner { host, expected, found }.into())
        }
        _ => Ok(()),
    }
}

/// The signed envelope: the stored one when final, else that of the draft.
pub(crate) async fn envelope(app: &App, name: &RolloutName, host: &HostName) -> Answer<Vec<u8>> {
    if let Some(row) = app.store.certificate(name, host).await? {
        return Ok(row.envelope.into_bytes());
    }
    let input = Case::of(app, name).await?.input(app, host).await?;
    let statement = refit_documents::statement(&input)?;
    Ok(refit_documents::sign(&statement, &app.signer)?.into_bytes())
}

/// The pages: the stored ones when final, else those of the draft.
pub(crate) async fn pages(app: &App, name: &RolloutName, host: &HostName) -> Answer<Vec<u8>> {
    if let Some(row) = app.store.certificate(name, host).await? {
        return Ok(row.pdf);
    }
    let input = Case::of(app, name).await?.input(app, host).await?;
    Ok(documents(app, input).await?.1)
}

/// Writes both forms. Typesetting takes a processor for a while, so it runs beside the requests.
async fn documents(app: &App, input: CertificateInput) -> Answer<(String, Vec<u8>)> {
    let statement = refit_documents::statement(&input)?;
    let envelope = refit_documents::sign(&statement, &app.signer)?;
    let _turn = app.typesetting.acquire().await.map_err(|_| Refusal::Bug)?;
    let pages = tokio::task::spawn_blocking(move || refit_documents::pdf(&input)).await;
    Ok((envelope, pages.map_err(|_| Refusal::Bug)??))
}

/// The key that certificates are checked with.
pub(crate) fn signing_key(app: &App) -> String {
    app.signer.public().to_pem()
}

//! All rollouts, and one of them with its waves and hosts.

use super::{frame, name};
use crate::reply::{self, Frame, Refusal};
use crate::routes::Console;
use crate::session::Person;
use crate::words::{self, Bar, Measure, Word};
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use refit_names::RolloutName;
use refit_plan::Way;
use refit_protocol::v1::{PlanView, RolloutHostView, RolloutView, WaveView};
use refit_rollout::HostState;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "rollouts.html")]
struct ListPage {
    frame: Frame,
    lines: Vec<Line>,
}

struct Line {
    name: String,
    goal: String,
    state: Word,
    hosts: usize,
    succeeded: usize,
    rolled_back: usize,
    deployed: String,
}

/// `GET /rollouts`.
pub(crate) async fn list(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Person>,
) -> Result<Response, Refusal> {
    let lines = console.source.rollouts().await?.iter().map(line).collect();
    Ok(reply::html(&ListPage { frame: frame(&person, "rollouts", "Rollouts"), lines }))
}

fn line(view: &RolloutView) -> Line {
    let count = |wanted: fn(&HostState) -> bool| {
        words::hosts(view).filter(|host| wanted(&host.state)).count()
    };
    Line {
        name: view.name.to_string(),
        goal: match view.way {
            Way::Forward => format!("{} to {}", view.product, view.target),
            Way::Removal => format!("{} back to {}", view.product, view.target),
        },
        state: words::rollout(view),
        hosts: words::hosts(view).count(),
        succeeded: count(|state| matches!(state, HostState::Succeeded { .. })),
        rolled_back: count(|state| {
            matches!(state, HostState::RolledBack { .. } | HostState::NeedsPerson { .. })
        }),
        deployed: view.deployed_at.map(words::moment).unwrap_or_default(),
    }
}

#[derive(Template)]
#[template(path = "rollout.html")]
struct RolloutPage {
    frame: Frame,
    name: String,
    events: bool,
    head: String,
    waves: Vec<WaveBlock>,
    plan: Option<PlanBlock>,
    author: String,
    agreed_by: String,
    authorised_by: String,
    deployed: String,
}

struct WaveBlock {
    head: String,
    rows: Vec<String>,
}

struct PlanBlock {
    files: Vec<(&'static str, &'static str)>,
    hash: String,
    parent: String,
    generation: String,
    made_at: String,
    approvals: u32,
    packs: Vec<(String, String, String)>,
    report: Vec<String>,
    findings: Vec<String>,
    excluded: Vec<(String, String)>,
    waves: Vec<String>,
}

/// `GET /rollouts/{name}`.
pub(crate) async fn show(
    State(console): State<Arc<Console>>,
    Extension(person): Extension<Person>,
    Path(rollout): Path<String>,
) -> Result<Response, Refusal> {
    let rollout: RolloutName = name(&rollout)?;
    let view = console.source.rollout(&rollout).await?;
    let plan = console.source.plan(&rollout).await?;
    let waves = view
        .waves
        .iter()
        .map(|wave| WaveBlock {
            head: wave_head(wave, words::measure(&view)),
            rows: wave.hosts.iter().map(|host| host_row(&view, host)).collect(),
        })
        .collect();
    Ok(reply::html(&RolloutPage {
        frame: frame(&person, "rollouts", view.name.as_str()),
        name: view.name.to_string(),
        events: !words::is_over(&view),
        head: rollout_head(&view),
        waves,
        plan: plan.as_ref().map(plan_block),
        author: view.author.to_string(),
        agreed_by: words::names(&view.agreed_by),
        authorised_by: words::names(&view.authorised_by),
        deployed: view.deployed_at.map_or_else(|| "not yet".to_owned(), words::moment),
    }))
}

fn plan_block(view: &PlanView) -> PlanBlock {
    let plan = &view.plan;
    let removals = plan.removals();
    PlanBlock {
        files: super::papers::FILES.iter().map(|(file, title, _)| (*file, *title)).collect(),
        hash: view.hash.to_string(),
        parent: plan.parent.map(|parent| parent.to_string()).unwrap_or_default(),
        generation: plan.generation.to_string(),
        made_at: words::moment(plan.made_at),
        approvals: plan.approvals_needed,
        packs: plan
            .packs
            .iter()
            .map(|pack| {
                let what = match removals.iter().find(|(_, goes)| **goes == pack) {
                    Some((build, _)) => format!("Pack to {build} goes"),
                    None => format!("Pack to {}", pack.to),
                };
                (what, pack.digest.to_string(), pack.size.to_string())
            })
            .collect(),
        report: view.report.clone(),
        findings: view.findings.clone(),
        excluded: plan.excluded.iter().map(|out| (out.host.to_string(), out.because.clone())).collect(),
        waves: plan
            .waves
            .iter()
            .map(|wave| {
                format!(
                    "{}: {}, {} at a time; goal {}, {} borne; watched for {}, given up after {}; next one {}",
                    wave.name,
                    refit_names::counted(wave.hosts.len(), "host"),
                    wave.parallel,
                    wave.goal,
                    refit_names::counted(wave.failure_budget as usize, "failure"),
                    refit_names::span(wave.soak_ms),
                    refit_names::span(wave.timeout_ms),
                    words::wire(&wave.advance),
                )
            })
            .collect(),
    }
}

/// The parts of a rollout's page that change by themselves: id of the element, and its HTML.
pub(crate) struct Fragments {
    /// In the order of the page.
    pub(crate) all: Vec<(String, String)>,
}

impl Fragments {
    /// Renders all parts.
    pub(crate) fn of(view: &RolloutView) -> Self {
        let mut all = vec![("head".to_owned(), rollout_head(view))];
        for wave in &view.waves {
            all.push((format!("wave-{}", wave.name), wave_head(wave, words::measure(view))));
            for host in &wave.hosts {
                all.push((format!("host-{}", host.host), host_row(view, host)));
            }
        }
        Self { all }
    }
}

#[derive(Template)]
#[template(path = "rollout_head.html")]
struct Head {
    goal: String,
    state: Word,
    percent: u64,
    failures: u32,
    budget: u32,
    counts: Vec<(usize, &'static str, &'static str)>,
}

fn rollout_head(view: &RolloutView) -> String {
    let measure = words::measure(view);
    let bars: Vec<u64> = words::hosts(view).map(|host| words::bar(host, measure).percent).collect();
    let count = |wanted: fn(&HostState) -> bool| {
        words::hosts(view).filter(|host| wanted(&host.state)).count()
    };
    let counts = vec![
        (bars.len(), "hosts", "idle"),
        (
            count(|state| matches!(state, HostState::Due | HostState::Running { .. })),
            "running",
            "busy",
        ),
        (count(|state| matches!(state, HostState::Succeeded { .. })), "succeeded", "good"),
        (count(|state| matches!(state, HostState::RolledBack { .. })), "rolled back", "warn"),
        (count(|state| matches!(state, HostState::NeedsPerson { .. })), "need a person", "bad"),
    ];
    render(&Head {
        goal: view.goal(),
        state: words::rollout(view),
        percent: mean(&bars),
        failures: view.failures,
        budget: view.failure_budget,
        counts,
    })
}

#[derive(Template)]
#[template(path = "wave_head.html")]
struct WaveHead {
    name: String,
    title: String,
    state: Word,
    percent: u64,
    finished: usize,
    hosts: usize,
}

fn wave_head(wave: &WaveView, measure: Measure) -> String {
    let bars: Vec<u64> = wave.hosts.iter().map(|host| words::bar(host, measure).percent).collect();
    let finished = wave.hosts.iter().filter(|host| words::is_finished(&host.state)).count();
    render(&WaveHead {
        name: wave.name.to_string(),
        title: words::capital(&words::wave_title(&wave.name)),
        state: words::wave(wave.state),
        percent: mean(&bars),
        finished,
        hosts: wave.hosts.len(),
    })
}

#[derive(Template)]
#[template(path = "host_row.html")]
struct Row {
    rollout: String,
    host: String,
    risk: u32,
    path: String,
    state: Word,
    reachable: bool,
    bar: Bar,
    downtime: String,
    bytes: String,
    signed_off: bool,
    finished: bool,
    /// Advisory findings that nobody has acknowledged.
    open_findings: usize,
}

fn host_row(view: &RolloutView, host: &RolloutHostView) -> String {
    let evidence = host.evidence.as_ref();
    render(&Row {
        rollout: view.name.to_string(),
        host: host.host.to_string(),
        risk: host.risk,
        path: words::path(&host.path),
        open_findings: host.findings.iter().filter(|finding| finding.taken.is_none()).count(),
        state: words::host(&host.state),
        reachable: host.reachable,
        bar: words::bar(host, words::measure(view)),
        downtime: evidence
            .map(|evidence| refit_names::span(evidence.downtime_ms))
            .unwrap_or_default(),
        bytes: evidence
            .map(|evidence| {
                format!("{} of {}", evidence.prepare.bytes_fetched, evidence.prepare.bytes_full)
            })
            .unwrap_or_default(),
        signed_off: host.signed_off,
        finished: evidence.is_some(),
    })
}

fn mean(all: &[u64]) -> u64 {
    all.iter().sum::<u64>() / (all.len() as u64).max(1)
}

/// Rendering into memory fails only when a template is wrong; an empty fragment then shows it.
fn render(template: &impl Template) -> String {
    template.render().unwrap_or_default()
}

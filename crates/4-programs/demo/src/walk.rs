//! The walk of one update, each act by the person who may do it.

use crate::{
    DemoError, Display, Talk, clients::Clients, content::BUILDS, hosts::Host, people::People,
    progress::Progress,
};
use refit_client::ApiClient;
use refit_names::{Percent, RolloutName};
use refit_plan::Advance;
use refit_protocol::v1::{
    Configuration, Decision, Deploy, NewRollout, PlanView, Right, RolloutView, WaveShape,
};
use refit_rollout::RolloutState;
use std::{collections::BTreeSet, time::Duration};

/// Canaries, a third, the rest.
const SHARES: [u8; 3] = [10, 30, 60];
/// What a wave must reach; small fleets get less, so that one failure is borne.
const GOAL: u64 = 80;
/// How long each wave is watched: enough to see it, short enough for a demo.
const SOAK_MS: u64 = 1_000;
/// Hosts that may be down at the same time.
const PARALLEL: u32 = 3;
/// Longest time for prepare, and for the deployment of twelve hosts on a slow machine; more hosts get more.
const LIMIT: Duration = Duration::from_secs(180);
const LIMIT_PER_HOST: Duration = Duration::from_secs(10);

/// Walks from the first draft to the last wave; the answer is the rollout as it ended.
pub(crate) async fn walk(
    people: &People,
    hosts: &[Host],
    clients: &Clients,
    display: Display,
    talk: &Talk,
) -> Result<RolloutView, DemoError> {
    let name = RolloutName::parse("spring").map_err(DemoError::value)?;
    let plan = plan(people, hosts, &name, talk).await?;
    let decision = || Decision { plan: plan.hash, remark: "the demo's plan".to_owned() };

    people.owner.agree(&name, &decision()).await.map_err(DemoError::call("agree to the plan"))?;
    talk("owner: agreed to exactly this plan");
    people.preparer.prepare(&name).await.map_err(DemoError::call("prepare"))?;
    talk("preparer: prepare started; nothing is down");
    let limit = LIMIT + LIMIT_PER_HOST * u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    let mut progress = Progress::new(display, &plan.plan, clients, talk);
    let view = follow(&people.preparer, &name, limit, &mut progress, |state| {
        !matches!(state, RolloutState::Preparing | RolloutState::Agreed)
    })
    .await?;
    if view.state != RolloutState::Prepared {
        return Err(stopped(&view));
    }
    people
        .authoriser
        .authorise(&name, &decision())
        .await
        .map_err(DemoError::call("authorise the plan"))?;
    progress.say("authoriser: authorised exactly this plan");
    let parties = BTreeSet::from([Right::Deployer, Right::ApplicationOwner]);
    let configuration =
        Configuration { parallel: None, advance: Some(Advance::Automatic), parties };
    people
        .configurer
        .configure(&name, &configuration)
        .await
        .map_err(DemoError::call("configure"))?;
    progress.say("configurer: waves follow each other by themselves; deployer and owner sign");

    clients.forget_gaps();
    people.deployer.deploy(&name, &Deploy::default()).await.map_err(DemoError::call("deploy"))?;
    progress.say("deployer: deployment started");
    let view = follow(&people.deployer, &name, limit, &mut progress, |state| {
        !matches!(state, RolloutState::Authorised | RolloutState::Deploying { .. })
    })
    .await?;
    progress.end();
    if view.state != RolloutState::Completed {
        return Err(stopped(&view));
    }
    Ok(view)
}

/// Creates the rollout and has it planned; a plan with findings ends the demo.
async fn plan(
    people: &People,
    hosts: &[Host],
    name: &RolloutName,
    talk: &Talk,
) -> Result<PlanView, DemoError> {
    // The server asks by itself, in its own time; whoever plans now wants today's news.
    let refreshed = people.planner.refresh_repository().await;
    refreshed.map_err(DemoError::call("refresh the repository"))?;
    let path = people
        .planner
        .path(
            &"ledger".parse().map_err(DemoError::value)?,
            &BUILDS[0].parse().map_err(DemoError::value)?,
            &BUILDS[2].parse().map_err(DemoError::value)?,
        )
        .await
        .map_err(DemoError::call("find the upgrade path"))?;
    let builds: Vec<_> = path.builds.iter().map(|build| build.as_str()).collect();
    talk(&format!("the path is {}: {} packs, {}", builds.join(" → "), path.packs.len(), path.size));
    let shares = SHARES
        .map(Percent::new)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(DemoError::value)?;
    let request = NewRollout {
        name: name.clone(),
        product: path.product,
        target: BUILDS[2].parse().map_err(DemoError::value)?,
        way: Default::default(),
        hosts: hosts.iter().map(|host| host.spec.name.clone()).collect(),
        waves: WaveShape {
            shares,
            goal: goal(hosts)?,
            soak_ms: SOAK_MS,
            timeout_ms: 600_000,
            parallel: PARALLEL,
            advance: Advance::Automatic,
        },
        failure_budget: 1,
        approvals_needed: 1,
        demands: Default::default(),
    };
    people.planner.create_rollout(&request).await.map_err(DemoError::call("create the rollout"))?;
    let plan = people.planner.make_plan(name).await.map_err(DemoError::call("make a plan"))?;
    if !plan.findings.is_empty() {
        return Err(DemoError::BadPlan { findings: plan.findings.join("; ") });
    }
    if let Some(excluded) = plan.plan.excluded.first() {
        let findings = format!("{} is left out: {}", excluded.host, excluded.because);
        return Err(DemoError::BadPlan { findings });
    }
    talk(&format!(
        "planner: plan {}, {} waves, no objection by the second judge",
        plan.hash,
        plan.plan.waves.len()
    ));
    for wave in &plan.plan.waves {
        let hosts: Vec<_> =
            wave.hosts.iter().map(|host| format!("{} (risk {})", host.host, host.risk)).collect();
        talk(&format!("  {}: {}", wave.name, hosts.join(", ")));
    }
    Ok(plan)
}

/// What every wave must reach so that one failure in the last one is borne.
fn goal(hosts: &[Host]) -> Result<Percent, DemoError> {
    let all = hosts.len() as u64;
    let taken = SHARES.iter().take(2).fold(0, |taken: u64, share| {
        (taken + (all * u64::from(*share)).div_ceil(100).max(1)).min(all)
    });
    let last = (all - taken).max(1);
    let goal = if hosts.iter().any(|host| host.spec.is_bad) {
        GOAL.min(100 * (last - 1) / last)
    } else {
        GOAL
    };
    Percent::new(u8::try_from(goal).unwrap_or(0)).map_err(DemoError::value)
}

fn stopped(view: &RolloutView) -> DemoError {
    let hosts = view
        .waves
        .iter()
        .flat_map(|wave| &wave.hosts)
        .map(|host| format!("{}: {:?}", host.host, host.state));
    DemoError::Stopped {
        state: format!("{:?}; {}", view.state, hosts.collect::<Vec<_>>().join("; ")),
    }
}

/// Shows every change until `is_over`.
async fn follow(
    api: &ApiClient,
    name: &RolloutName,
    limit: Duration,
    progress: &mut Progress<'_>,
    is_over: impl Fn(&RolloutState) -> bool,
) -> Result<RolloutView, DemoError> {
    let mut last = None;
    let until_over = async {
        loop {
            let mut events =
                api.events(name).await.map_err(DemoError::call("follow the rollout"))?;
            // A stream that breaks is opened again: its first event is the whole state.
            while let Ok(Some(view)) = events.next().await {
                progress.show(&view);
                if is_over(&view.state) {
                    return Ok(view);
                }
                last = Some(view);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    match tokio::time::timeout(limit, until_over).await {
        Ok(ended) => ended,
        Err(_) => Err(DemoError::Late {
            what: "the end of this part of the rollout".to_owned(),
            limit_s: limit.as_secs(),
            seen: last
                .as_ref()
                .map_or_else(|| "no event came".to_owned(), |view| stopped(view).to_string()),
        }),
    }
}

//! The hosts: each a folder with an installed build 1000, an agent of its own and a service of its own.

use crate::{
    DemoError, DemoOptions, Failure, Ground, children,
    content::{BUILDS, Releases},
    ground::free_ports,
    people::People,
};
use refit_inventory::{Criticality, ServiceState};
use refit_names::{HostName, RoleName, SiteName};
use refit_protocol::v1::{HostView, NewEnrolmentToken};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinSet};

/// Agents that enrol at the same time: each makes a key, and two processors are all that the demo asks for.
const ENROL_PARALLEL: usize = 4;
/// More hosts do not fit into the ports and the memory of one machine.
const HOSTS_MAX: u32 = 200;
/// How long agents may take to start their services and to report.
const START_LIMIT: Duration = Duration::from_secs(90);

/// What a host is like.
#[derive(Debug, Clone)]
pub(crate) struct HostSpec {
    pub(crate) name: HostName,
    site: SiteName,
    role: RoleName,
    criticality: Criticality,
    /// Its data makes the migration to build 1200 fail.
    pub(crate) is_bad: bool,
}

/// A host that runs.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) spec: HostSpec,
    pub(crate) port: u16,
    /// The product's folder.
    pub(crate) root: PathBuf,
}

/// Shapes of hosts, so that names say nothing about risk.
const CRITICALITIES: [Criticality; 12] = {
    use Criticality::{Critical, High, Low, Medium};
    [High, Low, Medium, Medium, High, Medium, Critical, Low, High, Medium, High, Medium]
};

/// What each of `count` hosts is like; the bad one is risky enough to stand in the last wave.
pub(crate) fn specs(count: u32, failure: Failure) -> Result<Vec<HostSpec>, DemoError> {
    if count == 0 || count > HOSTS_MAX {
        return Err(DemoError::Hosts { found: count });
    }
    let shape = |index: u32| CRITICALITIES[index as usize % CRITICALITIES.len()];
    let bad = (0..count).rev().find(|index| shape(*index) == Criticality::High);
    (0..count)
        .map(|index| {
            let (site, role) = (
                ["north", "south"][index as usize % 2],
                ["branch", "archive", "branch"][index as usize % 3],
            );
            Ok(HostSpec {
                name: HostName::parse(format!("{site}-{:02}", index + 1))
                    .map_err(DemoError::value)?,
                site: SiteName::parse(site).map_err(DemoError::value)?,
                role: RoleName::parse(role).map_err(DemoError::value)?,
                criticality: shape(index),
                is_bad: failure == Failure::OneHost && bad == Some(index),
            })
        })
        .collect()
}

/// Lays the hosts out, imports and enrols them, starts their agents, waits until every service answers and the server has seen it.
pub(crate) async fn start(
    ground: &mut Ground,
    options: &DemoOptions,
    people: &People,
    releases: &Releases,
    specs: Vec<HostSpec>,
) -> Result<Vec<Host>, DemoError> {
    let folder = ground.folder("hosts")?;
    let ports = free_ports(specs.len())?;
    let mut hosts = Vec::new();
    for (spec, port) in specs.into_iter().zip(ports) {
        let root = folder.join(spec.name.as_str()).join("root");
        lay_out(&root, &releases.trees[0])?;
        let host = Host { spec, port, root };
        options.load.lay(&host)?;
        hosts.push(host);
    }
    import(ground, options, people, &hosts).await?;
    enrol(options, people, &folder, &hosts).await?;
    for host in &hosts {
        let home = folder.join(host.spec.name.as_str());
        let (config, state) = (home.join("agent.toml"), home.join("state"));
        fs::write(&config, configuration(host, options))
            .map_err(DemoError::io("write", &config))?;
        let args = [
            "run".as_ref(),
            "--state".as_ref(),
            state.as_os_str(),
            "--config".as_ref(),
            config.as_os_str(),
        ];
        ground.add_agent(children::start(&options.agent, &args, &home.join("agent.log"))?);
    }
    await_all(ground, people, &hosts).await?;
    Ok(hosts)
}

/// An installation as it would be found: `releases/1000`, `current`, an empty `data`.
fn lay_out(root: &Path, tree: &Path) -> Result<(), DemoError> {
    let release = root.join("releases").join(BUILDS[0]);
    copy(tree, &release)?;
    let data = root.join("data");
    fs::create_dir_all(&data).map_err(DemoError::io("make", &data))?;
    let current = root.join("current");
    symlink(Path::new("releases").join(BUILDS[0]), &current).map_err(DemoError::io("make", current))
}

fn copy(from: &Path, to: &Path) -> Result<(), DemoError> {
    fs::create_dir_all(to).map_err(DemoError::io("make", to))?;
    for entry in fs::read_dir(from).map_err(DemoError::io("list", from))? {
        let entry = entry.map_err(DemoError::io("list", from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(DemoError::io("copy", &path))?;
        }
    }
    Ok(())
}

/// The same configuration that a user writes.
fn configuration(host: &Host, options: &DemoOptions) -> String {
    format!(
        "[[product]]\nname = \"ledger\"\nroot = {root:?}\n\n[product.service]\nkind = \"supervised\"\n\
         run = [\"current/bin/ledger\", \"serve\"]\n\n[product.parameters]\nport = \"{port}\"\n{secrets}",
        root = host.root.display().to_string(),
        port = host.port,
        secrets = options.load.secrets()
    )
}

/// As a team does it that has its servers in a list.
async fn import(
    ground: &Ground,
    options: &DemoOptions,
    people: &People,
    hosts: &[Host],
) -> Result<(), DemoError> {
    let mut csv = String::from("name,site,role,owner,criticality\n");
    for Host { spec, .. } in hosts {
        let criticality = format!("{:?}", spec.criticality).to_lowercase();
        csv.push_str(&format!("{},{},{},owner,{criticality}\n", spec.name, spec.site, spec.role));
    }
    let file = ground.dir().join("hosts/servers.csv");
    fs::write(&file, csv).map_err(DemoError::io("write", &file))?;
    let args = ["fleet".as_ref(), "import".as_ref(), file.as_os_str()];
    let env = [
        ("REFIT_SERVER", people.server.as_str()),
        ("REFIT_CA", people.authority.as_str()),
        ("REFIT_TOKEN", people.planner_token.as_str()),
    ];
    children::run(&options.refit, &args, &env).await.map(drop)
}

/// One token for each host, used once.
async fn enrol(
    options: &DemoOptions,
    people: &People,
    folder: &Path,
    hosts: &[Host],
) -> Result<(), DemoError> {
    let room = Arc::new(Semaphore::new(ENROL_PARALLEL));
    let mut running = JoinSet::new();
    for Host { spec, .. } in hosts {
        let request = NewEnrolmentToken {
            host: Some(spec.name.clone()),
            site: spec.site.clone(),
            role: spec.role.clone(),
            expires_in_ms: 600_000,
        };
        let token = people
            .admin
            .enrolment_token(&request)
            .await
            .map_err(DemoError::call("make a token"))?;
        let home = folder.join(spec.name.as_str());
        let file = home.join("enrolment.token");
        fs::write(&file, token.token).map_err(DemoError::io("write", &file))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))
            .map_err(DemoError::io("write", &file))?;
        let (agent, server, name) =
            (options.agent.clone(), people.server.clone(), spec.name.to_string());
        let room = Arc::clone(&room);
        running.spawn(async move {
            let state = home.join("state");
            // Never closed: the semaphore lives as long as this task.
            let _place = room.acquire().await;
            let args = [
                "enroll".as_ref(),
                "--server".as_ref(),
                server.as_ref(),
                "--token-file".as_ref(),
                file.as_os_str(),
                "--host".as_ref(),
                name.as_ref(),
                "--state".as_ref(),
                state.as_os_str(),
            ];
            children::run(&agent, &args, &[]).await
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(DemoError::value)??;
    }
    Ok(())
}

async fn await_all(ground: &mut Ground, people: &People, hosts: &[Host]) -> Result<(), DemoError> {
    let began = Instant::now();
    loop {
        let seen = people.planner.hosts().await.map_err(DemoError::call("list the hosts"))?;
        let missing: Vec<&str> = hosts
            .iter()
            .filter(|host| {
                !seen.iter().any(|seen| seen.record.name == host.spec.name && is_up(seen))
            })
            .map(|host| host.spec.name.as_str())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let ended = ground.agent_ended().map(|status| format!("an agent ended with {status}"));
        if ended.is_some() || began.elapsed() > START_LIMIT {
            let seen = ended.unwrap_or_else(|| format!("missing: {}", missing.join(", ")));
            let what = "the report of every agent that its service runs build 1000".to_owned();
            return Err(DemoError::Late { what, limit_s: START_LIMIT.as_secs(), seen });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn is_up(host: &HostView) -> bool {
    let product = host.record.facts.as_ref().and_then(|facts| facts.products.first());
    host.reachable
        && product.is_some_and(|product| {
            product.services == ServiceState::Running
                && product.build.as_ref().is_some_and(|build| build.as_str() == BUILDS[0])
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_host_is_among_the_riskiest() {
        for count in [1, 2, 5, 12, 40] {
            let specs = specs(count, Failure::OneHost).unwrap();
            let bad: Vec<_> = specs.iter().filter(|spec| spec.is_bad).collect();
            assert_eq!(bad.len(), 1, "{count} hosts");
            assert_eq!(bad[0].criticality, Criticality::High);
        }
        assert!(specs(12, Failure::None).unwrap().iter().all(|spec| !spec.is_bad));
        assert!(specs(0, Failure::None).is_err());
    }
}

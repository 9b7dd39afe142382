//! One host's whole walk with a real server, a signed repository and a real process: killed again and again, cut off from the server in
//! the middle, and whole at the end.

use refit_ambient::Ambient;
use refit_client::ApiClient;
use refit_names::{HostName, PersonName, RolloutName};
use refit_protocol::{
    agent::Standing,
    v1::{
        Configuration, Decision, Deploy, NewEnrolmentToken, NewRollout, NewUser, PlanDemands,
        Right, RolloutView, WaveShape,
    },
};
use refit_rollout::{HostState, RolloutState};
use refit_server::{RepositoryOptions, ServerHandle, ServerOptions};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(90);
/// How long each of the killed agents lives: from hardly started to in the middle of a leg.
const LIVES_MS: [u64; 8] = [40, 90, 140, 60, 220, 110, 300, 170];

/// A plain service that holds still in the middle of a leg while the file `hold` is there.
const RUNBOOK: &str = r#"format: refit.runbook/1
name: clock
version: 1
steps:
  - { id: stage, phase: stage, do: { install.stage: {} } }
  - { id: build, phase: before, do: { check.build: {} } }
  - { id: stop, phase: protect, do: { service.stop: {} } }
  - { id: backup, phase: protect, do: { backup.take: {} } }
  - { id: backup-verified, phase: protect, do: { backup.verify: {} } }
  - id: held
    phase: protect
    do: { script.run: { run: [sh, -c, "touch $REFIT_ROOT/held; while [ -e $REFIT_ROOT/hold ]; do sleep 0.02; done"], repeatable: true } }
  - { id: switch, phase: install, do: { install.switch: {} } }
  - { id: start, phase: after, do: { service.start: {} } }
rollback: { method: switch-and-restore, trigger: a mandatory step fails, deadline_ms: 300000, owner: operations }
"#;

struct Walk {
    dir: TempDir,
    server: Option<ServerHandle>,
    listen: String,
    agent: Option<Child>,
}

impl Drop for Walk {
    fn drop(&mut self) {
        self.kill_agent();
        // The service outlives the agent by design; here it ends with the test.
        if let Some(pid) = service(&self.root()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// The process that the release's program wrote down, if it still runs.
fn service(root: &Path) -> Option<rustix::process::Pid> {
    let id: i32 = fs::read_to_string(root.join("data/pid")).ok()?.trim().parse().ok()?;
    let command = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    String::from_utf8_lossy(&command)
        .contains("sleep")
        .then(|| rustix::process::Pid::from_raw(id))?
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A program that writes down its process and its build. Its time limit is for a test that was killed itself.
fn program(path: &Path, build: &str) {
    write(
        path,
        &format!(
            "#!/bin/sh\necho $$ > \"$REFIT_ROOT/data/pid\"\necho {build} > \"$REFIT_ROOT/data/build\"\nexec sleep 600\n"
        ),
    );
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

async fn repository(dir: &Path) {
    let (repo, keys, now) = (dir.join("repo"), dir.join("keys"), jiff::Timestamp::now());
    let root =
        refit_forge::repo::init(&repo, &keys, &refit_forge::repo::InitOptions::default(), now)
            .await
            .unwrap();
    let mut packs = Vec::new();
    for (from, to) in [("1000", "1100"), ("1100", "1200")] {
        let source = dir.join(format!("pack-{to}"));
        program(&source.join("payload/bin/serve"), to);
        write(
            &source.join("payload/lib/words"),
            &format!("{to}\n{}", "the same words in every build\n".repeat(20_000)),
        );
        write(&source.join("payload/share/docs/page"), "how to read it");
        write(&source.join("payload/share/samples/one"), "to practise with");
        write(&source.join("web/index.html"), to);
        write(&source.join("README.md"), "what is new");
        write(&source.join("runbook.yaml"), RUNBOOK);
        write(
            &source.join("pack.yaml"),
            &format!(
                "format: refit.pack/1\nproduct: clock\nfrom: [{from}]\nto: {to}\nkind: service-pack\ntitle: Clock {to}\n\
             readme: README.md\npayload: payload\nweb: web\nrunbook: runbook.yaml\nunit:\n  data: [data]\n\
             parts:\n  docs: {{title: Manual, paths: [share/docs]}}\n  samples: {{title: Samples, default: false, paths: [share/samples]}}\n"
            ),
        );
        let built = refit_forge::pack::build(&source).unwrap();
        let file = dir.join(built.file_name());
        refit_forge::pack_file::write(&built, &file, None).unwrap();
        packs.push(file);
    }
    let life = jiff::SignedDuration::from_hours(24);
    let published =
        refit_forge::repo::publish(&repo, &keys, &packs, None, life, now).await.unwrap();
    assert_eq!(published.added.len(), 2);
    fs::copy(root, dir.join("root.json")).unwrap();
}

impl Walk {
    async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        repository(dir.path()).await;
        let mut this = Self { dir, server: None, listen: "127.0.0.1:0".to_owned(), agent: None };
        program(&this.root().join("releases/1000/bin/serve"), "1000");
        write(
            &this.root().join("releases/1000/lib/words"),
            &format!("1000\n{}", "the same words in every build\n".repeat(20_000)),
        );
        fs::create_dir_all(this.root().join("data")).unwrap();
        symlink("releases/1000", this.root().join("current")).unwrap();
        write(
            &this.dir.path().join("agent.toml"),
            &format!(
                "[[product]]\nname = \"clock\"\nroot = {:?}\n[product.service]\nkind = \"supervised\"\nrun = [\"current/bin/serve\"]\n",
                this.root().display().to_string()
            ),
        );
        this.start_server().await;
        this
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Starts the server, after a stop where it was before.
    async fn start_server(&mut self) {
        let dir = self.dir.path();
        let url = |name: &str| {
            format!("file://{}/", dir.join("repo").join(name).display()).parse().unwrap()
        };
        let repository = RepositoryOptions {
            metadata: url("metadata"),
            targets: url("targets"),
            root: dir.join("root.json"),
        };
        let options = ServerOptions {
            state: dir.join("server"),
            listen: self.listen.parse().unwrap(),
            names: Vec::new(),
            console: None,
            database: None,
            repository: Some(repository),
            refresh_every: Duration::from_secs(3600),
            check_jitter: Duration::ZERO,
        };
        let server = refit_server::start(options, Ambient::system()).await.unwrap();
        self.listen = server.url.trim_start_matches("https://").to_owned();
        self.server = Some(server);
    }

    fn client(&self, token: &str) -> ApiClient {
        let server = self.server.as_ref().unwrap();
        ApiClient::new(&server.url, token, Some(&fs::read_to_string(&server.ca_path).unwrap()))
            .unwrap()
    }

    fn admin(&self) -> ApiClient {
        self.client(&fs::read_to_string(&self.server.as_ref().unwrap().admin_token_path).unwrap())
    }

    async fn person(&self, name: &str, rights: &[Right]) -> ApiClient {
        let new = NewUser {
            name: PersonName::parse(name).unwrap(),
            rights: rights.iter().copied().collect(),
        };
        self.client(&self.admin().add_user(&new).await.unwrap().token)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit-agent"));
        command
            .args(arguments)
            .arg("--state")
            .arg(self.dir.path().join("state"))
            .stdin(Stdio::null());
        command
    }

    async fn enrol(&self) {
        let new = NewEnrolmentToken {
            host: Some(host()),
            site: "north".parse().unwrap(),
            role: "app".parse().unwrap(),
            expires_in_ms: 600_000,
        };
        let token = self.admin().enrolment_token(&new).await.unwrap().token;
        let server = &self.server.as_ref().unwrap().url;
        let arguments = ["enroll", "--server", server, "--token", &token, "--host", "clock-1"];
        assert!(self.command(&arguments).status().unwrap().success());
    }

    fn start_agent(&mut self) {
        let config = self.dir.path().join("agent.toml");
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("agent.log"))
            .unwrap();
        let mut command = self.command(&["run", "--config", config.to_str().unwrap()]);
        self.agent = Some(command.stderr(log).spawn().unwrap());
    }

    fn kill_agent(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }

    /// Asks the agent to stop, as systemd does; a running step is journaled first.
    fn stop_agent(&mut self) {
        let mut agent = self.agent.take().unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(agent.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(agent.wait().unwrap().success(), "{}", self.log());
    }

    /// Starts and kills agents of different lives.
    async fn kill_again_and_again(&mut self) {
        for life in LIVES_MS {
            self.kill_agent();
            self.start_agent();
            // The moment of the fault, not a wait for anything.
            tokio::time::sleep(Duration::from_millis(life)).await;
        }
        self.kill_agent();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("agent.log")).unwrap_or_default()
    }
}

fn host() -> HostName {
    HostName::parse("clock-1").unwrap()
}

fn name() -> RolloutName {
    RolloutName::parse("spring").unwrap()
}

async fn until(
    walk: &Walk,
    api: &ApiClient,
    what: &str,
    wished: impl Fn(&RolloutView) -> bool,
) -> RolloutView {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let view = api.rollout(&name()).await.unwrap();
        if wished(&view) {
            return view;
        }
        assert!(Instant::now() < deadline, "not {what} in time: {view:#?}\n{}", walk.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A rollout whose plan is agreed to.
async fn agreed(walk: &Walk, lead: &ApiClient) -> Decision {
    let planner = walk.person("planner", &[Right::Planner]).await;
    let owner = walk.person("owner", &[Right::ApplicationOwner]).await;
    let deadline = Instant::now() + DEADLINE;
    while !planner.hosts().await.unwrap().iter().any(|host| host.record.facts.is_some()) {
        assert!(Instant::now() < deadline, "no facts in time\n{}", walk.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    planner.refresh_repository().await.unwrap();
    let new = NewRollout {
        name: name(),
        product: "clock".parse().unwrap(),
        target: "1200".parse().unwrap(),
        way: Default::default(),
        hosts: BTreeSet::new(),
        waves: WaveShape { soak_ms: 1, ..WaveShape::default() },
        failure_budget: 1,
        approvals_needed: 1,
        demands: PlanDemands {
            parts: BTreeSet::from(["samples".parse().unwrap()]),
            without_parts: BTreeSet::from(["docs".parse().unwrap()]),
            ..PlanDemands::default()
        },
    };
    let mut other = new.clone();
    other.demands.parts = BTreeSet::from(["games".parse().unwrap()]);
    let refused = planner.create_rollout(&other).await.unwrap_err().to_string();
    assert!(refused.contains("`docs`, `samples`") && refused.contains("`games`"), "{refused}");
    planner.create_rollout(&new).await.unwrap();
    let plan = planner.make_plan(&name()).await.unwrap();
    let decision = Decision { plan: plan.hash, remark: String::new() };
    owner.agree(&name(), &decision).await.unwrap();
    lead.prepare(&name()).await.unwrap();
    decision
}

/// Lets the host begin, and waits until it has.
async fn deploy(walk: &Walk, lead: &ApiClient, decision: &Decision) {
    order(lead, decision).await;
    let begun = |view: &RolloutView| {
        let report =
            view.waves.iter().flat_map(|wave| &wave.hosts).find_map(|host| host.report.clone());
        report.is_some_and(|report| {
            matches!(report.standing, Standing::Running { .. } | Standing::Finished { .. })
        })
    };
    until(walk, lead, "begun", begun).await;
}

/// Lets the host begin.
async fn order(lead: &ApiClient, decision: &Decision) {
    lead.authorise(&name(), decision).await.unwrap();
    let parties = BTreeSet::from([Right::Deployer]);
    lead.configure(&name(), &Configuration { parallel: None, advance: None, parties })
        .await
        .unwrap();
    lead.deploy(&name(), &Deploy::default()).await.unwrap();
}

/// Of the optional parts only the one that was picked is there, and the host says so.
async fn assert_parts(walk: &Walk, lead: &ApiClient) {
    let share = walk.root().join("current/share");
    assert!(share.join("samples/one").is_file() && !share.join("docs").exists());
    let deadline = Instant::now() + DEADLINE;
    let wanted = BTreeSet::from(["samples".parse().unwrap()]);
    loop {
        let hosts = lead.hosts().await.unwrap();
        let product = "clock".parse().unwrap();
        if hosts[0].record.product(&product).is_some_and(|seen| seen.parts == wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "the host never told its parts\n{}", walk.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The host runs exactly the build that it reported, and proves what it did.
fn assert_whole(walk: &Walk, view: &RolloutView) {
    let host = view.waves.iter().flat_map(|wave| &wave.hosts).next().unwrap();
    let (HostState::Succeeded { build } | HostState::RolledBack { build, .. }) = &host.state else {
        panic!("{host:#?}")
    };
    let current = fs::read_link(walk.root().join("current")).unwrap();
    assert_eq!(current, Path::new("releases").join(build.as_str()), "{}", walk.log());
    let evidence = host.evidence.as_ref().unwrap();
    assert_eq!((evidence.build_before.as_str(), &evidence.build_after), ("1000", build));
    assert!(evidence.prepare.bytes_fetched < evidence.prepare.bytes_full, "{:?}", evidence.prepare);
    assert_eq!(evidence.prepare.stages.len(), 5);
    assert!(service(&walk.root()).is_some(), "the service does not run\n{}", walk.log());
    assert_eq!(fs::read_to_string(walk.root().join("data/build")).unwrap().trim(), build.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_that_is_killed_again_and_again_and_loses_its_server_ends_whole() {
    let mut walk = Walk::open().await;
    let rights = [Right::Preparer, Right::Authoriser, Right::Configurer, Right::Deployer];
    let lead = walk.person("lead", &rights).await;
    walk.enrol().await;
    walk.start_agent();
    let decision = agreed(&walk, &lead).await;

    walk.kill_again_and_again().await;
    walk.start_agent();
    until(&walk, &lead, "prepared", |view| view.state == RolloutState::Prepared).await;
    assert_eq!(fs::read_link(walk.root().join("current")).unwrap(), Path::new("releases/1000"));
    let pages = walk.dir.path().join("state/pages/clock/1200/index.html");
    assert_eq!(fs::read_to_string(pages).unwrap(), "1200");

    deploy(&walk, &lead, &decision).await;
    // From here on the host needs nobody.
    walk.server.take().unwrap().shutdown().await;
    walk.stop_agent();
    assert!(!walk.log().contains("a step is cut off"), "{}", walk.log());
    walk.kill_again_and_again().await;
    walk.start_agent();
    let deadline = Instant::now() + DEADLINE;
    while !walk.log().contains("order finished")
        && walk.dir.path().join("state/orders/active.json").exists()
    {
        assert!(Instant::now() < deadline, "not finished in time\n{}", walk.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    walk.start_server().await;
    let over = |state: &HostState| {
        matches!(state, HostState::Succeeded { .. } | HostState::RolledBack { .. })
    };
    let view = until(&walk, &lead, "over", |view| {
        view.waves.iter().flat_map(|wave| &wave.hosts).all(|host| over(&host.state))
    })
    .await;
    assert_whole(&walk, &view);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_an_order_from_going_on_is_told_by_the_server_and_the_order_goes_on_after_it() {
    let mut walk = Walk::open().await;
    let rights = [Right::Preparer, Right::Authoriser, Right::Configurer, Right::Deployer];
    let lead = walk.person("lead", &rights).await;
    walk.enrol().await;
    walk.start_agent();
    let decision = agreed(&walk, &lead).await;
    until(&walk, &lead, "prepared", |view| view.state == RolloutState::Prepared).await;
    let lock = walk.dir.path().join("state/locks/clock");
    if lock.exists() {
        fs::remove_file(&lock).unwrap();
    }
    fs::create_dir_all(&lock).unwrap();
    order(&lead, &decision).await;
    let stuck = |view: &RolloutView| {
        let mut reports = view.waves.iter().flat_map(|wave| &wave.hosts).map(|host| &host.report);
        reports.any(|report| report.as_ref().is_some_and(|report| report.stuck.is_some()))
    };
    until(&walk, &lead, "stuck", stuck).await;
    let why = lead.why(&name(), &host()).await.unwrap();
    let expected = format!("{}: Is a directory", lock.display());
    assert!(why.because.contains(&expected), "{why:?}");
    fs::remove_dir(&lock).unwrap();
    let over = |view: &RolloutView| {
        let mut hosts = view.waves.iter().flat_map(|wave| &wave.hosts);
        hosts.all(|host| matches!(host.state, HostState::Succeeded { .. })) && !stuck(view)
    };
    let view = until(&walk, &lead, "over", over).await;
    assert_whole(&walk, &view);
}

/// The author takes the second pack back, and the server looks.
async fn withdraw(walk: &Walk, planner: &ApiClient) {
    let dir = walk.dir.path();
    let keys = refit_forge::key::Keyring::open(&dir.join("keys"), None).unwrap();
    let (product, build) = ("clock".parse().unwrap(), "1200".parse().unwrap());
    let what = refit_forge::repo::Withdrawal::own(product, build, "loses an hour".to_owned());
    let (life, now) = (jiff::SignedDuration::from_hours(24), jiff::Timestamp::now());
    let _ = refit_forge::repo::withdraw(&dir.join("repo"), &keys, &what, life, now).unwrap();
    planner.refresh_repository().await.unwrap();
}

const WITHDRAWN: &str = "pack of product `clock` to build `1200` was withdrawn: loses an hour";

#[tokio::test(flavor = "multi_thread")]
async fn prepared_host_stands_by_when_a_pack_of_its_order_is_withdrawn() {
    let mut walk = Walk::open().await;
    let rights = [Right::Preparer, Right::Authoriser, Right::Configurer, Right::Deployer];
    let lead = walk.person("lead", &rights).await;
    walk.enrol().await;
    walk.start_agent();
    let decision = agreed(&walk, &lead).await;
    until(&walk, &lead, "prepared", |view| view.state == RolloutState::Prepared).await;
    let active = walk.dir.path().join("state/orders/active.json");
    assert!(active.exists());
    let planner = walk.person("second", &[Right::Planner]).await;
    withdraw(&walk, &planner).await;
    let deadline = Instant::now() + DEADLINE;
    while active.exists() {
        assert!(Instant::now() < deadline, "the order is still held\n{}", walk.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = lead.authorise(&name(), &decision).await.unwrap_err();
    assert!(refused.to_string().contains(WITHDRAWN), "{refused}");
    assert_eq!(fs::read_link(walk.root().join("current")).unwrap(), Path::new("releases/1000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn second_leg_does_not_begin_when_its_pack_is_withdrawn_during_the_first() {
    let mut walk = Walk::open().await;
    let rights = [Right::Preparer, Right::Authoriser, Right::Configurer, Right::Deployer];
    let lead = walk.person("lead", &rights).await;
    walk.enrol().await;
    walk.start_agent();
    let decision = agreed(&walk, &lead).await;
    until(&walk, &lead, "prepared", |view| view.state == RolloutState::Prepared).await;
    write(&walk.root().join("hold"), "");
    deploy(&walk, &lead, &decision).await;
    let deadline = Instant::now() + DEADLINE;
    while !walk.root().join("held").exists() {
        assert!(Instant::now() < deadline, "the first leg does not run\n{}", walk.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let planner = walk.person("second", &[Right::Planner]).await;
    withdraw(&walk, &planner).await;
    let halted = |view: &RolloutView| matches!(&view.state, RolloutState::Halted { because, .. } if because == WITHDRAWN);
    until(&walk, &lead, "halted", halted).await;
    fs::remove_file(walk.root().join("hold")).unwrap();
    let over = |view: &RolloutView| {
        let mut hosts = view.waves.iter().flat_map(|wave| &wave.hosts);
        hosts.all(|host| matches!(host.state, HostState::RolledBack { .. }))
    };
    let view = until(&walk, &lead, "over", over).await;
    let host = view.waves.iter().flat_map(|wave| &wave.hosts).next().unwrap();
    let HostState::RolledBack { build, cause } = &host.state else { panic!("{host:#?}") };
    assert_eq!(build.as_str(), "1100", "the first leg is whole");
    assert!(cause.contains("order.pack-withdrawn") && cause.contains(WITHDRAWN), "{cause}");
    assert_whole(&walk, &view);
    assert_parts(&walk, &lead).await;
}

/// Every record in the server's mirror, with one byte changed and its length kept.
fn tamper(dir: &Path) -> u32 {
    let mut changed = 0;
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            changed += tamper(&path);
        } else if path.to_str().is_some_and(|path| path.contains("record.json")) {
            let mut content = fs::read(&path).unwrap();
            let middle = content.len() / 2;
            content[middle] ^= 1;
            fs::write(&path, content).unwrap();
            changed += 1;
        }
    }
    changed
}

#[tokio::test(flavor = "multi_thread")]
async fn server_in_wrong_hands_cannot_make_a_host_take_what_nobody_signed() {
    let mut walk = Walk::open().await;
    let lead = walk.person("lead", &[Right::Preparer]).await;
    walk.enrol().await;
    walk.start_agent();
    let deadline = Instant::now() + DEADLINE;
    while !lead.hosts().await.unwrap().iter().any(|host| host.record.facts.is_some()) {
        assert!(Instant::now() < deadline, "no facts in time\n{}", walk.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    walk.kill_agent();
    agreed(&walk, &lead).await;
    assert!(tamper(&walk.dir.path().join("server/repository/targets")) >= 2);
    walk.start_agent();
    let refused = |view: &RolloutView| format!("{view:?}").contains("repository.hash-mismatch");
    until(&walk, &lead, "refused", refused).await;
    assert_eq!(fs::read_link(walk.root().join("current")).unwrap(), Path::new("releases/1000"));
    let releases = fs::read_dir(walk.root().join("releases")).unwrap().count();
    assert_eq!(releases, 1, "something was built of what nobody signed");
}

//! A real server with a signed repository, a real agent with a real process, and people with their rights.

use refit_ambient::Ambient;
use refit_client::ApiClient;
use refit_names::{HostName, PersonName, RolloutName};
use refit_protocol::v1::{
    Configuration, Decision, Deploy, NewEnrolmentToken, NewRollout, NewUser, PlanDemands,
    QuestionView, QuestionsQuery, Right, RolloutView, WaveShape,
};
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

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) dir: TempDir,
    server: Option<ServerHandle>,
    listen: String,
    agent: Option<Child>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kill_agent();
        // The service outlives the agent by design; here it ends with the test.
        let pid = fs::read_to_string(self.root().join("data/pid")).unwrap_or_default();
        let command = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
        let ours = String::from_utf8_lossy(&command).contains("sleep");
        if let (true, Ok(pid)) = (ours, pid.trim().parse())
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Its time limit is for a test that was killed itself.
fn program(path: &Path) {
    write(path, "#!/bin/sh\necho $$ > \"$REFIT_ROOT/data/pid\"\nexec sleep 600\n");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

async fn repository(dir: &Path, runbook: &str) {
    let (repo, keys, now) = (dir.join("repo"), dir.join("keys"), jiff::Timestamp::now());
    let options = refit_forge::repo::InitOptions::default();
    let root = refit_forge::repo::init(&repo, &keys, &options, now).await.unwrap();
    let source = dir.join("pack");
    program(&source.join("payload/bin/serve"));
    write(&source.join("README.md"), "what is new");
    write(&source.join("runbook.yaml"), runbook);
    let manifest = "format: refit.pack/1\nproduct: clock\nfrom: [1000]\nto: 1100\nkind: service-pack\ntitle: Clock 1100\nreadme: README.md\npayload: payload\nrunbook: runbook.yaml\nunit:\n  data: [data]\n";
    write(&source.join("pack.yaml"), manifest);
    let built = refit_forge::pack::build(&source).unwrap();
    let file = dir.join(built.file_name());
    refit_forge::pack_file::write(&built, &file, None).unwrap();
    let life = jiff::SignedDuration::from_hours(24);
    let _ = refit_forge::repo::publish(&repo, &keys, &[file], None, life, now).await.unwrap();
    fs::copy(root, dir.join("root.json")).unwrap();
}

pub(crate) fn host() -> HostName {
    HostName::parse("clock-1").unwrap()
}

pub(crate) fn name() -> RolloutName {
    RolloutName::parse("spring").unwrap()
}

impl Stage {
    pub(crate) async fn open(runbook: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        repository(dir.path(), runbook).await;
        let mut this = Self { dir, server: None, listen: "127.0.0.1:0".to_owned(), agent: None };
        program(&this.root().join("releases/1000/bin/serve"));
        fs::create_dir_all(this.root().join("data")).unwrap();
        symlink("releases/1000", this.root().join("current")).unwrap();
        let root = this.root().display().to_string();
        let config = format!(
            "[[product]]\nname = \"clock\"\nroot = {root:?}\n[product.service]\nkind = \"supervised\"\nrun = [\"current/bin/serve\"]\n"
        );
        write(&this.dir.path().join("agent.toml"), &config);
        this.start_server().await;
        this.enrol().await;
        this.start_agent();
        this
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Starts the server, after a stop where it was before.
    pub(crate) async fn start_server(&mut self) {
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

    pub(crate) async fn stop_server(&mut self) {
        self.server.take().unwrap().shutdown().await;
    }

    fn client(&self, token: &str) -> ApiClient {
        let server = self.server.as_ref().unwrap();
        let authority = fs::read_to_string(&server.ca_path).unwrap();
        ApiClient::new(&server.url, token, Some(&authority)).unwrap()
    }

    pub(crate) async fn person(&self, name: &str, rights: &[Right]) -> ApiClient {
        let token = &self.server.as_ref().unwrap().admin_token_path;
        let admin = self.client(&fs::read_to_string(token).unwrap());
        let name = PersonName::parse(name).unwrap();
        let new = NewUser { name, rights: rights.iter().copied().collect() };
        self.client(&admin.add_user(&new).await.unwrap().token)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit-agent"));
        let state = self.dir.path().join("state");
        command.args(arguments).arg("--state").arg(state).stdin(Stdio::null());
        command
    }

    async fn enrol(&self) {
        let new = NewEnrolmentToken {
            host: Some(host()),
            site: "north".parse().unwrap(),
            role: "app".parse().unwrap(),
            expires_in_ms: 600_000,
        };
        let server = self.server.as_ref().unwrap();
        let admin = self.client(&fs::read_to_string(&server.admin_token_path).unwrap());
        let token = admin.enrolment_token(&new).await.unwrap().token;
        let arguments = ["enroll", "--server", &server.url, "--token", &token, "--host", "clock-1"];
        assert!(self.command(&arguments).status().unwrap().success());
    }

    pub(crate) fn start_agent(&mut self) {
        let (config, log) = (self.dir.path().join("agent.toml"), self.dir.path().join("agent.log"));
        let log = fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = self.command(&["run", "--config", config.to_str().unwrap()]);
        self.agent = Some(command.stderr(log).spawn().unwrap());
    }

    pub(crate) fn kill_agent(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }

    /// Asks the agent to stop, as systemd does.
    pub(crate) fn stop_agent(&mut self) {
        let mut agent = self.agent.take().unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(agent.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(agent.wait().unwrap().success(), "{}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("agent.log")).unwrap_or_default()
    }

    /// Waits until `look` finds something.
    pub(crate) async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(Instant::now() < deadline, "not {what} in time\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a step asks.
    pub(crate) async fn asked(&self, api: &ApiClient, step: &str, attempt: u32) -> QuestionView {
        let query = QuestionsQuery { rollout: Some(name()), all: false };
        self.until(&format!("asked by {step}"), async || {
            let open = api.questions(&query).await.unwrap().into_iter();
            let open = open.filter(|view| view.given.is_none());
            open.into_iter()
                .find(|view| view.key.step.as_str() == step && view.key.attempt == attempt)
        })
        .await
    }

    pub(crate) async fn rollout(
        &self,
        api: &ApiClient,
        wished: impl Fn(&RolloutView) -> bool,
    ) -> RolloutView {
        self.until("at its end", async || {
            let view = api.rollout(&name()).await.unwrap();
            wished(&view).then_some(view)
        })
        .await
    }

    /// From nothing to a host that has begun.
    pub(crate) async fn deploy(&self, lead: &ApiClient) {
        let planner = self.person("planner", &[Right::Planner]).await;
        let approver = self.person("approver", &[Right::Approver]).await;
        let all = async || planner.hosts().await.unwrap();
        self.until("facts", async || {
            all().await.iter().any(|host| host.record.facts.is_some()).then_some(())
        })
        .await;
        planner.refresh_repository().await.unwrap();
        let new = NewRollout {
            name: name(),
            product: "clock".parse().unwrap(),
            target: "1100".parse().unwrap(),
            way: Default::default(),
            hosts: BTreeSet::new(),
            waves: WaveShape { soak_ms: 1, ..WaveShape::default() },
            failure_budget: 1,
            approvals_needed: 1,
            demands: PlanDemands::default(),
        };
        planner.create_rollout(&new).await.unwrap();
        let plan = planner.make_plan(&name()).await.unwrap();
        let decision = Decision { plan: plan.hash, remark: String::new() };
        approver.agree(&name(), &decision).await.unwrap();
        lead.prepare(&name()).await.unwrap();
        let prepared = refit_rollout::RolloutState::Prepared;
        self.rollout(lead, |view| view.state == prepared).await;
        lead.authorise(&name(), &decision).await.unwrap();
        let parties = BTreeSet::from([Right::Deployer]);
        let set = Configuration { parallel: None, advance: None, parties };
        lead.configure(&name(), &set).await.unwrap();
        lead.deploy(&name(), &Deploy::default()).await.unwrap();
    }
}

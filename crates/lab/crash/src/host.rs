//! A host in a folder: a ledger that serves, an order that is stored, and what both ought to look like.

use crate::{
    kinds::Kind,
    tree::{self, Tree},
    writer::{Writer, ask},
};
use anyhow::{Result, anyhow, bail, ensure};
use refit_content::{Origin, Realise, fetch};
use refit_host::{product::ProductConfig, service};
use refit_packs::record::PackRecord;
use refit_plan::Order;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use url::Url;

/// A service that does not come within this time does not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the agent of the walk finds in `host.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    port: u16,
    packs: PathBuf,
    builds: Vec<String>,
}

impl Spec {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        Ok(serde_json::from_slice(&fs::read(folder.join("host.json"))?)?)
    }

    /// The agent's folder: on a volume of its own, so that nothing of the product is made durable by accident.
    pub(crate) fn state(&self, folder: &Path) -> PathBuf {
        folder.join("state/refit")
    }

    pub(crate) fn root(&self, folder: &Path) -> PathBuf {
        folder.join("product/srv")
    }

    pub(crate) fn product(&self, folder: &Path) -> Result<ProductConfig> {
        Ok(serde_json::from_value(json!({
            "name": "ledger", "root": self.root(folder),
            "service": {"kind": "supervised", "run": ["current/bin/ledger", "serve"]},
            "parameters": {"port": self.port.to_string()},
        }))?)
    }

    fn legs(&self) -> impl Iterator<Item = &[String]> {
        self.builds.windows(2)
    }

    pub(crate) fn order(&self) -> Result<Order> {
        let digest = format!("sha256:{}", "0".repeat(64));
        let leg = |pair: &[String]| json!({"from": pair[0], "pack": {"to": pair[1], "record": format!("packs/{}.json", pair[1]), "digest": digest, "size": 1}});
        let legs: Vec<Value> = self.legs().map(leg).collect();
        Ok(serde_json::from_value(json!({
            "key": {"rollout": "walk", "generation": 1}, "plan": digest, "host": "h1", "product": "ledger",
            "legs": legs, "parameters": {},
        }))?)
    }

    pub(crate) fn records(&self, _folder: &Path) -> Result<Vec<PackRecord>> {
        let read = |pair: &[String]| -> Result<PackRecord> {
            Ok(serde_json::from_slice(&fs::read(self.packs.join(&pair[1]).join("record.json"))?)?)
        };
        self.legs().map(read).collect()
    }

    /// Chunks that prepare brought.
    pub(crate) fn cache(&self, folder: &Path) -> PathBuf {
        self.state(folder).join("content/chunks")
    }
}

/// Builds the packs of a kind below `packs`, with the real forge, and the tree of the first build.
pub(crate) fn make_packs(kind: &Kind, packs: &Path, ledger: &Path) -> Result<()> {
    for (at, build) in kind.builds.iter().enumerate() {
        let folder = packs.join(build);
        lay_payload(&folder.join("payload"), build, ledger)?;
        if at == 0 {
            continue;
        }
        let from = kind.builds[at - 1];
        fs::write(folder.join("README.md"), "what is new\n")?;
        fs::write(folder.join("pack.yaml"), pack_yaml(from, build))?;
        fs::write(folder.join("runbook.yaml"), runbook_yaml(kind, build))?;
        let built = refit_forge::pack::build(&folder)?;
        fs::write(folder.join("record.json"), built.record_json())?;
        fs::copy(built.bundle(), folder.join("bundle"))?;
        bring(&folder, built.record(), &packs.join(from).join("payload"))?;
    }
    Ok(())
}

/// What prepare does: everything that the build before does not hold arrives in the cache.
fn bring(folder: &Path, record: &PackRecord, seed: &Path) -> Result<()> {
    let url = Url::from_file_path(folder.join("bundle"));
    let url = url.map_err(|()| anyhow!("{} is no address", folder.display()))?;
    let origin = Origin { http: reqwest::Client::builder().build()?, url };
    let entries = record.entries_for(&Default::default());
    let realise = Realise {
        entries: &entries,
        bundle: &record.bundle,
        seeds: &[seed.to_owned()],
        into: &folder.join("never"),
        cache: &folder.join("cache"),
        progress: &|_| (),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(fetch(&origin, &realise))?;
    Ok(())
}

fn pack_yaml(from: &str, to: &str) -> String {
    format!(
        "format: refit.pack/1\nproduct: ledger\nfrom: [\"{from}\"]\nto: \"{to}\"\nkind: service-pack\ntitle: t\nreadme: README.md\n\
         payload: payload\nrunbook: runbook.yaml\nunit:\n  data: [data/ledger.json, data/notes]\n  databases:\n    entries: {{ engine: sqlite, path: data/ledger.db }}\n"
    )
}

fn runbook_yaml(kind: &Kind, build: &str) -> String {
    format!(
        "format: refit.runbook/1\nname: ledger\nversion: 1\nparameters:\n  port: {{ type: port, about: \"where it listens\" }}\nsteps:{}\n\
         rollback:\n  method: switch-and-restore\n  trigger: a step fails\n  deadline_ms: 60000\n  owner: owner\n",
        kind.steps.replace("BUILD", build)
    )
}

/// A tree with all that packs keep: a program, a link, an empty folder; files that stay, change, come and go.
fn lay_payload(payload: &Path, build: &str, ledger: &Path) -> Result<()> {
    for folder in ["bin", "share/list", "share/empty"] {
        fs::create_dir_all(payload.join(folder))?;
    }
    fs::copy(ledger, payload.join("bin/ledger"))?;
    fs::write(payload.join("share/build"), format!("{build}\n"))?;
    fs::write(payload.join("share/same"), "the same in every build\n".repeat(40))?;
    fs::write(payload.join(format!("share/only-{build}")), format!("news of {build}\n"))?;
    fs::write(payload.join("share/long"), format!("of {build}\n").repeat(9000))?;
    for number in 0..4 {
        let changed = if number % 2 == 0 { "" } else { build };
        fs::write(payload.join(format!("share/list/{number}")), format!("{number} {changed}\n"))?;
    }
    symlink(format!("only-{build}"), payload.join("share/news"))?;
    Ok(fs::set_permissions(payload.join("bin/ledger"), fs::Permissions::from_mode(0o755))?)
}

/// The host that is killed.
pub(crate) struct Host {
    pub(crate) folder: PathBuf,
    pub(crate) spec: Spec,
    kind: Kind,
    before: Tree,
    writer: Option<Writer>,
}

impl Host {
    /// Lays a host into `folder`, which holds `product` and `state` and nothing in them; when it returns, the ledger serves and a
    /// client writes.
    pub(crate) fn lay(folder: &Path, kind: &Kind, packs: &Path, port: u16) -> Result<Self> {
        let builds = kind.builds.iter().map(|build| (*build).to_owned()).collect();
        let spec = Spec { port, packs: packs.to_owned(), builds };
        let (root, state) = (spec.root(folder), spec.state(folder));
        let first = kind.builds[0];
        fs::create_dir_all(root.join("data/notes"))?;
        fs::create_dir_all(&state)?;
        fs::write(root.join("data/notes/one"), "kept\n")?;
        fs::set_permissions(root.join("data/notes/one"), fs::Permissions::from_mode(0o640))?;
        symlink("one", root.join("data/notes/two"))?;
        tree::copy(&packs.join(first).join("payload"), &root.join("releases").join(first))?;
        symlink(Path::new("releases").join(first), root.join("current"))?;
        for build in &kind.builds[1..] {
            tree::copy(&packs.join(build).join("cache"), &spec.cache(folder))?;
        }
        fs::write(folder.join("host.json"), serde_json::to_vec(&spec)?)?;
        fs::write(folder.join("boot"), "1")?;
        fs::write(state.join("boot"), "1")?;
        let mut host = Self {
            folder: folder.to_owned(),
            spec,
            kind: *kind,
            before: Tree::new(),
            writer: None,
        };
        host.service()?.start(PATIENCE)?;
        let writer = Writer::start(port);
        host.wait("the first writes", || Ok(writer.count() > 3))?;
        host.writer = Some(writer);
        host.before = tree::read(&root)?;
        Ok(host)
    }

    fn service(&self) -> Result<Box<dyn service::Service>> {
        let product = self.spec.product(&self.folder)?;
        Ok(service::open(&product, &self.spec.state(&self.folder)))
    }

    /// As the agent does after a boot.
    pub(crate) fn start_service(&self) -> Result<()> {
        Ok(self.service()?.start(PATIENCE)?)
    }

    fn wait(&self, what: &str, done: impl Fn() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !done()? {
            ensure!(Instant::now() < deadline, "{what} do not come");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// All processes that run from the product's folder end at once, as with the machine's power.
    pub(crate) fn kill_everything(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = refit_host::process::running_from(&self.folder)?;
            if found.is_empty() {
                return Ok(());
            }
            for process in found {
                if let Some(pid) = rustix::process::Pid::from_raw(process.pid) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
            ensure!(Instant::now() < deadline, "processes stay");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What the client was told is stored until now.
    pub(crate) fn told(&self) -> Vec<String> {
        self.writer.as_ref().map(Writer::told).unwrap_or_default()
    }

    /// Ends the client; the entries that it was told are stored.
    pub(crate) fn acknowledged(&mut self) -> Vec<String> {
        self.writer.take().map(Writer::finish).unwrap_or_default()
    }

    /// What is wrong with the host, which says that it ended on `build`; empty when it is whole and nothing is lost.
    pub(crate) fn judge(&self, build: &str, acknowledged: &[String]) -> Result<Vec<String>> {
        let mut wrong = vec![];
        wrong.extend(self.judge_service(build)?);
        wrong.extend(self.judge_tree(build)?);
        wrong.extend(self.judge_database(build, acknowledged)?);
        wrong.extend(self.judge_state(build)?);
        Ok(wrong)
    }

    fn judge_service(&self, build: &str) -> Result<Vec<String>> {
        let ready = || {
            let answer = ask(self.spec.port, "GET", "/health", "");
            Ok(answer.is_some_and(|(_, body)| {
                body.contains(&format!("\"build\":\"{build}\""))
                    && body.contains("\"mode\":\"open\"")
            }))
        };
        let mut wrong = vec![];
        if let Err(error) = self.wait("the service's answers", ready) {
            let answer = ask(self.spec.port, "GET", "/health", "");
            wrong.push(format!("{error}: expected build {build}, open; found {answer:?}"));
        }
        let runs = refit_host::process::running_from(&self.spec.root(&self.folder))?;
        if runs.len() != 1 {
            wrong.push(format!("expected one process, found {runs:?}"));
        }
        Ok(wrong)
    }

    /// Releases byte for byte, the link, the data that is no database, and nothing else.
    fn judge_tree(&self, build: &str) -> Result<Vec<String>> {
        let found = tree::read(&self.spec.root(&self.folder))?;
        let (mut expected, mut wrong) = (Tree::new(), vec![]);
        let mut seen = found.clone();
        for (path, node) in &self.before {
            if !path.starts_with("data/ledger") {
                expected.insert(path.clone(), node.clone());
            }
        }
        if let Some(link) = expected.get_mut("current") {
            link.what = tree::What::Link(format!("releases/{build}"));
        }
        seen.retain(|path, _| !path.starts_with("data/ledger"));
        for leg in &self.kind.builds[1..] {
            let prefix = format!("releases/{leg}");
            let release = tree::below(&found, &prefix);
            if !release.is_empty() || build == *leg {
                let payload = tree::read(&self.spec.packs.join(leg).join("payload"))?;
                wrong.extend(tree::differences(
                    &prefix,
                    &tree::timeless(&payload),
                    &tree::timeless(&release),
                ));
            }
            seen.retain(|path, _| *path != prefix && !path.starts_with(&format!("{prefix}/")));
        }
        wrong.extend(tree::differences("product", &expected, &seen));
        let (settings, was) = (found.get("data/ledger.json"), self.before.get("data/ledger.json"));
        if (self.kind.builds[0] == build || build == "1100") && settings != was {
            wrong.push(format!("data/ledger.json is {settings:?}, expected {was:?}"));
        }
        let known =
            ["data/ledger.json", "data/ledger.db", "data/ledger.db-wal", "data/ledger.db-shm"];
        let odd = found
            .keys()
            .filter(|path| path.starts_with("data/ledger") && !known.contains(&path.as_str()));
        wrong.extend(odd.map(|path| format!("product: {path} is too much")));
        Ok(wrong)
    }

    fn judge_database(&self, build: &str, acknowledged: &[String]) -> Result<Vec<String>> {
        let path = self.spec.root(&self.folder).join("data/ledger.db");
        let database = rusqlite::Connection::open(&path)?;
        database.busy_timeout(PATIENCE)?;
        let mut wrong = vec![];
        let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        if verdict != "ok" {
            wrong.push(format!("the database is damaged: {verdict}"));
        }
        let schema: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let wanted = if build == "1200" { 2 } else { 1 };
        if schema != wanted {
            wrong.push(format!("the database has schema {schema}, expected {wanted}"));
        }
        let mut query = database.prepare("SELECT id FROM entries")?;
        let stored = query.query_map([], |row| row.get::<_, String>(0))?;
        let stored = stored.collect::<Result<std::collections::BTreeSet<_>, _>>()?;
        let lost: Vec<_> = acknowledged.iter().filter(|id| !stored.contains(*id)).collect();
        if !lost.is_empty() {
            wrong.push(format!(
                "{} of {} acknowledged writes are lost: {lost:?}",
                lost.len(),
                acknowledged.len()
            ));
        }
        if acknowledged.len() < 4 {
            bail!("only {} writes were acknowledged: nothing would be proven", acknowledged.len());
        }
        Ok(wrong)
    }

    /// Nothing half done in the agent's folder, no process of the order, and a build that was taken back is kept away.
    fn judge_state(&self, build: &str) -> Result<Vec<String>> {
        let state = self.spec.state(&self.folder);
        let found = tree::read(&state)?;
        let half = |path: &&String| {
            [".partial", ".new", ".refit-restore", ".scratch"].iter().any(|end| path.ends_with(end))
        };
        let mut wrong: Vec<String> =
            found.keys().filter(half).map(|path| format!("state: {path} is left over")).collect();
        for process in fs::read_dir("/proc")?.flatten() {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            let mark = format!("REFIT_ORDER={}", state.display());
            if environment.split(|byte| *byte == 0).any(|word| word.starts_with(mark.as_bytes())) {
                wrong.push(format!("process {} of the order still runs", process.path().display()));
            }
        }
        let journal = rusqlite::Connection::open(state.join("journal.db"))?;
        let kept: i64 =
            journal.query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0))?;
        let back = self.kind.builds.last() != Some(&build);
        if (kept > 0) != back {
            wrong.push(format!("{kept} builds are in quarantine on a host that ended on {build}"));
        }
        Ok(wrong)
    }

    /// Ends the service and the client.
    pub(crate) fn end(mut self) -> Result<()> {
        self.acknowledged();
        self.kill_everything()
    }
}

/// A port that nobody uses now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

//! A host in a folder: a ledger that serves, an order that is stored, and what both ought to look like.

use crate::{
    kinds::Kind,
    tree::{self, Tree},
    writer::Writer,
};
use anyhow::{Result, anyhow, ensure};
use refit_content::{Origin, Realise, fetch};
use refit_host::{in_place::Adoption, product::ProductConfig, service};
use refit_names::BuildId;
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
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What the agent of the walk finds in `host.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    port: u16,
    packs: PathBuf,
    builds: Vec<String>,
    /// Where the service's program lies below the product's folder.
    program: String,
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
            "service": {"kind": "supervised", "run": [self.program, "serve"]},
            "parameters": {"port": self.port.to_string()},
        }))?)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn packs(&self) -> &Path {
        &self.packs
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

/// A product that was put there without Refit is taken over.
fn adopt(spec: &Spec, folder: &Path, build: &str, into: &Path) -> Result<()> {
    let (product, state) = (spec.product(folder)?, spec.state(folder));
    let build = &BuildId::parse(build)?;
    Adoption { product: &product, state: &state, build, into, except: &[] }.take()?;
    Ok(())
}

/// The host that is killed.
pub(crate) struct Host {
    pub(crate) folder: PathBuf,
    pub(crate) spec: Spec,
    pub(crate) kind: Kind,
    pub(crate) before: Tree,
    writer: Option<Writer>,
}

impl Host {
    /// Lays a host into `folder`, which holds `product` and `state` and nothing in them; when it returns, the ledger serves and a
    /// client writes.
    pub(crate) fn lay(folder: &Path, kind: &Kind, packs: &Path, port: u16) -> Result<Self> {
        let builds = kind.builds.iter().map(|build| (*build).to_owned()).collect();
        let program = format!("{}/bin/ledger", kind.place.unwrap_or("current"));
        let spec = Spec { port, packs: packs.to_owned(), builds, program };
        let (root, state) = (spec.root(folder), spec.state(folder));
        let first = kind.builds[0];
        fs::create_dir_all(root.join("data/notes"))?;
        fs::create_dir_all(&state)?;
        fs::write(root.join("data/notes/one"), "kept\n")?;
        fs::write(root.join("data/notes/large"), "a line of many\n".repeat(35_000))?;
        fs::set_permissions(root.join("data/notes/one"), fs::Permissions::from_mode(0o640))?;
        symlink("one", root.join("data/notes/two"))?;
        let payload = packs.join(first).join("payload");
        if let Some(place) = kind.place {
            tree::copy(&payload, &root.join(place))?;
            adopt(&spec, folder, first, &root.join(place))?;
            fs::write(root.join(place).join("share/of-this-host"), "local\n")?;
        } else {
            tree::copy(&payload, &root.join("releases").join(first))?;
            symlink(Path::new("releases").join(first), root.join("current"))?;
        }
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

    pub(crate) fn wait(&self, what: &str, done: impl Fn() -> Result<bool>) -> Result<()> {
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

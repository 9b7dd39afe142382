//! A host in a folder: a ledger that serves, an order that is stored, and what both ought to look like.

use crate::{
    debs,
    kinds::Kind,
    life::{build_of, run_to_end},
    tree::{self, Tree},
    writer::Writer,
};
use anyhow::{Context as _, Result, ensure};
use refit_host::{in_place::Adoption, product::ProductConfig, service, uninstall::LastPack};
use refit_names::BuildId;
use refit_packs::record::PackRecord;
use refit_plan::Order;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// A service that does not come within this time does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The order that removes the last pack, and its record: on disk before anything happens, as with the agent.
const REMOVAL_ORDER: &str = "removal-order.json";
const REMOVAL_RECORD: &str = "removal-record.json";

/// What the agent of the walk finds in `host.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    port: u16,
    packs: PathBuf,
    builds: Vec<String>,
    /// Where the service's program lies, if relative: below the product's folder.
    program: String,
    /// The builds are those of a package.
    packages: bool,
    /// The removal of the last pack is what is carried out.
    removes: bool,
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
        let mut product = json!({
            "name": "ledger", "root": self.root(folder),
            "service": {"kind": "supervised", "run": [self.program, "serve"]},
            "parameters": {"port": self.port.to_string()},
        });
        if self.packages {
            product["package"] = json!(debs::PACKAGE);
        }
        Ok(serde_json::from_value(product)?)
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

    /// Whether the order is a removal: there is nothing to stage.
    pub(crate) const fn removes(&self) -> bool {
        self.removes
    }

    pub(crate) fn order(&self, folder: &Path) -> Result<Order> {
        if self.removes {
            return Ok(serde_json::from_slice(&fs::read(folder.join(REMOVAL_ORDER))?)?);
        }
        let digest = format!("sha256:{}", "0".repeat(64));
        let leg = |pair: &[String]| json!({"from": pair[0], "pack": {"to": pair[1], "record": format!("packs/{}.json", pair[1]), "digest": digest, "size": 1}});
        let legs: Vec<Value> = self.legs().map(leg).collect();
        Ok(serde_json::from_value(json!({
            "key": {"rollout": "walk", "generation": 1}, "plan": digest, "host": "h1", "product": "ledger",
            "legs": legs, "parameters": {},
        }))?)
    }

    pub(crate) fn records(&self, folder: &Path) -> Result<Vec<PackRecord>> {
        if self.removes {
            return Ok(vec![serde_json::from_slice(&fs::read(folder.join(REMOVAL_RECORD))?)?]);
        }
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

/// The first build with its data, as it lies there before the first order comes, and what prepare brought for the others.
fn lay_product(spec: &Spec, folder: &Path, kind: &Kind) -> Result<()> {
    let (root, state, packs) = (spec.root(folder), spec.state(folder), spec.packs());
    let first = kind.builds[0];
    fs::create_dir_all(root.join("data/notes"))?;
    fs::create_dir_all(&state)?;
    fs::write(root.join("data/notes/one"), "kept\n")?;
    fs::write(root.join("data/notes/large"), "a line of many\n".repeat(35_000))?;
    fs::set_permissions(root.join("data/notes/one"), fs::Permissions::from_mode(0o640))?;
    symlink("one", root.join("data/notes/two"))?;
    let payload = packs.join(first).join("payload");
    if kind.packages {
        debs::install(&payload.join("debs"), first)?;
    } else if let Some(place) = kind.place {
        tree::copy(&payload, &root.join(place))?;
        adopt(spec, folder, first, &root.join(place))?;
        fs::write(root.join(place).join("share/of-this-host"), "local\n")?;
    } else {
        tree::copy(&payload, &root.join("releases").join(first))?;
        symlink(Path::new("releases").join(first), root.join("current"))?;
    }
    for build in &kind.builds[1..] {
        tree::copy(&packs.join(build).join("cache"), &spec.cache(folder))?;
    }
    fs::write(folder.join("boot"), "1")?;
    Ok(fs::write(state.join("boot"), "1")?)
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
    /// What packages own of the system; empty where none are installed.
    pub(crate) system: Tree,
    /// What the client was told before the pack was installed that is removed now.
    pub(crate) before_install: Vec<String>,
    writer: Option<Writer>,
}

impl Host {
    /// Lays a host into `folder`, which holds `product` and `state` and nothing in them; when it returns, the ledger serves and a
    /// client writes. `agent` installs what is removed in the walk.
    pub(crate) fn lay(
        folder: &Path,
        kind: &Kind,
        packs: &Path,
        port: u16,
        agent: &[String],
    ) -> Result<Self> {
        let builds = kind.builds.iter().map(|build| (*build).to_owned()).collect();
        let program = if kind.packages {
            debs::PROGRAM.to_owned()
        } else {
            format!("{}/bin/ledger", kind.place.unwrap_or("current"))
        };
        let (packages, packs) = (kind.packages, packs.to_owned());
        let spec = Spec { port, packs, builds, program, packages, removes: false };
        lay_product(&spec, folder, kind)?;
        let mut host = Self {
            folder: folder.to_owned(),
            spec,
            kind: *kind,
            before: Tree::new(),
            system: Tree::new(),
            before_install: vec![],
            writer: None,
        };
        host.write_spec()?;
        host.service()?.start(PATIENCE)?;
        host.writer = Some(Writer::start(port));
        host.more_writes()?;
        if kind.removal.is_some() {
            host.install_what_is_removed(agent)?;
        }
        host.before = tree::read(&host.spec.root(folder))?;
        if packages {
            host.system = debs::system()?;
        }
        Ok(host)
    }

    fn write_spec(&self) -> Result<()> {
        Ok(fs::write(self.folder.join("host.json"), serde_json::to_vec(&self.spec)?)?)
    }

    fn more_writes(&self) -> Result<()> {
        let before = self.told().len();
        self.wait("writes", || Ok(self.told().len() > before + 3))
    }

    /// The install runs to its end, unharmed; then the order that takes its last pack away is made.
    fn install_what_is_removed(&mut self, agent: &[String]) -> Result<()> {
        self.before_install = self.told();
        let folder = self.folder.clone();
        run_to_end(self, agent)?;
        let found = build_of(&folder)?;
        ensure!(found == self.kind.installed(), "the install ended on {found}");
        fs::remove_file(folder.join("outcome.json"))?;
        self.more_writes()?;
        let (product, state) = (self.spec.product(&folder)?, self.spec.state(&folder));
        let (order, mut records) = (self.spec.order(&folder)?, self.spec.records(&folder)?);
        let record = records.pop().context("no pack was installed")?;
        let last = LastPack { product: &product, state: &state, order: &order, record: &record };
        let removal = last.removal()?;
        let order = last.order(&removal, 1)?;
        fs::write(folder.join(REMOVAL_ORDER), serde_json::to_vec(&order)?)?;
        fs::write(folder.join(REMOVAL_RECORD), serde_json::to_vec(&removal.record)?)?;
        self.spec.removes = true;
        self.write_spec()
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

//! A host in a temporary folder with a product that commands start and stop, and packs made of a few files each.

use refit_ambient::Ambient;
use refit_host::{
    engine::{Engine, EngineInput, LegGate, RunEnd, StageRelease},
    error::StepError,
    journal::{Journal, JournalError, StepLog},
    machine::Machine,
    product::ProductConfig,
};
use refit_journal::{Cause, OrderOutcome};
use refit_names::Digest;
use refit_packs::record::PackRecord;
use refit_plan::Order;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// What a payload has at a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Has {
    Folder(u32),
    File(u32, &'static [u8]),
    Link(&'static str),
}

pub(crate) type Tree = Vec<(&'static str, Has)>;

pub(crate) fn lay(tree: &Tree, into: &Path) {
    fs::create_dir_all(into).unwrap();
    for (path, has) in tree {
        let path = into.join(path);
        match has {
            Has::Folder(_) => fs::create_dir(&path).unwrap(),
            Has::File(mode, content) => {
                fs::write(&path, content).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(*mode)).unwrap();
            }
            Has::Link(target) => symlink(target, &path).unwrap(),
        }
    }
    for (path, has) in tree.iter().rev() {
        if let Has::Folder(mode) = has {
            fs::set_permissions(into.join(path), Permissions::from_mode(*mode)).unwrap();
        }
    }
}

pub(crate) struct Trees(pub(crate) BTreeMap<String, Tree>);

impl StageRelease for Trees {
    fn stage(
        &self,
        _: u32,
        record: &PackRecord,
        _: &[PathBuf],
        into: &Path,
    ) -> Result<String, Cause> {
        lay(&self.0[record.manifest.to.as_str()], into);
        Ok("laid".to_owned())
    }
}

pub(crate) struct NoMachine;
impl Machine for NoMachine {
    fn boot_id(&self) -> Result<String, StepError> {
        Ok("boot".to_owned())
    }
    fn reboot(&self) -> Result<(), StepError> {
        Ok(())
    }
}

pub(crate) struct Open;
impl LegGate for Open {
    fn may_begin(&self, _: &Order, _: u32) -> Result<(), Cause> {
        Ok(())
    }
}

pub(crate) struct Room {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) trees: BTreeMap<String, Tree>,
    /// Steps of each leg.
    pub(crate) steps: Value,
    /// Builds in the order in which legs lead from one to the next.
    pub(crate) path: Vec<&'static str>,
    /// Beside the product's own fields in the configuration.
    pub(crate) config: Value,
    pub(crate) uninstall: Value,
    /// Instead of its own folder: that of another process's room.
    pub(crate) at: Option<PathBuf>,
}

impl Room {
    pub(crate) fn new(trees: &[(&'static str, Tree)], steps: Value) -> Self {
        // In memory where that is possible: hosts are killed by the dozen, and the disk's patience is not under test.
        let folder = tempfile::tempdir_in("/dev/shm");
        let folder = folder.or_else(|_| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))).unwrap();
        let room = Self {
            folder,
            path: trees.iter().map(|(build, _)| *build).collect(),
            trees: trees.iter().map(|(build, tree)| ((*build).to_owned(), tree.clone())).collect(),
            steps,
            config: json!({}),
            uninstall: Value::Null,
            at: None,
        };
        fs::create_dir_all(room.root()).unwrap();
        fs::create_dir_all(room.state()).unwrap();
        fs::write(room.folder.path().join("runs"), "").unwrap();
        room
    }

    fn top(&self) -> &Path {
        self.at.as_deref().unwrap_or(self.folder.path())
    }
    pub(crate) fn root(&self) -> PathBuf {
        self.top().join("srv")
    }
    pub(crate) fn state(&self) -> PathBuf {
        self.top().join("state")
    }
    pub(crate) fn runs(&self) -> bool {
        self.top().join("runs").exists()
    }

    pub(crate) fn product(&self) -> ProductConfig {
        let flag = self.top().join("runs").display().to_string();
        let mut config = json!({
            "name": "site", "root": self.root(),
            "service": {"kind": "commands", "start": ["touch", flag], "stop": ["rm", "-f", flag],
                "status": ["sh", "-c", "test -e \"$0\" || exit 3", flag]},
        });
        for (key, value) in self.config.as_object().unwrap() {
            config[key] = value.clone();
        }
        serde_json::from_value(config).unwrap()
    }

    pub(crate) fn order(&self, rollout: &str) -> Order {
        let digest = format!("sha256:{}", "0".repeat(64));
        let legs: Vec<Value> = (self.path.windows(2))
            .map(|two| json!({"from": two[0], "pack": {"to": two[1], "record": format!("packs/{}.json", two[1]), "digest": digest, "size": 1}}))
            .collect();
        serde_json::from_value(json!({
            "key": {"rollout": rollout, "generation": 1}, "plan": digest, "host": "h1", "product": "site",
            "legs": legs, "parameters": {},
        }))
        .unwrap()
    }

    pub(crate) fn record(&self, from: &str, to: &str) -> PackRecord {
        let payload: Vec<Value> = (self.trees[to].iter())
            .map(|(path, has)| match has {
                Has::Folder(mode) => json!({"path": path, "type": "folder", "mode": mode}),
                Has::File(mode, content) => {
                    json!({"path": path, "type": "file", "mode": mode, "size": content.len(),
                    "digest": Digest::of(content), "chunks": []})
                }
                Has::Link(target) => json!({"path": path, "type": "link", "target": target}),
            })
            .collect();
        let mut record = json!({
            "format": "refit.record/1",
            "manifest": {"format": "refit.pack/1", "product": "site", "from": [from], "to": to, "kind": "service-pack",
                "title": "t", "readme": "README.md", "payload": "payload", "unit": {"data": ["data"]}},
            "runbook": {"format": "refit.runbook/1", "name": "site", "version": 1, "steps": self.steps,
                "rollback": {"method": "switch-and-restore", "trigger": "failure", "deadline_ms": 1, "owner": "owner"}},
            "readme": "", "payload": payload, "web": [],
            "bundle": {"target": "bundles/x", "size": 0, "digest": format!("sha256:{}", "0".repeat(64)), "chunks": []},
        });
        if !self.uninstall.is_null() {
            record["manifest"]["uninstall"] = self.uninstall.clone();
        }
        serde_json::from_value(record).unwrap()
    }

    pub(crate) fn journal(&self) -> Arc<Journal> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match Journal::open(&self.state()) {
                // A child that another test is just forking holds the lock until its exec.
                Err(JournalError::Locked { .. }) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                opened => return Arc::new(opened.unwrap()),
            }
        }
    }

    pub(crate) fn engine(&self, log: Arc<dyn StepLog>, rollout: &str) -> Engine {
        let order = self.order(rollout);
        let records =
            order.legs.iter().map(|leg| self.record(leg.from.as_str(), leg.pack.to.as_str()));
        Engine::open(EngineInput {
            others: BTreeMap::default(),
            records: records.collect(),
            order,
            product: self.product(),
            state: self.state(),
            log,
            releases: Arc::new(Trees(self.trees.clone())),
            gate: Arc::new(Open),
            machine: Arc::new(NoMachine),
            clock: Ambient::system().clock,
        })
        .unwrap()
    }

    /// Stages and runs the order to its end.
    pub(crate) fn upgrade(&self, rollout: &str) -> OrderOutcome {
        let engine = self.engine(self.journal(), rollout);
        engine.stage(&|_| ()).unwrap();
        self.finish(&engine).unwrap()
    }

    pub(crate) fn finish(
        &self,
        engine: &Engine,
    ) -> Result<OrderOutcome, refit_host::engine::EngineError> {
        match engine.run(&|_| ())? {
            RunEnd::Finished { outcome, .. } => Ok(outcome),
            other => panic!("{other:?}"),
        }
    }
}

/// What lies somewhere, for comparisons: type, rights, owner, content and, where it matters, the inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) what: String,
    pub(crate) inode: Option<u64>,
}

/// Everything below `top` but what Refit keeps there.
pub(crate) fn snapshot(top: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut found = BTreeMap::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(top.join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            if [".refit", "releases", "current"].iter().any(|own| path.starts_with(own)) {
                continue;
            }
            let full = top.join(&path);
            let seen = fs::symlink_metadata(&full).unwrap();
            let rights = format!("{:o} {}:{}", seen.mode(), seen.uid(), seen.gid());
            let what = if seen.is_dir() {
                open.push(path.clone());
                format!("folder {rights}")
            } else if seen.is_symlink() {
                format!("link {}", fs::read_link(&full).unwrap().display())
            } else {
                format!("file {rights} {}", Digest::of(&fs::read(&full).unwrap()))
            };
            let inode = (!seen.is_dir()).then_some(seen.ino());
            found.insert(path, Seen { what, inode });
        }
    }
    found
}

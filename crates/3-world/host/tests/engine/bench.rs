//! A host in a temporary folder: three releases of `tally`, its database with rows, a machine that restarts on request.

use refit_ambient::Ambient;
use refit_host::{
    engine::{Engine, EngineInput, LegGate, StageRelease},
    error::StepError,
    journal::{Journal, JournalError, StepLog},
    layout::Layout,
    machine::Machine,
    process::running_from,
    product::ProductConfig,
    service,
};
use refit_journal::{Cause, Entry, EntryBody};
use refit_names::{BuildId, ProductName};
use refit_packs::record::PackRecord;
use refit_plan::{Order, OrderKey};
use rusqlite::Connection;
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// The whole of a leg, as a real runbook has it.
pub(crate) const LEG_STEPS: &str = r#"[
 {"id":"stage","phase":"stage","do":{"install.stage":{}}},
 {"id":"disk","phase":"before","do":{"check.disk":{"percent_of_product":10}}},
 {"id":"build","phase":"before","do":{"check.build":{}}},
 {"id":"answer-before","phase":"before","do":{"test":{"name":"answer","probe":{"http":{"port":{"param":"port"},"path":"/","contains":"gate open"}}}}},
 {"id":"close","phase":"protect","do":{"traffic.close":{"close":["bin/tally","close"],"open":["bin/tally","open"]}}},
 {"id":"stop","phase":"protect","do":{"service.stop":{}}},
 {"id":"gone","phase":"protect","do":{"check.processes-gone":{"wait_ms":5000}}},
 {"id":"backup","phase":"protect","do":{"backup.take":{}}},
 {"id":"backup-verified","phase":"protect","do":{"backup.verify":{}}},
 {"id":"switch","phase":"install","do":{"install.switch":{}}},
 {"id":"migrate","phase":"install","do":{"database.migrate":{"run":["bin/tally","migrate"]}}},
 {"id":"start","phase":"after","timeout_ms":20000,"do":{"service.start":{"ready":{"http":{"port":{"param":"port"},"path":"/","contains":"gate closed"}}}}},
 {"id":"answer-after","phase":"after","do":{"test":{"name":"answer","probe":{"http":{"port":{"param":"port"},"path":"/","contains":"build"}}}}},
 {"id":"open","phase":"finish","do":{"traffic.open":{"open":["bin/tally","open"]}}}]"#;

/// Rows whose number is even, and as many that are odd.
const ROWS: i64 = 20;

/// Schema of each build.
fn schema(build: &str) -> i64 {
    match build {
        "1000" => 0,
        "1100" => 1,
        _ => 2,
    }
}

pub(crate) struct Bench {
    folder: tempfile::TempDir,
    port: u16,
    steps: String,
    /// What the packs ask of the host.
    pub(crate) requirements: Mutex<serde_json::Value>,
    pub(crate) releases: Arc<Releases>,
    pub(crate) machine: Arc<TestMachine>,
    pub(crate) gate: Arc<Gate>,
}

/// Says of each leg whether it may begin.
#[derive(Default)]
pub(crate) struct Gate {
    closed: Mutex<Option<Cause>>,
    asked: Mutex<Vec<u32>>,
}

impl Gate {
    pub(crate) fn close(&self, code: &str) {
        let cause = Cause { code: code.to_owned(), text: "taken back".to_owned() };
        *self.closed.lock().unwrap() = Some(cause);
    }
    pub(crate) fn asked(&self) -> Vec<u32> {
        self.asked.lock().unwrap().clone()
    }
}

impl LegGate for Gate {
    fn may_begin(&self, _: &Order, leg: u32) -> Result<(), Cause> {
        self.asked.lock().unwrap().push(leg);
        self.closed.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

/// Makes releases by hand, as the agent makes them from chunks.
pub(crate) struct Releases {
    program: PathBuf,
    broken: Mutex<Option<String>>,
    refused: Mutex<Option<String>>,
}

impl Releases {
    /// Fails the next try to stage `build`.
    pub(crate) fn refuse_next(&self, build: &str) {
        *self.refused.lock().unwrap() = Some(build.to_owned());
    }

    fn lay(&self, build: &str, into: &Path) {
        fs::create_dir_all(into.join("bin")).unwrap();
        fs::hard_link(&self.program, into.join("bin/tally")).unwrap();
        let broken = self.broken.lock().unwrap().as_deref() == Some(build);
        fs::write(into.join("about"), format!("{build} {}", schema(build))).unwrap();
        if broken {
            fs::write(into.join("broken"), "").unwrap();
        }
    }
}

impl StageRelease for Releases {
    fn stage(
        &self,
        _leg: u32,
        record: &PackRecord,
        seeds: &[PathBuf],
        into: &Path,
    ) -> Result<String, Cause> {
        assert!(!into.exists() && !seeds.is_empty());
        let build = record.manifest.to.as_str();
        let mut refused = self.refused.lock().unwrap();
        if refused.as_deref() == Some(build) {
            *refused = None;
            return Err(Cause { code: "test.refused".into(), text: "not yet".into() });
        }
        self.lay(build, into);
        Ok("laid".to_owned())
    }
}

#[derive(Default)]
pub(crate) struct TestMachine {
    boots: AtomicU32,
    asked: AtomicU32,
}

impl TestMachine {
    pub(crate) fn boot(&self) {
        self.boots.fetch_add(1, Ordering::SeqCst);
    }
    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Machine for TestMachine {
    fn boot_id(&self) -> Result<String, StepError> {
        Ok(format!("boot-{}", self.boots.load(Ordering::SeqCst)))
    }
    fn reboot(&self) -> Result<(), StepError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Bench {
    /// A host at build 1000 that serves, with rows.
    pub(crate) fn new(steps: &str) -> Self {
        // In memory where that is possible: hundreds of hosts are killed, and the disk's patience is not under test.
        let folder = tempfile::tempdir_in("/dev/shm");
        let folder = folder.or_else(|_| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))).unwrap();
        // The product is an example of this crate, built beside the test.
        let test = std::env::current_exe().unwrap();
        let built = test.parent().unwrap().parent().unwrap().join("examples/tally");
        let program = folder.path().join("tally");
        fs::copy(&built, &program).unwrap();
        let releases = Releases { program, broken: Mutex::default(), refused: Mutex::default() };
        let port = refit_testkit::free_port();
        let bench = Self {
            folder,
            port,
            steps: steps.to_owned(),
            requirements: Mutex::new(json!({})),
            releases: Arc::new(releases),
            machine: Arc::default(),
            gate: Arc::default(),
        };
        let layout = bench.layout();
        bench.releases.lay("1000", &layout.release(&BuildId::parse("1000").unwrap()));
        layout.point_at(&BuildId::parse("1000").unwrap()).unwrap();
        fs::create_dir_all(bench.root().join("data")).unwrap();
        fs::create_dir_all(bench.state()).unwrap();
        fs::write(bench.root().join("data/notes.txt"), "schema 0").unwrap();
        let database = Connection::open(bench.root().join("data/tally.db")).unwrap();
        database.pragma_update(None, "journal_mode", "wal").unwrap();
        database
            .execute_batch("CREATE TABLE entry (n INTEGER); CREATE TABLE start (build TEXT)")
            .unwrap();
        for n in 0..ROWS {
            database.execute("INSERT INTO entry VALUES (?1)", [n]).unwrap();
        }
        drop(database);
        service::open(&bench.product(), &bench.state()).start(Duration::from_secs(10)).unwrap();
        bench.wait_for("the first service", || bench.ask().contains("build 1000"));
        bench
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("srv")
    }
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }
    fn layout(&self) -> Layout {
        Layout::new(&self.root())
    }

    pub(crate) fn product(&self) -> ProductConfig {
        serde_json::from_value(json!({
            "name": "tally", "root": self.root(),
            "service": {"kind": "supervised", "run": ["current/bin/tally", "serve"]},
            "parameters": {"port": self.port.to_string()}, "secrets": {"word": "hunter2hunter2"},
        }))
        .unwrap()
    }

    pub(crate) fn order(&self) -> Order {
        let digest = format!("sha256:{}", "0".repeat(64));
        let leg = |from: &str, to: &str| json!({"from": from, "pack": {"to": to, "record": format!("packs/{to}.json"), "digest": digest, "size": 1}});
        serde_json::from_value(json!({
            "key": {"rollout": "spring", "generation": 1}, "plan": digest, "host": "h1", "product": "tally",
            "legs": [leg("1000", "1100"), leg("1100", "1200")], "parameters": {},
        }))
        .unwrap()
    }

    fn record(&self, from: &str, to: &str) -> PackRecord {
        let steps: serde_json::Value = serde_json::from_str(&self.steps).unwrap();
        serde_json::from_value(json!({
            "format": "refit.record/1",
            "manifest": {"format": "refit.pack/1", "product": "tally", "from": [from], "to": to, "kind": "service-pack",
                "title": "t", "readme": "README.md", "payload": "payload",
                "requirements": *self.requirements.lock().unwrap(),
                "unit": {"data": ["data"], "databases": {"main": {"engine": "sqlite", "path": "data/tally.db"}}}},
            "runbook": {"format": "refit.runbook/1", "name": "tally", "version": 1, "steps": steps,
                "rollback": {"method": "switch-and-restore", "trigger": "failure", "deadline_ms": 1, "owner": "owner"}},
            "readme": "", "payload": [], "web": [],
            "bundle": {"target": "bundles/x", "size": 0, "digest": format!("sha256:{}", "0".repeat(64)), "chunks": []},
        }))
        .unwrap()
    }

    pub(crate) fn journal(&self) -> Arc<Journal> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match Journal::open(&self.state()) {
                // Tests run in one process: a child that another test is just forking holds the lock until its exec.
                Err(JournalError::Locked { .. }) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                opened => return Arc::new(opened.unwrap()),
            }
        }
    }

    /// What a second agent would read, while the first, which is meant to be dead, still holds its lock.
    pub(crate) fn copy_of_journal(&self) -> Arc<Journal> {
        let folder = self.folder.path().join("second");
        fs::create_dir_all(&folder).unwrap();
        let copy = folder.join("journal.db");
        let source = Connection::open(self.state().join("journal.db")).unwrap();
        source.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        Arc::new(Journal::open(&folder).unwrap())
    }

    pub(crate) fn engine(&self, log: Arc<dyn StepLog>) -> Engine {
        self.engine_of(log, self.order(), Ambient::system().clock)
    }

    /// Of another order, with another clock.
    pub(crate) fn engine_of(
        &self,
        log: Arc<dyn StepLog>,
        order: Order,
        clock: Arc<dyn refit_ambient::Clock>,
    ) -> Engine {
        let records =
            order.legs.iter().map(|leg| self.record(leg.from.as_str(), leg.pack.to.as_str()));
        Engine::open(EngineInput {
            others: Default::default(),
            records: records.collect(),
            order,
            product: self.product(),
            state: self.state(),
            log,
            releases: self.releases.clone(),
            gate: self.gate.clone(),
            machine: self.machine.clone(),
            clock,
        })
        .unwrap()
    }

    /// The migration to 1200 will find what it cannot convert; that to 1100 will not.
    pub(crate) fn poison(&self) {
        fs::write(self.root().join("data/poison-1200"), "").unwrap();
    }

    /// The release will change its data and then end.
    pub(crate) fn break_release(&self, build: &str) {
        *self.releases.broken.lock().unwrap() = Some(build.to_owned());
    }

    pub(crate) fn pretend_installed(&self, build: &str) {
        self.layout().point_at(&BuildId::parse(build).unwrap()).unwrap();
    }

    pub(crate) fn stop_service(&self) {
        service::open(&self.product(), &self.state()).stop(Duration::from_secs(10)).unwrap();
    }

    /// A boot ends every process. The agent starts services after it, unless an order is begun: the engine knows better.
    pub(crate) fn boot(&self, begun: bool) {
        self.stop_service();
        self.machine.boot();
        if !begun {
            let product = service::open(&self.product(), &self.state());
            product.start(Duration::from_secs(10)).unwrap();
        }
    }

    fn ask(&self) -> String {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
            let _ = stream.read_to_string(&mut answer);
        }
        answer
    }

    pub(crate) fn wait_for(&self, what: &str, done: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done() {
            assert!(Instant::now() < deadline, "{what} does not come");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Link, service, database, data and gate are those of `build`, of one moment, with every row.
    pub(crate) fn assert_whole(&self, build: &str) {
        let installed = self.layout().installed().unwrap().unwrap();
        assert_eq!(installed.as_str(), build);
        let expected = format!("build {build} schema {} rows {ROWS} gate open;", schema(build));
        self.wait_for(&expected, || self.ask().ends_with(&expected));
        let serving = running_from(&self.root()).unwrap();
        assert_eq!(serving.len(), 1, "{serving:?}");
        let notes = fs::read_to_string(self.root().join("data/notes.txt")).unwrap();
        assert_eq!(notes, format!("schema {}", schema(build)));
        let database = Connection::open(self.root().join("data/tally.db")).unwrap();
        let half: i64 = database
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(half, 0, "a half migration is left");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let stopped = service::open(&self.product(), &self.state()).stop(Duration::from_secs(10));
        assert!(std::thread::panicking() || stopped.is_ok(), "{stopped:?}");
    }
}

/// When the agent dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// Before the write reached the disk.
    Before,
    /// After it, before anything else.
    After,
}

/// A journal whose agent dies at one write; a dead agent writes and reads nothing more.
pub(crate) struct FailingLog {
    inner: Arc<Journal>,
    crash: Crash,
    at: u32,
    writes: AtomicU32,
    dead: AtomicBool,
}

impl FailingLog {
    pub(crate) fn new(inner: Arc<Journal>, crash: Crash, at: u32) -> Self {
        Self { inner, crash, at, writes: AtomicU32::new(0), dead: AtomicBool::new(false) }
    }

    pub(crate) fn died(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    fn died_error() -> JournalError {
        let source = std::io::Error::other("the agent died");
        JournalError::Io { what: "go on", path: PathBuf::new(), source }
    }

    fn alive(&self) -> Result<(), JournalError> {
        if self.died() { Err(Self::died_error()) } else { Ok(()) }
    }

    fn write<T>(&self, write: impl FnOnce() -> Result<T, JournalError>) -> Result<T, JournalError> {
        self.alive()?;
        if self.writes.fetch_add(1, Ordering::SeqCst) + 1 != self.at {
            return write();
        }
        self.dead.store(true, Ordering::SeqCst);
        if self.crash == Crash::After {
            write()?;
        }
        Err(Self::died_error())
    }
}

impl StepLog for FailingLog {
    fn append(
        &self,
        order: &OrderKey,
        body: EntryBody,
        at: jiff::Timestamp,
    ) -> Result<Entry, JournalError> {
        self.write(|| self.inner.append(order, body, at))
    }
    fn entries(&self, order: &OrderKey) -> Result<Vec<Entry>, JournalError> {
        self.alive()?;
        self.inner.entries(order)
    }
    fn remember(&self, order: &OrderKey, key: &str, value: &str) -> Result<String, JournalError> {
        self.write(|| self.inner.remember(order, key, value))
    }
    fn recall(&self, order: &OrderKey, key: &str) -> Result<Option<String>, JournalError> {
        self.alive()?;
        self.inner.recall(order, key)
    }
    fn quarantine(
        &self,
        product: &ProductName,
        build: &BuildId,
        because: &str,
    ) -> Result<(), JournalError> {
        self.write(|| self.inner.quarantine(product, build, because))
    }
    fn quarantined(
        &self,
        product: &ProductName,
    ) -> Result<BTreeMap<BuildId, String>, JournalError> {
        self.alive()?;
        self.inner.quarantined(product)
    }
}

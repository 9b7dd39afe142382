//! A throw-away PostgreSQL: dump while it runs, spoil it, bring it back in one transaction.

use jiff::Timestamp;
use refit_backup::{
    DatabasePlace, Depth, Quiet, SavedDatabase, UnitPlace, prove, restore, take, verify,
};
use refit_names::{BuildId, Coded as _, Digest, ProductName};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A server of its own, ended when the test ends.
struct Server {
    process: Child,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown.
        if let Some(pid) =
            i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.process.wait();
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian =
        versions.map(|version| version.path().join("bin").join(name)).find(|file| file.is_file());
    debian.or_else(|| refit_backup::find_tool(name))
}

/// PostgreSQL refuses to run as root; `nobody` is on every Debian.
const NOBODY: u32 = 65534;

fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new(program);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn server() -> Option<Server> {
    let (initdb, postgres) = (program("initdb")?, program("postgres")?);
    let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
    if rustix::process::geteuid().is_root() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let data = folder.path().join("data");
    let made =
        as_nobody(&initdb).args(["-U", "owner", "-A", "trust", "-D"]).arg(&data).status().unwrap();
    assert!(made.success(), "initdb failed");
    let process = as_nobody(&postgres)
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(folder.path())
        .args(["-c", "listen_addresses=", "-c", "fsync=off"])
        .spawn()
        .unwrap();
    let server = Server { process, folder };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !server.try_sql("SELECT 1") {
        assert!(Instant::now() < deadline, "PostgreSQL does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(server)
}

impl Server {
    fn url(&self) -> String {
        format!("postgresql://owner@/postgres?host={}", self.folder.path().display())
    }

    fn psql(&self, sql: &str) -> std::process::Output {
        Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-c", sql])
            .output()
            .unwrap()
    }

    fn try_sql(&self, sql: &str) -> bool {
        self.psql(sql).status.success()
    }

    fn sql(&self, sql: &str) -> String {
        let output = self.psql(sql);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn place(root: &Path, url: String) -> UnitPlace {
    UnitPlace {
        product: ProductName::parse("buildbot").unwrap(),
        build: BuildId::parse("3.11.9").unwrap(),
        release: Digest::ZERO,
        root: root.to_owned(),
        data: vec![],
        databases: BTreeMap::from([("state".to_owned(), DatabasePlace::Postgres(url))]),
        product_is: Quiet::Running,
        run_as: None,
        environment: BTreeMap::new(),
        limit: Duration::from_secs(60),
        meter: refit_backup::Meter::default(),
    }
}

/// The program that dumps ends too then, with a signal: nobody shall be told that.
#[test]
fn a_volume_that_a_dump_fills_is_the_cause_that_is_named() {
    let Some(server) = server() else {
        assert!(std::env::var_os("CI").is_none(), "CI has no PostgreSQL");
        return;
    };
    server.sql("CREATE TABLE big AS SELECT repeat('x', 1000) FROM generate_series(1, 4000)");
    let folder = tempfile::tempdir().unwrap();
    let (root, small) = (folder.path().join("srv"), folder.path().join("small"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&small).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(&small);
    if !mount.output().is_ok_and(|output| output.status.success()) {
        return;
    }
    let taken = take(&small, "a", &place(&root, server.url()), Timestamp::now());
    assert!(Command::new("umount").arg(&small).status().unwrap().success());
    let error = taken.unwrap_err();
    let told = refit_names::chain(&error);
    assert_eq!(error.code(), "backup.target-full", "{told}");
    assert!(told.contains("state.dump"), "{told}");
}

#[test]
fn what_a_failed_migration_made_goes_and_what_was_comes_back() {
    let Some(server) = server() else {
        // CI installs PostgreSQL; a developer's machine may lack it.
        assert!(std::env::var_os("CI").is_none(), "CI has no PostgreSQL");
        return;
    };
    server.sql("CREATE EXTENSION IF NOT EXISTS plpgsql; CREATE TYPE mood AS ENUM ('good'); CREATE SCHEMA side;
        CREATE TABLE side.x (n int); CREATE TABLE build (id serial PRIMARY KEY, m mood, note text);
        CREATE VIEW notes AS SELECT note FROM build; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
        INSERT INTO build (m, note) SELECT 'good', 'n' || g FROM generate_series(1, 500) g");
    let folder = tempfile::tempdir().unwrap();
    let (root, store) = (folder.path().join("srv"), folder.path().join("backups"));
    fs::create_dir(&root).unwrap();
    let place = place(&root, server.url());
    let sealed = take(&store, "a", &place, Timestamp::now()).unwrap();
    assert!(
        matches!(&sealed.manifest.databases["state"], SavedDatabase::Postgres { size, .. } if size.0 > 500)
    );
    verify(&sealed, Depth::Whole, place.limit).unwrap();
    let before = server.sql("SELECT count(*) FROM pg_database");
    let proof = prove(&sealed, &place, &folder.path().join("scratch")).unwrap();
    assert_eq!(proof.databases, ["state: 2 tables restored into a scratch database"]);
    assert_eq!(server.sql("SELECT count(*) FROM pg_database"), before);
    assert!(!folder.path().join("scratch").exists());

    server.sql(
        "CREATE TABLE migrated (n int); CREATE SCHEMA fresh; CREATE TABLE fresh.y (n int);
        ALTER TABLE build RENAME COLUMN note TO remark; ALTER TYPE mood ADD VALUE 'bad';
        CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 2'; DELETE FROM build WHERE id > 3",
    );
    let restored = restore(&sealed, &place, Timestamp::now()).unwrap();
    assert_eq!(server.sql("SELECT count(*) || ' ' || max(note) FROM build"), "500 n99");
    assert_eq!(server.sql("SELECT count(*) FROM notes"), "500");
    assert_eq!(server.sql("INSERT INTO build (m) VALUES ('good') RETURNING id"), "501");
    for gone in
        ["SELECT 1 FROM migrated", "SELECT 1 FROM fresh.y", "SELECT g()", "SELECT 'bad'::mood"]
    {
        assert!(!server.try_sql(gone), "{gone} still works");
    }
    assert_eq!(server.sql("SELECT f()"), "1");
    assert!(restored.abandoned.join("databases/state.dump").is_file());
    // Once more, as after a crash between deed and outcome.
    restore(&sealed, &place, Timestamp::now()).unwrap();
    assert_eq!(server.sql("SELECT count(*) FROM build"), "500");

    // A damaged dump changes nothing.
    let dump = sealed.folder.join("databases/state.dump");
    let bytes = fs::read(&dump).unwrap();
    fs::write(&dump, &bytes[..bytes.len() / 2]).unwrap();
    server.sql("DELETE FROM build WHERE id > 3");
    restore(&sealed, &place, Timestamp::now()).unwrap_err();
    assert_eq!(server.sql("SELECT count(*) FROM build"), "3");
}

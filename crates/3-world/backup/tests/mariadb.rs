//! A MariaDB database is dumped, spoilt as a failed migration would, and brought back.

use jiff::Timestamp;
use refit_backup::{
    DatabasePlace, Depth, Quiet, SavedDatabase, UnitPlace, prove, restore, take, verify,
};
use refit_names::{BuildId, Digest, ProductName};
use std::{
    collections::BTreeMap,
    fs,
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
        let pid = i32::try_from(self.process.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.process.wait();
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let system = Path::new("/usr/sbin").join(name);
    if system.is_file() { Some(system) } else { refit_backup::find_tool(name) }
}

fn server() -> Option<Server> {
    let (install, mariadbd) = (program("mariadb-install-db")?, program("mariadbd")?);
    let folder = tempfile::Builder::new().prefix("my").tempdir_in("/tmp").unwrap();
    let user =
        if rustix::process::geteuid().is_root() { "--user=root" } else { "--skip-name-resolve" };
    let data = format!("--datadir={}", folder.path().join("data").display());
    let made = Command::new(install)
        .args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            user,
            &data,
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success(), "mariadb-install-db failed");
    let process = Command::new(mariadbd)
        .args([
            "--no-defaults",
            "--skip-networking",
            "--innodb-flush-log-at-trx-commit=0",
            user,
            &data,
        ])
        .arg(format!("--socket={}", folder.path().join("sock").display()))
        .arg(format!("--pid-file={}", folder.path().join("pid").display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server { process, folder };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !server.run("", "SELECT 1").status.success() {
        assert!(Instant::now() < deadline, "MariaDB does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(server)
}

impl Server {
    fn url(&self) -> String {
        format!("mysql://root@localhost/shop?socket={}", self.folder.path().join("sock").display())
    }

    fn run(&self, database: &str, sql: &str) -> std::process::Output {
        let mut command = Command::new("mariadb");
        command.args(["--no-defaults", "--user=root", "--batch", "--skip-column-names"]);
        command.arg(format!("--socket={}", self.folder.path().join("sock").display()));
        command.args(["--execute", sql]).arg(database).output().unwrap()
    }

    fn sql(&self, sql: &str) -> String {
        let output = self.run("shop", sql);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

#[test]
fn what_a_failed_migration_made_goes_and_what_was_comes_back() {
    let Some(server) = server() else {
        // CI installs MariaDB; a developer's machine may lack it.
        assert!(std::env::var_os("CI").is_none(), "CI has no MariaDB");
        return;
    };
    assert!(server.run("", "CREATE DATABASE shop CHARACTER SET latin1").status.success());
    server.sql(
        "CREATE TABLE article (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40), picture BLOB) ENGINE=InnoDB;
         CREATE TABLE sale (article INT, FOREIGN KEY (article) REFERENCES article(id)) ENGINE=InnoDB;
         CREATE VIEW names AS SELECT name FROM article;
         INSERT INTO article (name, picture) VALUES ('über', x'00ff'), ('two', NULL);
         INSERT INTO sale VALUES (1), (2), (2)",
    );
    let folder = tempfile::tempdir().unwrap();
    let (root, store) = (folder.path().join("srv"), folder.path().join("backups"));
    fs::create_dir(&root).unwrap();
    let place = UnitPlace {
        product: ProductName::parse("shop").unwrap(),
        build: BuildId::parse("1").unwrap(),
        release: Digest::ZERO,
        root,
        data: vec![],
        databases: BTreeMap::from([("main".to_owned(), DatabasePlace::Mariadb(server.url()))]),
        product_is: Quiet::Running,
        run_as: None,
        environment: BTreeMap::new(),
        limit: Duration::from_secs(60),
        meter: refit_backup::Meter::default(),
    };
    let sealed = take(&store, "a", &place, Timestamp::now()).unwrap();
    assert!(
        matches!(&sealed.manifest.databases["main"], SavedDatabase::Mariadb { size, .. } if size.0 > 500)
    );
    verify(&sealed, Depth::Whole, place.limit).unwrap();
    let before = server.sql("SHOW DATABASES");
    let proof = prove(&sealed, &place, &folder.path().join("scratch")).unwrap();
    assert_eq!(proof.databases, ["main: 2 tables restored into a scratch database"]);
    assert_eq!(server.sql("SHOW DATABASES"), before);

    server.sql("CREATE TABLE migrated (n INT); ALTER TABLE article DROP COLUMN picture; DELETE FROM sale; DROP VIEW names");
    let restored = restore(&sealed, &place, Timestamp::now()).unwrap();
    assert_eq!(
        server.sql("SELECT CONCAT(name, HEX(picture)) FROM article WHERE id = 1"),
        "über00FF"
    );
    assert_eq!(server.sql("SELECT COUNT(*) FROM sale"), "3");
    assert_eq!(server.sql("SELECT COUNT(*) FROM names"), "2");
    assert!(!server.run("shop", "SELECT 1 FROM migrated").status.success());
    let charset = "SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = 'shop'";
    assert_eq!(server.sql(charset), "latin1");
    assert!(restored.abandoned.join("databases/main.sql").is_file());
    // Once more, as after a crash in its middle.
    restore(&sealed, &place, Timestamp::now()).unwrap();
    assert_eq!(server.sql("SELECT COUNT(*) FROM article"), "2");

    // A damaged dump changes nothing.
    let dump = sealed.folder.join("databases/main.sql");
    let bytes = fs::read(&dump).unwrap();
    fs::write(&dump, &bytes[..bytes.len() / 2]).unwrap();
    server.sql("DELETE FROM sale");
    restore(&sealed, &place, Timestamp::now()).unwrap_err();
    assert_eq!(server.sql("SELECT COUNT(*) FROM sale"), "0");
}

//! A repository of sealed backups, read by Refit and by plain restic.

use jiff::{SignedDuration, Timestamp};
use refit_backup::{DatabasePlace, Quiet, Sealed, UnitPlace, restore, take};
use refit_names::{BuildId, Coded as _, Digest, HostName, ProductName, TreePath};
use refit_protocol::backup::Retention;
use refit_vault::{Target, Vault, VaultError, VaultPlace};
use rusqlite::Connection;
use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const PASSWORD: &str = "a password with spaces";

struct Bench {
    folder: tempfile::TempDir,
    place: UnitPlace,
    host: HostName,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("srv");
        fs::create_dir_all(root.join("data/sub")).unwrap();
        fs::write(root.join("data/sub/a.txt"), "one").unwrap();
        fs::set_permissions(root.join("data/sub/a.txt"), fs::Permissions::from_mode(0o640))
            .unwrap();
        // Multiplying by an odd number mixes enough that nothing can compress it.
        let noise = (1_u64..400_000)
            .flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).to_le_bytes());
        fs::write(root.join("data/large"), noise.collect::<Vec<u8>>()).unwrap();
        let opened = Connection::open(root.join("main.db")).unwrap();
        opened.execute_batch("CREATE TABLE entry (n); INSERT INTO entry VALUES (1)").unwrap();
        let database = DatabasePlace::Sqlite(TreePath::parse("main.db").unwrap());
        let place = UnitPlace {
            product: ProductName::parse("ledger").unwrap(),
            build: BuildId::parse("1000").unwrap(),
            release: Digest::of(b"tree"),
            root,
            data: vec![TreePath::parse("data").unwrap()],
            databases: BTreeMap::from([("main".to_owned(), database)]),
            product_is: Quiet::Running,
            run_as: None,
            environment: BTreeMap::new(),
            limit: Duration::from_secs(60),
            meter: refit_backup::Meter::default(),
        };
        Self { folder, place, host: HostName::parse("web-1").unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn vault_place(&self) -> VaultPlace {
        VaultPlace { target: Target::Folder(self.path("vault")), password: PASSWORD.to_owned() }
    }

    fn take(&self, id: &str, at: Timestamp) -> Sealed {
        take(&self.path("backups"), id, &self.place, at).unwrap()
    }

    fn restic(&self, arguments: &[&str]) -> Option<String> {
        let Some(program) = refit_backup::find_tool("restic") else {
            // CI installs it; a developer's machine may lack it.
            assert!(std::env::var_os("CI").is_none(), "CI has no restic");
            return None;
        };
        let output = Command::new(program)
            .args(["--no-cache", "--repo"])
            .arg(self.path("vault"))
            .args(arguments)
            .env("RESTIC_PASSWORD", PASSWORD)
            .output()
            .unwrap();
        let talk = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "restic {arguments:?}: {talk}");
        Some(String::from_utf8(output.stdout).unwrap())
    }
}

/// Every file with its rights and content.
fn content(top: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![top.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let mode = path.metadata().unwrap().mode();
            found.insert(
                path.strip_prefix(top).unwrap().to_owned(),
                (mode, fs::read(&path).unwrap()),
            );
        }
    }
    found
}

fn spoil(sealed: &Path) {
    let packs = fs::read_dir(sealed.join("data")).unwrap().flatten().flat_map(|folder| {
        fs::read_dir(folder.path()).into_iter().flatten().flatten().map(|entry| entry.path())
    });
    let largest = packs.max_by_key(|path| path.metadata().unwrap().len()).unwrap();
    fs::set_permissions(&largest, fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[40] ^= 1;
    fs::write(&largest, bytes).unwrap();
}

#[test]
fn plain_restic_reads_checks_and_restores_what_was_kept() {
    let bench = Bench::new();
    let vault = Vault::create(&bench.vault_place()).unwrap();
    let sealed = bench.take("a", Timestamp::now());
    let kept = vault.keep(&bench.host, &sealed).unwrap();
    assert_eq!(kept.snapshot.manifest, sealed.digest);
    vault.check().unwrap();
    let Some(list) = bench.restic(&["snapshots", "--json"]) else { return };
    assert!(list.contains(&kept.snapshot.id) && list.contains("web-1"), "{list}");
    bench.restic(&["check", "--read-data"]);
    let target = bench.path("by-restic");
    bench.restic(&["restore", &kept.snapshot.id, "--target", target.to_str().unwrap()]);
    assert_eq!(content(&target.join("ledger")), content(&sealed.folder));
    let file = target.join("ledger/data/data/sub/a.txt");
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o640);
}

#[test]
fn a_backup_that_is_gone_from_the_host_comes_back_and_restores_the_product() {
    let bench = Bench::new();
    let vault = Vault::create(&bench.vault_place()).unwrap();
    let sealed = bench.take("a", Timestamp::now());
    let kept = vault.keep(&bench.host, &sealed).unwrap();
    fs::remove_dir_all(bench.path("backups")).unwrap();
    fs::write(bench.place.root.join("data/sub/a.txt"), "two").unwrap();
    fs::remove_file(bench.place.root.join("main.db")).unwrap();

    let vault = Vault::open(&bench.vault_place()).unwrap();
    let found = vault.find(&bench.host, &bench.place.product, "latest").unwrap();
    assert_eq!(found, kept.snapshot);
    let back = vault.fetch(&found, &bench.path("backups"), "from-vault").unwrap();
    restore(&back, &bench.place, Timestamp::now()).unwrap();
    assert_eq!(fs::read_to_string(bench.place.root.join("data/sub/a.txt")).unwrap(), "one");
    let opened = Connection::open(bench.place.root.join("main.db")).unwrap();
    let rows: u32 = opened.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn the_second_backup_reads_and_adds_only_what_changed() {
    let bench = Bench::new();
    let vault = Vault::create(&bench.vault_place()).unwrap();
    let first = vault.keep(&bench.host, &bench.take("a", Timestamp::now())).unwrap();
    fs::write(bench.place.root.join("data/sub/a.txt"), "two").unwrap();
    // A dump under the same name with other content must never be taken for the old one.
    let opened = Connection::open(bench.place.root.join("main.db")).unwrap();
    opened.execute_batch("UPDATE entry SET n = 2").unwrap();
    drop(opened);
    let second_sealed = bench.take("b", Timestamp::now());
    let second = vault.keep(&bench.host, &second_sealed).unwrap();
    assert!(second.snapshot.added.0 < first.snapshot.added.0 / 2, "{second:?} after {first:?}");
    vault.verify(&second.snapshot).unwrap();
    let back = vault.fetch(&second.snapshot, &bench.path("other"), "b").unwrap();
    assert_eq!(content(&back.folder), content(&second_sealed.folder));
}

#[test]
fn damage_in_the_repository_is_found_and_never_brought_back() {
    let bench = Bench::new();
    let vault = Vault::create(&bench.vault_place()).unwrap();
    let kept = vault.keep(&bench.host, &bench.take("a", Timestamp::now())).unwrap();
    spoil(&bench.path("vault"));
    assert!(vault.check().is_err(), "check");
    assert!(vault.verify(&kept.snapshot).is_err(), "verify");
    assert!(vault.fetch(&kept.snapshot, &bench.path("other"), "a").is_err(), "fetch");
    assert!(Sealed::open(&bench.path("other"), &bench.place.product, "a").is_err());
}

#[test]
fn what_is_not_there_is_never_made_and_what_is_there_is_never_replaced() {
    let bench = Bench::new();
    let mut place = bench.vault_place();
    assert!(matches!(Vault::open(&place), Err(VaultError::Missing { .. })));
    assert!(!bench.path("vault").exists());
    Vault::create(&place).unwrap();
    assert!(matches!(Vault::create(&place), Err(VaultError::Occupied { .. })));
    place.password = "wrong".to_owned();
    assert!(matches!(Vault::open(&place), Err(VaultError::Password { .. })));
}

/// A volume of its own for the repository, gone when the test ends; none where the test may not mount one.
struct Small(PathBuf);

impl Small {
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
            .arg(&at)
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }

    /// Leaves only so much room.
    fn fill(&self, left: u64) {
        let path = self.0.join("other-peoples-data");
        let mut ballast = fs::File::create(&path).unwrap();
        let full = loop {
            if let Err(error) = ballast.write_all(&[7; 4096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length.saturating_sub(left)).unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("other-peoples-data")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_target_is_named_loses_nothing_and_works_again_with_room() {
    let bench = Bench::new();
    let Some(small) = Small::mount(bench.path("vault")) else { return };
    let vault = Vault::create(&bench.vault_place()).unwrap();
    let first = vault.keep(&bench.host, &bench.take("first", Timestamp::now())).unwrap();
    let mut kept = vec![first.snapshot];
    // From no room at all to enough for all but the last file that is written.
    let mut refused = 0;
    for left in [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 64] {
        fs::write(bench.place.root.join("data/sub/a.txt"), format!("with {left} pages left"))
            .unwrap();
        let sealed = bench.take(&format!("with-{left}"), Timestamp::now());
        small.fill(left * 4096);
        match vault.keep(&bench.host, &sealed) {
            Ok(fitted) => kept.push(fitted.snapshot),
            Err(error) => {
                let told = refit_names::chain(&error);
                assert_eq!(error.code(), "backup.target-full", "{left} pages: {told}");
                assert!(told.contains(&bench.path("vault").display().to_string()), "{told}");
                refused += 1;
            }
        }
        // Reading, and forgetting nothing, take no room.
        assert_eq!(vault.list(&bench.host).unwrap(), kept, "{left} pages");
        vault.verify(kept.last().unwrap()).unwrap();
        let retention = Retention { last: 100, daily: 0, weekly: 0, monthly: 0, yearly: 0 };
        vault
            .forget((&bench.host, &bench.place.product), &retention, Timestamp::now(), false)
            .unwrap();
        small.make_room();
    }
    assert!(refused > 2 && kept.len() > 1, "{refused} refused, {} kept", kept.len());
    let after = vault.keep(&bench.host, &bench.take("after", Timestamp::now())).unwrap();
    kept.push(after.snapshot);
    for snapshot in &kept {
        vault.verify(snapshot).unwrap();
    }
    vault.check().unwrap();
    bench.restic(&["check", "--read-data"]);
}

#[test]
fn retention_keeps_what_it_says_and_always_the_newest() {
    let bench = Bench::new();
    let vault = Vault::create(&bench.vault_place()).unwrap();
    let start: Timestamp = "2026-03-01T01:00:00Z".parse().unwrap();
    for day in 0..4 {
        for half in 0..2 {
            let at = start + SignedDuration::from_hours(24 * day + 12 * half);
            fs::write(bench.place.root.join("data/sub/a.txt"), format!("{day} {half}")).unwrap();
            vault.keep(&bench.host, &bench.take(&format!("{day}-{half}"), at)).unwrap();
        }
    }
    let retention = Retention { last: 1, daily: 3, weekly: 0, monthly: 0, yearly: 0 };
    let now = start + SignedDuration::from_hours(24 * 5);
    let of = (&bench.host, &bench.place.product);
    let plan = vault.forget(of, &retention, now, true).unwrap();
    assert_eq!((plan.kept.len(), plan.gone.len()), (3, 5));
    assert_eq!(vault.list(&bench.host).unwrap().len(), 8, "a dry run forgot something");
    vault.forget(of, &retention, now, false).unwrap();
    vault.prune().unwrap();
    let left: Vec<_> = vault.list(&bench.host).unwrap();
    let noon = |day: i64| start + SignedDuration::from_hours(24 * day + 12);
    let times: Vec<_> = left.iter().map(|snapshot| snapshot.taken_at).collect();
    assert_eq!(times, [noon(1), noon(2), noon(3)]);
    for snapshot in &left {
        vault.verify(snapshot).unwrap();
    }
    bench.restic(&["check", "--read-data"]);
}

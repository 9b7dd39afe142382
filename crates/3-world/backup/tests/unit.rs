//! A unit of files and a SQLite database is saved, spoilt and brought back.

use jiff::Timestamp;
use refit_backup::{
    BackupError, DatabasePlace, Depth, Quiet, Sealed, UnitPlace, discard, list, prove, prune,
    restore, set_aside, take, verify,
};
use refit_names::{BuildId, Digest, ProductName, TreePath};
use rusqlite::Connection;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

struct Bench {
    _folder: tempfile::TempDir,
    root: PathBuf,
    store: PathBuf,
    place: UnitPlace,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let (root, store) = (folder.path().join("srv"), folder.path().join("state/backups"));
    fs::create_dir_all(root.join("data/deep/empty")).unwrap();
    fs::write(root.join("data/deep/a.txt"), "one").unwrap();
    fs::set_permissions(root.join("data/deep/a.txt"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(root.join("settings.ini"), "x=1").unwrap();
    symlink("deep/a.txt", root.join("data/link")).unwrap();
    let path = |text: &str| TreePath::parse(text).unwrap();
    let main = DatabasePlace::Sqlite(path("data/led#ger?.db"));
    let place = UnitPlace {
        product: ProductName::parse("ledger").unwrap(),
        build: BuildId::parse("1000").unwrap(),
        release: Digest::of(b"tree"),
        root: root.clone(),
        data: vec![path("data"), path("settings.ini"), path("later")],
        databases: BTreeMap::from([("main".to_owned(), main)]),
        product_is: Quiet::Stopped,
        run_as: None,
        environment: BTreeMap::new(),
        limit: Duration::from_secs(60),
        meter: refit_backup::Meter::default(),
    };
    Bench { _folder: folder, root, store, place }
}

impl Bench {
    fn database(&self) -> PathBuf {
        self.root.join("data/led#ger?.db")
    }

    /// Rows that lie in the log only, as after a killed service.
    fn rows_in_the_log(&self, rows: u32) {
        let opened = Connection::open(self.database()).unwrap();
        opened.pragma_update(None, "journal_mode", "wal").unwrap();
        opened.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
        opened.execute_batch("CREATE TABLE IF NOT EXISTS entry (n INTEGER)").unwrap();
        for n in 0..rows {
            opened.execute("INSERT INTO entry VALUES (?1)", [n]).unwrap();
        }
        let copies = [self.database(), wal(&self.database())].map(|file| {
            let kept = self.root.join(format!("kept-{}", file.extension().unwrap().display()));
            fs::copy(&file, &kept).unwrap();
            (kept, file)
        });
        opened.close().unwrap();
        for (kept, file) in copies {
            fs::rename(kept, file).unwrap();
        }
    }

    fn take(&self, id: &str) -> Sealed {
        take(&self.store, id, &self.place, Timestamp::now()).unwrap()
    }
}

fn wal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn count(path: &Path) -> u32 {
    let opened = Connection::open(path).unwrap();
    opened.query_row("SELECT count(*) FROM entry", [], |row| row.get(0)).unwrap()
}

#[test]
fn unit_comes_back_whole_and_what_was_there_is_kept() {
    let bench = bench();
    bench.rows_in_the_log(7);
    let before = fs::read(wal(&bench.database())).unwrap();
    let sealed = bench.take("a");
    assert_eq!(
        fs::read(wal(&bench.database())).unwrap(),
        before,
        "taking changed the live database"
    );
    assert_eq!(count(&sealed.folder.join("databases/main.sqlite")), 7);
    let sealed = Sealed::open(&bench.store, &bench.place.product, "a").unwrap();
    verify(&sealed, Depth::Whole, bench.place.limit).unwrap();
    let proof = prove(&sealed, &bench.place, &bench.root.join("../scratch")).unwrap();
    assert_eq!(proof.databases, ["main: 1 tables, every page checked"]);

    let opened = Connection::open(bench.database()).unwrap();
    opened.execute_batch("DELETE FROM entry; CREATE TABLE extra (n); ").unwrap();
    drop(opened);
    fs::write(bench.root.join("data/deep/a.txt"), "two").unwrap();
    fs::remove_dir(bench.root.join("data/deep/empty")).unwrap();
    fs::create_dir_all(bench.root.join("data/new/x")).unwrap();
    fs::write(bench.root.join("data/new/x/y"), "extra").unwrap();
    fs::remove_file(bench.root.join("data/link")).unwrap();
    fs::write(bench.root.join("data/link"), "no link").unwrap();
    fs::remove_file(bench.root.join("settings.ini")).unwrap();
    fs::write(bench.root.join("later"), "made by the new build").unwrap();

    let restored = restore(&sealed, &bench.place, Timestamp::now()).unwrap();
    assert_eq!(count(&bench.database()), 7);
    let opened = Connection::open(bench.database()).unwrap();
    assert!(opened.query_row("SELECT 1 FROM extra", [], |_| Ok(())).is_err());
    assert_eq!(fs::read_to_string(bench.root.join("data/link")).unwrap(), "one");
    assert!(
        bench.root.join("data/link").is_symlink() && bench.root.join("data/deep/empty").is_dir()
    );
    assert!(!bench.root.join("data/new").exists() && !bench.root.join("later").exists());
    assert_eq!(fs::metadata(bench.root.join("data/deep/a.txt")).unwrap().mode() & 0o777, 0o640);
    assert_eq!(fs::read_to_string(bench.root.join("settings.ini")).unwrap(), "x=1");

    let kept = restored.abandoned.join("data");
    assert_eq!(fs::read_to_string(kept.join("data/new/x/y")).unwrap(), "extra");
    assert_eq!(fs::read_to_string(kept.join("later")).unwrap(), "made by the new build");
    assert_eq!(count(&kept.join("data/led#ger?.db")), 0);
    // Once more: the same goal, and the second state is kept too.
    let again = restore(&sealed, &bench.place, Timestamp::now()).unwrap();
    assert_eq!((again.files_written, count(&bench.database())), (0, 7));
    assert_ne!(again.abandoned, restored.abandoned);

    // Both are listed, neither is a backup, and only what was set aside can be thrown away.
    let store = sealed.folder.parent().unwrap().parent().unwrap();
    let product = &bench.place.product;
    let aside =
        || set_aside(store, product).into_iter().map(|aside| aside.folder).collect::<Vec<_>>();
    assert_eq!(aside(), [restored.abandoned.clone(), again.abandoned.clone()]);
    discard(&set_aside(store, product)[0]).unwrap();
    assert_eq!(aside(), std::slice::from_ref(&again.abandoned));
    assert!(!restored.abandoned.exists() && list(store, product).len() == 1);
    // Cut off in the middle: it is still listed.
    fs::remove_dir_all(again.abandoned.join("data")).unwrap();
    discard(&set_aside(store, product)[0]).unwrap();
    assert!(aside().is_empty() && sealed.folder.is_dir());
}

#[test]
fn running_product_is_saved_at_one_moment() {
    let mut bench = bench();
    bench.place.product_is = Quiet::Running;
    let writer = Connection::open(bench.database()).unwrap();
    writer.pragma_update(None, "journal_mode", "wal").unwrap();
    writer.execute_batch("CREATE TABLE entry (n); INSERT INTO entry VALUES (1); BEGIN; INSERT INTO entry VALUES (2)").unwrap();
    let sealed = bench.take("a");
    verify(&sealed, Depth::Whole, bench.place.limit).unwrap();
    assert_eq!(count(&sealed.folder.join("databases/main.sqlite")), 1);
}

#[test]
fn damaged_backup_is_refused_before_anything_changes() {
    let bench = bench();
    bench.rows_in_the_log(3);
    let sealed = bench.take("a");
    fs::write(sealed.folder.join("data/data/deep/a.txt"), "oNe").unwrap();
    fs::write(bench.root.join("data/deep/a.txt"), "two").unwrap();
    let error = restore(&sealed, &bench.place, Timestamp::now()).unwrap_err();
    assert!(matches!(error, BackupError::Damaged { .. }), "{error}");
    assert_eq!(fs::read_to_string(bench.root.join("data/deep/a.txt")).unwrap(), "two");
    let manifest = sealed.folder.join("manifest.json");
    fs::write(&manifest, "{").unwrap();
    let opened = Sealed::open(&bench.store, &bench.place.product, "a");
    assert!(matches!(opened, Err(BackupError::Manifest { .. })));
}

#[test]
fn backup_of_another_build_or_folder_is_refused() {
    let bench = bench();
    let sealed = bench.take("a");
    let mut other = bench.place.clone();
    other.build = BuildId::parse("1100").unwrap();
    assert!(matches!(
        restore(&sealed, &other, Timestamp::now()),
        Err(BackupError::Foreign { what: "build", .. })
    ));
    let mut other = bench.place.clone();
    other.root = bench.root.join("elsewhere");
    assert!(matches!(
        restore(&sealed, &other, Timestamp::now()),
        Err(BackupError::Foreign { what: "folder", .. })
    ));
}

#[test]
fn cut_off_take_is_no_backup_and_does_not_stand_in_the_way() {
    let bench = bench();
    let partial = bench.store.join("ledger/a.partial/data");
    fs::create_dir_all(&partial).unwrap();
    fs::write(partial.join("half"), "x").unwrap();
    let opened = Sealed::open(&bench.store, &bench.place.product, "a");
    assert!(matches!(opened, Err(BackupError::NotSealed { .. })));
    let sealed = bench.take("a");
    assert!(!sealed.folder.join("data/half").exists());
    assert!(
        take(&bench.store, "a", &bench.place, Timestamp::now()).is_err(),
        "a sealed backup was replaced"
    );
}

#[test]
fn only_the_newest_and_the_needed_are_kept() {
    let bench = bench();
    for id in ["a", "b", "c", "d", "e"] {
        bench.take(id);
    }
    let needed = BTreeSet::from(["a".to_owned()]);
    let gone = prune(&bench.store, &bench.place.product, 3, &needed).unwrap();
    assert_eq!(gone, ["b"]);
}

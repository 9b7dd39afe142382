//! What lies in real folders beside plain files: pipes, holes, several names, names of other times, files that go while they are saved.

use jiff::Timestamp;
use refit_backup::{
    BackupError, DatabasePlace, Depth, Meter, Quiet, UnitPlace, restore, save_ahead, take, verify,
    verify_told,
};
use refit_names::{BuildId, Coded as _, Digest, ProductName, TreePath};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::FileExt as _, net::UnixListener},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

fn place(root: &Path, product_is: Quiet) -> UnitPlace {
    UnitPlace {
        product: ProductName::parse("ledger").unwrap(),
        build: BuildId::parse("1000").unwrap(),
        release: Digest::of(b"tree"),
        root: root.to_owned(),
        data: vec![TreePath::parse("data").unwrap()],
        databases: BTreeMap::new(),
        product_is,
        run_as: None,
        environment: BTreeMap::new(),
        limit: Duration::from_secs(60),
        meter: Meter::default(),
    }
}

fn room() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (root, store) = (folder.path().join("srv"), folder.path().join("backups"));
    fs::create_dir_all(root.join("data")).unwrap();
    (folder, root, store)
}

#[test]
fn sockets_and_pipes_are_passed_over_holes_and_several_names_come_back() {
    let (_folder, root, store) = room();
    let data = root.join("data");
    let _socket = UnixListener::bind(data.join("socket")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(data.join("pipe")).status().unwrap();
    assert!(made.success());
    fs::write(data.join("one"), "the same").unwrap();
    fs::hard_link(data.join("one"), data.join("two")).unwrap();
    let hole = fs::File::create(data.join("hole")).unwrap();
    hole.set_len(8 << 20).unwrap();
    hole.write_all_at(b"end", (8 << 20) - 3).unwrap();
    let place = place(&root, Quiet::Stopped);
    let sealed = take(&store, "a", &place, Timestamp::now()).unwrap();
    let saved: Vec<&str> = sealed.manifest.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(saved, ["data", "data/hole", "data/one", "data/two"]);
    fs::write(data.join("two"), "other").unwrap();
    fs::write(data.join("hole"), "").unwrap();
    restore(&sealed, &place, Timestamp::now()).unwrap();
    assert_eq!(fs::read(data.join("one")).unwrap(), b"the same");
    assert_eq!(fs::read(data.join("two")).unwrap(), b"the same");
    let hole = fs::read(data.join("hole")).unwrap();
    assert_eq!((hole.len(), &hole[hole.len() - 3..]), (8 << 20, &b"end"[..]));
    assert!(data.join("pipe").exists() && data.join("socket").exists(), "nobody's to throw away");
}

#[test]
fn a_name_that_is_no_text_is_refused_by_name_and_nothing_is_sealed() {
    let (_folder, root, store) = room();
    fs::write(root.join("data").join(OsStr::from_bytes(b"caf\xe9")), "old").unwrap();
    let refused = take(&store, "a", &place(&root, Quiet::Stopped), Timestamp::now()).unwrap_err();
    assert!(
        matches!(&refused, BackupError::Name { path } if path.ends_with(OsStr::from_bytes(b"caf\xe9")))
    );
    assert!(!store.join("ledger/a").exists());
}

#[test]
fn what_goes_while_a_running_product_is_saved_is_left_out() {
    let (_folder, root, store) = room();
    let (data, stop) = (root.join("data"), AtomicBool::new(false));
    fs::write(data.join("stays"), "here").unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Folders and files come and go as fast as they can.
            while !stop.load(Ordering::Relaxed) {
                let folder = data.join("session");
                fs::create_dir_all(&folder).unwrap();
                for number in 0..20 {
                    fs::write(folder.join(number.to_string()), "short-lived").unwrap();
                }
                fs::remove_dir_all(&folder).unwrap();
            }
        });
        for number in 0..40 {
            let id = format!("{number}");
            let saved = save_ahead(&store, &id, &place(&root, Quiet::Running), Timestamp::now());
            if let Err(error) = saved {
                stop.store(true, Ordering::Relaxed);
                panic!("{}", refit_names::chain(&error));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let _ = fs::remove_dir_all(data.join("session"));
    let sealed = take(&store, "end", &place(&root, Quiet::Stopped), Timestamp::now()).unwrap();
    verify(&sealed, Depth::Whole, Duration::from_secs(60)).unwrap();
}

#[test]
fn a_database_that_is_down_fails_the_backup_and_leaves_the_old_ones() {
    let (_folder, root, store) = room();
    fs::write(root.join("data/a"), "one").unwrap();
    let mut place = place(&root, Quiet::Stopped);
    let before = take(&store, "before", &place, Timestamp::now()).unwrap();
    let nowhere = "postgres://refit:a-secret@127.0.0.1:1/main".to_owned();
    place.databases.insert("main".to_owned(), DatabasePlace::Postgres(nowhere));
    let error = take(&store, "down", &place, Timestamp::now()).unwrap_err();
    let text = refit_names::chain(&error);
    assert!(text.contains("main") && !text.contains("a-secret"), "{text}");
    assert!(
        ["backup.database-tool-failed", "backup.tool-missing"].contains(&error.code()),
        "{text}"
    );
    assert!(!store.join("ledger/down").exists());
    verify(&before, Depth::Whole, Duration::from_secs(60)).unwrap();
}

#[test]
fn bytes_are_counted_to_the_end_by_saving_and_by_reading_back() {
    let (_folder, root, store) = room();
    for number in 0..10 {
        fs::write(root.join(format!("data/{number}")), vec![7; 100_000]).unwrap();
    }
    let place = place(&root, Quiet::Stopped);
    let sealed = take(&store, "a", &place, Timestamp::now()).unwrap();
    assert_eq!(place.meter.read(), (1_000_000, 1_000_000));
    place.meter.begin();
    verify_told(&sealed, Depth::Whole, place.limit, &place.meter).unwrap();
    assert_eq!(place.meter.read(), (1_000_000, 1_000_000));
}

/// A volume of its own that is too small, where the test may mount one.
#[test]
fn a_full_disk_is_named_and_seals_nothing() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (folder, root, _) = room();
    fs::write(root.join("data/large"), vec![7; 4 << 20]).unwrap();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
    let mounted = std::process::Command::new("mount").args(mount).arg(&small).status().unwrap();
    if !mounted.success() {
        return;
    }
    let error = take(&small, "a", &place(&root, Quiet::Stopped), Timestamp::now());
    let sealed = small.join("ledger/a").exists();
    let gone = std::process::Command::new("umount").arg(&small).status().unwrap();
    let error = error.unwrap_err();
    assert_eq!(error.code(), "backup.target-full", "{}", refit_names::chain(&error));
    assert!(!sealed && gone.success());
}

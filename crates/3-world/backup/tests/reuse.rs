//! What did not change since an earlier backup is linked from it; what changed in any way is copied.

use jiff::Timestamp;
use refit_backup::{
    BackupError, Depth, Quiet, Saved, Sealed, UnitPlace, save_ahead, take, take_verified, verify,
};
use refit_names::{BuildId, ByteSize, Digest, ProductName, TreePath};
use std::{
    collections::BTreeMap,
    fs::{self, File, FileTimes},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

struct Bench {
    folder: tempfile::TempDir,
    place: UnitPlace,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("srv");
        fs::create_dir_all(root.join("data")).unwrap();
        for name in ["same", "grown", "touched-back", "replaced"] {
            fs::write(root.join("data").join(name), format!("{name} of before")).unwrap();
        }
        let place = UnitPlace {
            product: ProductName::parse("files").unwrap(),
            build: BuildId::parse("1").unwrap(),
            release: Digest::ZERO,
            root,
            data: vec![TreePath::parse("data").unwrap()],
            databases: BTreeMap::new(),
            product_is: Quiet::Running,
            run_as: None,
            environment: BTreeMap::new(),
            limit: Duration::from_secs(10),
            meter: refit_backup::Meter::default(),
        };
        let bench = Self { folder, place };
        bench.until_changes_leave_a_trace();
        bench
    }

    /// Files that are younger than the tick of the coarsest file system's clock are never reused: wait until these are older.
    fn until_changes_leave_a_trace(&self) {
        let newest = self.live("replaced").metadata().unwrap().ctime();
        let probe = self.folder.path().join("probe");
        let deadline = SystemTime::now() + Duration::from_secs(30);
        loop {
            fs::write(&probe, "tick").unwrap();
            if probe.metadata().unwrap().ctime() > newest + 2 {
                return;
            }
            assert!(SystemTime::now() < deadline, "the file system's clock stands still");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn live(&self, name: &str) -> PathBuf {
        self.place.root.join("data").join(name)
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("backups")
    }

    fn take(&self, id: &str) -> Sealed {
        take(&self.store(), id, &self.place, Timestamp::now()).unwrap()
    }
}

fn inode(path: &Path) -> u64 {
    path.metadata().unwrap().ino()
}

#[test]
fn only_what_changed_is_copied_and_every_change_is_seen() {
    let bench = Bench::new();
    let first = bench.take("a");
    assert_eq!(Saved::of(&first.manifest).copied, first.manifest.size());

    fs::write(bench.live("grown"), "longer than it was before").unwrap();
    // Same length, and the content's time set back: only the change time tells.
    let before = bench.live("touched-back").metadata().unwrap().modified().unwrap();
    fs::write(bench.live("touched-back"), "touched-back of After.".get(..22).unwrap()).unwrap();
    let file = File::options().write(true).open(bench.live("touched-back")).unwrap();
    file.set_times(FileTimes::new().set_modified(before)).unwrap();
    fs::write(bench.live("new"), "replaced of before").unwrap();
    fs::rename(bench.live("new"), bench.live("replaced")).unwrap();

    let second = bench.take("b");
    let copy = |sealed: &Sealed, name: &str| sealed.folder.join("data/data").join(name);
    assert_eq!(inode(&copy(&first, "same")), inode(&copy(&second, "same")));
    for name in ["grown", "touched-back", "replaced"] {
        assert_ne!(inode(&copy(&first, name)), inode(&copy(&second, name)), "{name}");
        assert_eq!(fs::read(copy(&second, name)).unwrap(), fs::read(bench.live(name)).unwrap());
    }
    assert_eq!(fs::read_to_string(copy(&first, "grown")).unwrap(), "grown of before");
    for sealed in [&first, &second] {
        verify(sealed, Depth::Whole, bench.place.limit).unwrap();
    }
    let fresh = verify(&second, Depth::Fresh, bench.place.limit).unwrap();
    assert_eq!(fresh, Saved::of(&second.manifest).copied);
}

#[test]
fn a_kept_copy_that_was_cut_short_is_no_reason_to_keep_it() {
    let bench = Bench::new();
    let first = bench.take("a");
    let cut = first.folder.join("data/data/same");
    File::options().write(true).open(&cut).unwrap().set_len(3).unwrap();
    let second = take_verified(&bench.store(), "b", &bench.place, Timestamp::now()).unwrap();
    let copy = second.folder.join("data/data/same");
    assert_eq!(fs::read(&copy).unwrap(), fs::read(bench.live("same")).unwrap());
    assert_eq!(Saved::of(&second.manifest).copied, ByteSize(14));
    verify(&second, Depth::Whole, bench.place.limit).unwrap();
}

#[test]
fn many_files_in_folders_and_a_file_alone_are_all_saved_in_their_order() {
    let mut bench = Bench::new();
    for number in 0..200 {
        let path = bench.live(&format!("{}/{}/{number}", number % 3, number % 7));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, number.to_string()).unwrap();
    }
    fs::create_dir(bench.place.root.join("etc")).unwrap();
    fs::write(bench.place.root.join("etc/alone"), "alone").unwrap();
    bench.place.data.push(TreePath::parse("etc/alone").unwrap());
    let sealed = take_verified(&bench.store(), "a", &bench.place, Timestamp::now()).unwrap();
    let paths: Vec<_> = sealed.manifest.files.iter().map(|saved| saved.path.as_str()).collect();
    assert_eq!(paths.len(), 1 + 4 + 3 + 21 + 200 + 1);
    assert_eq!(*paths.last().unwrap(), "etc/alone");
    assert!(
        paths[..paths.len() - 1]
            .is_sorted_by(|a, b| { Path::new(a).components().lt(Path::new(b).components()) })
    );
    for saved in sealed.manifest.files.iter().filter(|saved| saved.path != "data") {
        let copy = sealed.folder.join("data").join(&saved.path);
        assert!(
            copy.is_dir()
                || fs::read(&copy).unwrap()
                    == fs::read(bench.place.root.join(&saved.path)).unwrap()
        );
    }
}

#[test]
fn a_file_that_was_just_written_is_copied_again() {
    let bench = Bench::new();
    fs::write(bench.live("same"), "written in this very moment").unwrap();
    let first = bench.take("a");
    let second = bench.take("b");
    let copy = |sealed: &Sealed| inode(&sealed.folder.join("data/data/same"));
    assert_ne!(copy(&first), copy(&second), "it could have changed in the same tick");
}

#[test]
fn files_saved_ahead_are_no_backup_and_save_the_copying() {
    let mut bench = Bench::new();
    let ahead = save_ahead(&bench.store(), "a", &bench.place, Timestamp::now()).unwrap();
    assert_eq!(ahead.copied, ahead.all);
    let opened = Sealed::open(&bench.store(), &bench.place.product, "a.ahead");
    assert!(matches!(opened, Err(BackupError::NotSealed { .. })));
    fs::write(bench.live("grown"), "longer than it was before").unwrap();
    bench.place.product_is = Quiet::Stopped;
    let sealed = bench.take("a");
    assert_eq!(Saved::of(&sealed.manifest).copied, ByteSize(25));
    verify(&sealed, Depth::Whole, bench.place.limit).unwrap();
}

#[test]
fn damage_of_a_reused_file_is_found_by_the_whole_look() {
    let bench = Bench::new();
    bench.take("a");
    let second = bench.take("b");
    let copy = second.folder.join("data/data/same");
    fs::write(&copy, "some of before").unwrap();
    let error = verify(&second, Depth::Whole, bench.place.limit).unwrap_err();
    assert!(matches!(&error, BackupError::Damaged { path, .. } if *path == copy), "{error}");
}

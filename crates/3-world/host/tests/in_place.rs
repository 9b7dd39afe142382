//! A product that lives in one folder beside its data: exchanged file by file, and taken back to the same files.

#[path = "installs/dying.rs"]
mod dying;
#[path = "installs/room.rs"]
mod room;

use dying::Dying;
use refit_host::{engine::EngineError, in_place::Adoption, layout::Layout};
use refit_journal::OrderOutcome;
use refit_names::BuildId;
use room::{Has, Room, Seen, Tree, lay, snapshot};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, Permissions},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Arc,
};

use Has::{File, Folder, Link};

fn old() -> Tree {
    vec![
        ("app.py", File(0o755, b"old program")),
        ("becomes-file", Folder(0o755)),
        ("becomes-file/inner", File(0o644, b"inner")),
        ("becomes-folder", File(0o644, b"a file")),
        ("becomes-link", File(0o644, b"a file")),
        ("conf", Folder(0o755)),
        ("conf/kept.ini", File(0o644, b"port=1\n")),
        ("conf/plain.ini", File(0o644, b"a=1\n")),
        ("empty-gone", Folder(0o755)),
        ("gone.txt", File(0o644, b"gone")),
        ("lib", Folder(0o755)),
        ("lib/gone", Folder(0o755)),
        ("lib/gone/deep", Folder(0o755)),
        ("lib/gone/deep/x", File(0o644, b"x")),
        ("lib/same", File(0o644, b"same")),
        ("link", Link("lib/same")),
        ("link-to-file", Link("lib/same")),
        ("link-to-folder", Link("lib")),
        ("mode", File(0o644, b"mode")),
        ("read-only", File(0o444, b"read only, old")),
        ("rights", Folder(0o755)),
    ]
}

fn new() -> Tree {
    vec![
        ("app.py", File(0o755, b"new program")),
        ("becomes-file", File(0o644, b"now a file")),
        ("becomes-folder", Folder(0o750)),
        ("becomes-folder/inner", File(0o644, b"new inner")),
        ("becomes-link", Link("lib/same")),
        ("conf", Folder(0o755)),
        ("conf/added.ini", File(0o644, b"new=1\n")),
        ("conf/kept.ini", File(0o644, b"port=2\n")),
        ("conf/plain.ini", File(0o644, b"a=2\n")),
        ("empty-new", Folder(0o711)),
        ("lib", Folder(0o755)),
        ("lib/same", File(0o644, b"same")),
        ("link", Link("app.py")),
        ("link-to-file", File(0o644, b"no link any more")),
        ("link-to-folder", Folder(0o755)),
        ("mode", File(0o755, b"mode")),
        ("new", Folder(0o755)),
        ("new/deep", Folder(0o755)),
        ("new/deep/y", File(0o600, b"y")),
        ("read-only", File(0o444, b"read only, new")),
        ("rights", Folder(0o700)),
    ]
}

/// The whole of a leg; `last` is tried at the end.
fn steps(into: &Value, last: &str) -> Value {
    json!([
        {"id": "stage", "phase": "stage", "do": {"install.stage": {}}},
        {"id": "build", "phase": "before", "do": {"check.build": {}}},
        {"id": "stop", "phase": "protect", "do": {"service.stop": {}}},
        {"id": "backup", "phase": "protect", "do": {"backup.take": {}}},
        {"id": "install", "phase": "install", "do": {"install.in-place": {"into": into, "config": ["conf/*.ini"]}}},
        {"id": "script", "phase": "install", "do": {"script.run": {"run": ["sh", "-c", "echo $REFIT_TO > \"$REFIT_ROOT/data/migrated\""]}}},
        {"id": "start", "phase": "after", "do": {"service.start": {}}},
        {"id": "build-after", "phase": "after", "do": {"check.build": {}}},
        {"id": "last", "phase": "after", "do": {"check.command": {"run": ["sh", "-c", last]}}},
    ])
}

const NEWLINE: &str = "local\nname";

fn build(name: &str) -> BuildId {
    BuildId::parse(name).unwrap()
}

/// A host whose product was put there by hand, with data, local files and names of all kinds.
fn host(last: &str) -> Room {
    let room = Room::new(&[("1", old()), ("2", new())], steps(&json!("."), last));
    lay(&old(), &room.root());
    let at = |path: &str| room.root().join(path);
    fs::create_dir_all(at("data/deep")).unwrap();
    fs::write(at("data/deep/rows"), "rows").unwrap();
    fs::write(room.root().join(OsStr::from_bytes(b"local\xff\xfe")), "bytes").unwrap();
    fs::write(at(NEWLINE), "local").unwrap();
    adopt(&room);
    // Local, and in a folder that the new build does not have.
    fs::write(at("lib/gone/deep").join(NEWLINE), "local").unwrap();
    room
}

fn adopt(room: &Room) {
    let product = room.product();
    let except = ["data".to_owned(), "local*".to_owned()];
    let (state, into, build) = (room.state(), room.root(), build("1"));
    let adoption =
        Adoption { product: &product, state: &state, build: &build, into: &into, except: &except };
    assert_eq!(adoption.look().unwrap().entries.len(), old().len());
    adoption.take().unwrap();
}

fn installed(room: &Room) -> String {
    Layout::new(&room.root()).installed().unwrap().unwrap().to_string()
}

fn contents(tree: &BTreeMap<PathBuf, Seen>) -> BTreeMap<PathBuf, String> {
    tree.iter().map(|(path, seen)| (path.clone(), seen.what.clone())).collect()
}

fn why(outcome: OrderOutcome) -> refit_journal::Cause {
    match outcome {
        OrderOutcome::RolledBack { cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_of_change_is_exchanged_and_nothing_else_is_touched() {
    let room = host("true");
    let peer = room.folder.path().join("peer");
    fs::hard_link(room.root().join("app.py"), &peer).unwrap();
    let before = snapshot(&room.root());
    let outcome = room.upgrade("r");
    assert_eq!(outcome, OrderOutcome::Succeeded { build: build("2") });
    assert_eq!(installed(&room), "2");
    assert!(room.runs());
    let expected = room.folder.path().join("expected");
    lay(&new(), &expected);
    let (after, mut expected) = (snapshot(&room.root()), contents(&snapshot(&expected)));
    // What is not the product's stays, down to the folder that holds it.
    let stays = |path: &&PathBuf| {
        path.starts_with("data")
            || path.starts_with("lib/gone")
            || path.to_string_lossy().starts_with("local")
    };
    for path in before.keys().filter(stays).filter(|path| !path.ends_with("x")) {
        expected.insert(path.clone(), before[path].what.clone());
        assert_eq!(after[path].inode, before[path].inode, "{}", path.display());
    }
    expected.insert("data/migrated".into(), after[Path::new("data/migrated")].what.clone());
    assert_eq!(contents(&after), expected);
    // What did not change is the very same file; who else has the old program keeps it.
    assert_eq!(after[Path::new("lib/same")].inode, before[Path::new("lib/same")].inode);
    assert_eq!(fs::read(&peer).unwrap(), b"old program");
}

#[test]
fn taken_back_it_is_the_same_files_again() {
    let room = host("echo the last test fails >&2; mkdir -p \"$REFIT_INTO/new/made\"; exit 1");
    let before = snapshot(&room.root());
    let cause = why(room.upgrade("r"));
    assert!(cause.text.contains("the last test fails"), "{cause:?}");
    assert_eq!(snapshot(&room.root()), before);
    assert_eq!(installed(&room), "1");
    assert!(room.runs());
    // What the failed build wrote into a folder of its own was put aside.
    let left = room.root().join(".refit/site/2/left/new/made");
    assert!(left.is_dir(), "{}", left.display());
    // And it can be tried again.
    let again = Room { steps: steps(&json!("."), "true"), ..room };
    let journal = again.journal();
    let engine = again.engine(journal, "second");
    engine.stage(&|_| ()).unwrap();
    assert!(matches!(again.finish(&engine).unwrap(), OrderOutcome::Succeeded { .. }));
}

#[test]
fn local_change_is_named_with_expected_and_found_before_the_window_and_in_it() {
    let room = host("true");
    fs::write(room.root().join("app.py"), "patched by hand").unwrap();
    fs::remove_file(room.root().join("mode")).unwrap();
    fs::write(room.root().join("new"), "in the way").unwrap();
    fs::write(room.root().join("becomes-file/local"), "x").unwrap();
    let engine = room.engine(room.journal(), "r");
    let error = engine.stage(&|_| ()).unwrap_err();
    let EngineError::Step { cause, .. } = error else { panic!("{error}") };
    assert_eq!(cause.code, "host.local-changes");
    assert!(cause.text.starts_with("4 paths"), "{}", cause.text);
    for part in ["`app.py`: expected sha256:", "`mode`", "`new`", "`becomes-file/local`"] {
        assert!(cause.text.contains(part), "{part}: {}", cause.text);
    }
    drop(engine);

    // Changed between prepare and the window: the content only, in the same second, with the same length.
    let room = host("true");
    let engine = room.engine(room.journal(), "r");
    engine.stage(&|_| ()).unwrap();
    let gone = room.root().join("gone.txt");
    let times = fs::metadata(&gone).unwrap().modified().unwrap();
    fs::write(&gone, "GONE").unwrap();
    fs::File::options().write(true).open(&gone).unwrap().set_modified(times).unwrap();
    let before = snapshot(&room.root());
    let cause = why(room.finish(&engine).unwrap());
    assert_eq!(cause.code, "host.local-changes", "{cause:?}");
    assert!(cause.text.contains("`gone.txt`"), "{cause:?}");
    assert_eq!(snapshot(&room.root()), before);
}

#[test]
fn configuration_that_the_host_changed_stays_and_the_new_one_lies_beside() {
    for (last, whole) in [("true", true), ("false", false)] {
        let room = host(last);
        let at = |path: &str| room.root().join(path);
        fs::write(at("conf/kept.ini"), "port=8080\n").unwrap();
        fs::write(at("conf/added.ini"), "local=1\n").unwrap();
        let before = snapshot(&room.root());
        let outcome = room.upgrade("r");
        if !whole {
            why(outcome);
            assert_eq!(snapshot(&room.root()), before);
            continue;
        }
        assert!(matches!(outcome, OrderOutcome::Succeeded { .. }), "{outcome:?}");
        let read = |path: &str| fs::read_to_string(at(path)).unwrap();
        assert_eq!(read("conf/kept.ini"), "port=8080\n");
        assert_eq!(read("conf/kept.ini.refit-new"), "port=2\n");
        assert_eq!(read("conf/added.ini"), "local=1\n");
        assert_eq!(read("conf/added.ini.refit-new"), "new=1\n");
        // Nobody changed this one.
        assert_eq!(read("conf/plain.ini"), "a=2\n");
        assert!(!at("conf/plain.ini.refit-new").exists());
    }
}

struct Ended(Child);
impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn file_in_use_is_refused_with_its_holder_and_nothing_is_changed() {
    let tree = |more: &'static [u8]| vec![("tool", File(0o755, more))];
    let room = Room::new(&[("1", tree(b"")), ("2", tree(b"new"))], steps(&json!("."), "true"));
    fs::copy("/bin/sleep", room.root().join("tool")).unwrap();
    fs::set_permissions(room.root().join("tool"), Permissions::from_mode(0o755)).unwrap();
    let (product, state, into, one) = (room.product(), room.state(), room.root(), build("1"));
    fs::create_dir_all(into.join("data")).unwrap();
    let except = ["data".to_owned()];
    Adoption { product: &product, state: &state, build: &one, into: &into, except: &except }
        .take()
        .unwrap();
    let worker =
        Ended(Command::new(into.join("tool")).arg("600").current_dir("/").spawn().unwrap());
    let before = snapshot(&room.root());
    let cause = why(room.upgrade("r"));
    assert_eq!(cause.code, "host.files-held", "{cause:?}");
    let holder = format!("pid {} `{}", worker.0.id(), into.join("tool").display());
    assert!(cause.text.contains(&holder) && cause.text.contains("runs"), "{}", cause.text);
    assert_eq!(snapshot(&room.root()), before);
}

#[test]
fn path_of_packs_goes_through_in_place_elsewhere_and_files_may_belong_to_the_products_user() {
    let into = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let tree = |content: &'static [u8]| {
        vec![("bin", Folder(0o755)), ("bin/run", File(0o755, content)), ("same", File(0o644, b"s"))]
    };
    let three = [("1", tree(b"one")), ("2", tree(b"two")), ("3", tree(b"three"))];
    let mut room = Room::new(&three, json!([]));
    room.steps = steps(&json!({"param": "home"}), "true");
    let owner = if rustix::process::geteuid().is_root() { "nobody" } else { "" };
    room.config = json!({"parameters": {"home": into.path()}});
    if !owner.is_empty() {
        room.config["user"] = json!(owner);
        room.steps[4]["do"]["install.in-place"]["owner"] = json!("user");
        // Scripts run as that user.
        room.steps.as_array_mut().unwrap().remove(5);
        for folder in [room.folder.path().to_owned(), room.root()] {
            fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
        }
    }
    lay(&room.trees["1"].clone(), into.path());
    let (product, state, one) = (room.product(), room.state(), build("1"));
    Adoption { product: &product, state: &state, build: &one, into: into.path(), except: &[] }
        .take()
        .unwrap();
    let outcome = room.upgrade("r");
    assert!(
        matches!(&outcome, OrderOutcome::Succeeded { build } if build.as_str() == "3"),
        "{outcome:?}"
    );
    let run = into.path().join("bin/run");
    assert_eq!(fs::read(&run).unwrap(), b"three");
    if !owner.is_empty() {
        assert_ne!(fs::metadata(&run).unwrap().uid(), 0);
    }
}

#[test]
fn killed_at_any_write_it_ends_whole_on_old_or_new() {
    let mut at = 1;
    // Before and after by turns: every file operation is walked elsewhere.
    while killed_at(at, at % 2 == 0) {
        at += 1;
    }
    assert!(at > 15, "{at}");
}

/// One host whose agent dies at that write of its journal; whether it came so far.
fn killed_at(at: u32, before: bool) -> bool {
    let room = host("false");
    let old = contents(&snapshot(&room.root()));
    let journal = room.journal();
    let dying = Arc::new(Dying::new(journal.clone(), before, at));
    let engine = room.engine(dying.clone(), "r");
    let ended = engine.stage(&|_| ()).and_then(|_| room.finish(&engine).map(drop));
    assert_eq!(ended.is_err(), dying.died(), "{ended:?}");
    let engine = room.engine(journal, "r");
    engine.stage(&|_| ()).unwrap();
    let outcome = room.finish(&engine).unwrap();
    let now = contents(&snapshot(&room.root()));
    match outcome {
        OrderOutcome::Succeeded { .. } => {
            assert_eq!(installed(&room), "2");
            assert_eq!(fs::read(room.root().join("app.py")).unwrap(), b"new program");
            assert!(room.root().join("data/migrated").exists());
        }
        OrderOutcome::RolledBack { .. } => {
            assert_eq!(installed(&room), "1");
            assert_eq!(now, old, "write {at}");
        }
        OrderOutcome::NeedsPerson { cause } => panic!("write {at}: {cause:?}"),
    }
    assert!(room.runs());
    dying.died()
}

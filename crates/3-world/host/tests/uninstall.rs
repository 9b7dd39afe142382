//! The last pack is removed, days after its order ended well: side by side and in place.

#[path = "installs/room.rs"]
#[expect(dead_code, reason = "other tests need more kinds of files")]
mod room;

use refit_ambient::Ambient;
use refit_host::{
    engine::{Engine, EngineInput},
    in_place::Adoption,
    journal::StepLog as _,
    layout::Layout,
    uninstall::LastPack,
};
use refit_journal::OrderOutcome;
use refit_names::BuildId;
use room::{Has, Room, Tree, lay, snapshot};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

fn tree(content: &'static [u8]) -> Tree {
    vec![
        ("conf", Has::Folder(0o755)),
        ("conf/x.ini", Has::File(0o644, content)),
        ("program", Has::File(0o755, content)),
    ]
}

fn steps(install: &Value) -> Value {
    json!([
        {"id": "stage", "phase": "stage", "do": {"install.stage": {}}},
        {"id": "stop", "phase": "protect", "do": {"service.stop": {}}},
        {"id": "backup", "phase": "protect", "do": {"backup.take": {}}},
        {"id": "install", "phase": "install", "do": install},
        {"id": "start", "phase": "after", "do": {"service.start": {}}},
    ])
}

/// Build 2 was installed over build 1 and ran for a while.
fn upgraded(install: &Value, rule: Value) -> Room {
    let mut room = Room::new(&[("1", tree(b"one")), ("2", tree(b"two"))], steps(install));
    room.uninstall = rule;
    fs::create_dir_all(room.root().join("data")).unwrap();
    fs::write(room.root().join("data/rows"), "before").unwrap();
    let one = BuildId::parse("1").unwrap();
    if install.get("install.in-place").is_some() {
        lay(&tree(b"one"), &room.root());
        let (product, state, into) = (room.product(), room.state(), room.root());
        let except = ["data".to_owned()];
        Adoption { product: &product, state: &state, build: &one, into: &into, except: &except }
            .take()
            .unwrap();
    } else {
        let layout = Layout::new(&room.root());
        lay(&tree(b"one"), &layout.release(&one));
        layout.point_at(&one).unwrap();
    }
    assert!(matches!(room.upgrade("r"), OrderOutcome::Succeeded { .. }));
    room
}

fn remove(room: &Room) -> Result<OrderOutcome, String> {
    let (product, state, order, record) =
        (room.product(), room.state(), room.order("r"), room.record("1", "2"));
    let last = LastPack { product: &product, state: &state, order: &order, record: &record };
    let removal = last.removal().map_err(|error| error.to_string())?;
    let order = last.order(&removal, 1).map_err(|error| error.to_string())?;
    refit_packs::record::validate(&removal.record).map_err(|error| error.to_string())?;
    let engine = Engine::open(EngineInput {
        others: BTreeMap::default(),
        records: vec![removal.record],
        order,
        product: room.product(),
        state: room.state(),
        log: room.journal(),
        releases: Arc::new(room::Trees(room.trees.clone())),
        gate: Arc::new(room::Open),
        machine: Arc::new(room::NoMachine),
        clock: Ambient::system().clock,
    })
    .unwrap();
    Ok(room.finish(&engine).unwrap())
}

fn installed(room: &Room) -> String {
    Layout::new(&room.root()).installed().unwrap().unwrap().to_string()
}

fn both() -> [Value; 2] {
    [json!({"install.switch": {}}), json!({"install.in-place": {"config": ["conf/*.ini"]}})]
}

fn program(room: &Room) -> Vec<u8> {
    let at = room.root().join("program");
    fs::read(if at.exists() { at } else { room.root().join("current/program") }).unwrap()
}

#[test]
fn build_before_runs_again_with_its_data_and_what_was_written_since_is_kept_aside() {
    for install in both() {
        let room = upgraded(&install, json!({"allowed": "last-pack"}));
        fs::write(room.root().join("data/rows"), "written since").unwrap();
        fs::write(room.root().join("data/more"), "written since").unwrap();
        let outcome = remove(&room).unwrap();
        assert!(matches!(outcome, OrderOutcome::Succeeded { .. }), "{outcome:?}");
        assert_eq!((installed(&room).as_str(), program(&room)), ("1", b"one".to_vec()));
        assert!(room.runs());
        assert_eq!(fs::read(room.root().join("data/rows")).unwrap(), b"before");
        assert!(!room.root().join("data/more").exists());
        let aside = fs::read_dir(room.state().join("backups/site")).unwrap().flatten();
        let aside: Vec<PathBuf> = aside
            .map(|entry| entry.path().join("data/data/more"))
            .filter(|path| path.exists())
            .collect();
        assert!(!aside.is_empty(), "what was written since is kept");
        // And the build can be installed once more.
        assert!(matches!(room.upgrade("again"), OrderOutcome::Succeeded { .. }));
        assert_eq!(program(&room), b"two");
    }
}

#[test]
fn data_stays_where_the_pack_says_so_and_its_own_script_takes_it_back() {
    for install in both() {
        let down = ["sh", "-c", "echo down >> \"$REFIT_ROOT/data/rows\""];
        let rule = json!({"allowed": "last-pack", "data": "keep", "down": down});
        let room = upgraded(&install, rule);
        fs::write(room.root().join("data/rows"), "written since\n").unwrap();
        let conf = room.root().join("conf/x.ini");
        if conf.exists() {
            fs::write(&conf, "changed since").unwrap();
        }
        let outcome = remove(&room).unwrap();
        assert!(matches!(outcome, OrderOutcome::Succeeded { .. }), "{outcome:?}");
        assert_eq!(fs::read(room.root().join("data/rows")).unwrap(), b"written since\ndown\n");
        assert_eq!((installed(&room).as_str(), program(&room)), ("1", b"one".to_vec()));
        if conf.exists() {
            assert_eq!(fs::read(&conf).unwrap(), b"changed since");
        }
    }
}

#[test]
fn removal_that_fails_leaves_the_build_in_place_with_what_was_written() {
    for install in both() {
        let rule = json!({"allowed": "last-pack", "data": "keep", "down": ["sh", "-c", "echo half > \"$REFIT_ROOT/data/rows\"; exit 1"]});
        let room = upgraded(&install, rule);
        fs::write(room.root().join("data/rows"), "written since").unwrap();
        let before: Vec<_> =
            snapshot(&room.root()).into_iter().map(|(path, seen)| (path, seen.what)).collect();
        let outcome = remove(&room).unwrap();
        assert!(matches!(outcome, OrderOutcome::RolledBack { .. }), "{outcome:?}");
        let after: Vec<_> =
            snapshot(&room.root()).into_iter().map(|(path, seen)| (path, seen.what)).collect();
        assert_eq!(after, before);
        assert_eq!(installed(&room), "2");
        assert!(room.runs());
        // The older build is not at fault: whatever leads to it next is not refused.
        let product = refit_names::ProductName::parse("site").unwrap();
        assert_eq!(room.journal().quarantined(&product).unwrap(), BTreeMap::new());
    }
}

/// The pack's own way to quiesce the product: each word ends in `words`, with the build whose program said it.
fn own_steps(words: &Path) -> Value {
    let say = |word: &str| json!(["./program", words, word]);
    let seen = |word: &str| {
        let look = format!("grep -oE 'drain|resume' \"$0\" | tail -n 1 | grep -q {word}");
        json!({"command": {"run": ["sh", "-c", look, words]}})
    };
    let script =
        |run: &str, undo: &str| json!({"script.run": {"run": say(run), "undo": say(undo)}});
    let held = json!({"start": say("let-go"), "stop": say("hold"), "status": ["sh", "-c", "grep -E 'hold|let-go' \"$0\" | tail -n 1 | grep -q hold && exit 3; true", words]});
    json!([
        {"id": "stage", "phase": "stage", "do": {"install.stage": {}}},
        {"id": "asked", "phase": "before", "do": {"check.command": {"run": say("asked")}}},
        {"id": "register", "phase": "before", "do": script("register", "unregister")},
        {"id": "drain", "phase": "protect", "do": {"cluster.drain": {"drain": say("drain"), "resume": say("resume"),
            "drained": seen("drain"), "resumed": seen("resume")}}},
        {"id": "close", "phase": "protect", "do": {"traffic.close": {"close": say("close"), "open": say("open")}}},
        {"id": "hold", "phase": "protect", "do": {"service.hold": {"commands": {"scanner": held}}}},
        {"id": "remove", "phase": "protect", "do": {"service.stop": {}}},
        {"id": "backup", "phase": "protect", "do": {"backup.take": {}}},
        {"id": "link", "phase": "install", "do": script("link", "unlink")},
        {"id": "switch", "phase": "install", "do": {"install.switch": {}}},
        {"id": "warm", "phase": "install", "do": script("warm", "cool")},
        {"id": "seal", "phase": "install", "do": script("seal", "unseal")},
        {"id": "migrate", "phase": "install", "do": {"database.migrate": {"run": say("migrate")}}},
        {"id": "start", "phase": "after", "do": {"service.start": {"ready": {"command": {"run": say("ready")}}}}},
        {"id": "answers", "phase": "after", "do": {"test": {"name": "answers", "probe": {"command": {"run": say("test")}}}}},
        {"id": "announce", "phase": "after", "do": script("announce", "conceal")},
        {"id": "back", "phase": "after", "do": {"cluster.resume": {}}},
        {"id": "open", "phase": "finish", "do": {"traffic.open": {"open": say("open")}}},
    ])
}

#[test]
fn pack_closes_drains_and_holds_on_the_way_back_too_its_scripts_are_taken_back_and_nothing_asks_for_its_build()
 {
    let says = |build| format!("#!/bin/sh\necho {build} \"$2\" >> \"$1\"\n").into_bytes().leak();
    let tree = |build| -> Tree { vec![("program", Has::File(0o755, says(build)))] };
    let mut room = Room::new(&[("1", tree("1")), ("2", tree("2"))], Value::Null);
    let words = room.folder.path().join("words");
    fs::write(&words, "").unwrap();
    room.steps = own_steps(&words);
    let down = ["./program", &words.display().to_string(), "down"];
    room.uninstall = json!({"allowed": "last-pack", "data": "keep", "down": down});
    let (layout, one) = (Layout::new(&room.root()), BuildId::parse("1").unwrap());
    lay(&tree("1"), &layout.release(&one));
    layout.point_at(&one).unwrap();
    assert!(matches!(room.upgrade("r"), OrderOutcome::Succeeded { .. }));
    fs::write(&words, "").unwrap();
    let outcome = remove(&room).unwrap();
    assert!(matches!(outcome, OrderOutcome::Succeeded { .. }), "{outcome:?}");
    assert_eq!((installed(&room), room.runs()), ("1".to_owned(), true));
    let said = fs::read_to_string(&words).unwrap();
    let said: Vec<&str> = said.lines().collect();
    let expected = [
        "asked",
        "conceal",
        "drain",
        "close",
        "hold",
        "unseal",
        "cool",
        "down",
        "unlink",
        "resume",
        "unregister",
        "open",
        "let-go",
    ];
    assert_eq!(said, expected.map(|word| format!("2 {word}")));
}

#[test]
fn what_cannot_be_removed_is_refused_with_its_reason() {
    let switch = &both()[0];
    let says = |room: &Room, part: &str| {
        let error = remove(room).unwrap_err();
        assert!(error.contains(part), "{part}: {error}");
    };
    says(&upgraded(switch, Value::Null), "promises nothing");
    says(
        &upgraded(switch, json!({"allowed": "never", "because": "the format changed"})),
        "the format changed",
    );
    let refuses = upgraded(switch, json!({"allowed": "last-pack", "data": "refuse"}));
    fs::write(refuses.root().join("data/rows"), "written since").unwrap();
    says(&refuses, "data was written since");
    let gone = upgraded(switch, json!({"allowed": "last-pack"}));
    fs::remove_dir_all(gone.state().join("backups")).unwrap();
    says(&gone, "backup that was taken before it is gone");
    let later = upgraded(switch, json!({"allowed": "last-pack"}));
    let layout = Layout::new(&later.root());
    lay(&tree(b"three"), &layout.release(&BuildId::parse("3").unwrap()));
    layout.point_at(&BuildId::parse("3").unwrap()).unwrap();
    says(&later, "3 is installed now");
    let undo = upgraded(&both()[1], json!({"allowed": "last-pack"}));
    fs::remove_dir_all(undo.root().join(".refit/site/2/old")).unwrap();
    let outcome = remove(&undo).unwrap();
    let OrderOutcome::RolledBack { cause, .. } = outcome else { panic!("{outcome:?}") };
    assert!(cause.text.contains("undo set"), "{cause:?}");
    assert_eq!(installed(&undo), "2");
}

#[test]
fn what_the_product_writes_until_it_stops_counts_where_the_pack_refuses_to_lose_it() {
    let refuses = json!({"allowed": "last-pack", "data": "refuse"});
    let quiet = upgraded(&both()[0], refuses.clone());
    assert!(matches!(remove(&quiet).unwrap(), OrderOutcome::Succeeded { .. }));
    let mut late = upgraded(&both()[0], refuses);
    let last_words = ["sh", "-c", "echo late >> \"$REFIT_ROOT/data/rows\""];
    let close = json!({"id": "close", "phase": "protect",
        "do": {"traffic.close": {"close": last_words, "open": ["true"]}}});
    late.steps.as_array_mut().unwrap().insert(1, close);
    let outcome = remove(&late).unwrap();
    let OrderOutcome::RolledBack { cause, .. } = outcome else { panic!("{outcome:?}") };
    assert!(cause.text.contains("data was written since"), "{cause:?}");
    assert_eq!((installed(&late), late.runs()), ("2".to_owned(), true));
    assert_eq!(fs::read(late.root().join("data/rows")).unwrap(), b"beforelate\n");
}

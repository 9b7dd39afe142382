//! Debian packages on a system of their own: an overlay over this machine's files, in which dpkg and apt may do what they like.

#[path = "installs/room.rs"]
#[expect(dead_code, reason = "other tests look at folders")]
mod room;

use refit_host::{engine::EngineError, layout::Layout};
use refit_journal::{Cause, OrderOutcome};
use refit_names::Digest;
use room::{Has, Room};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env, fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Set inside of the overlay; the machine itself must never be changed.
const INSIDE: &str = "REFIT_TEST_INSIDE";
/// Runs the test `$1` of the program `$2` on an overlay in `$3`.
const OVERLAY: &str = r#"set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$3/upper,workdir=$3/work" "$3/root"
mount -t proc proc "$3/root/proc"
mount --rbind /dev "$3/root/dev"
mount -t tmpfs tmpfs "$3/root/run"
mkdir -p "$3/root$3/empty"
cp "$2" "$3/root/refit-test"
exec chroot "$3/root" /refit-test --exact "$1" --nocapture --test-threads 1"#;

/// Runs the test on a system of its own; says loudly when that cannot be had.
#[expect(clippy::print_stderr, reason = "what is left out is said")]
fn on_own_system(test: &str, body: fn()) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    for part in ["upper", "work", "root"] {
        fs::create_dir(scratch.path().join(part)).unwrap();
    }
    let own = env::current_exe().unwrap();
    let may = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) || !Path::new("/usr/bin/dpkg").exists() {
        let text = "needs root, the right to mount, and a Debian system";
        eprintln!("SKIPPED {test}: {text}");
        assert!(env::var_os("CI").is_none(), "{test} must run in CI");
        return;
    }
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", OVERLAY, "sh", test]);
    let ended = inside.arg(own).arg(scratch.path()).env(INSIDE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned()
        + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
}

fn run(words: &[&str]) -> String {
    let ended = Command::new(words[0]).args(&words[1..]).env("LC_ALL", "C").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned()
        + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{words:?}: {said}");
    said
}

/// A package with files, one configuration file and a script that runs when it is configured.
fn deb(name: &str, version: &str, fields: &str, files: &[(&str, &str)], postinst: &str) -> PathBuf {
    let tree = PathBuf::from(format!("/srv/make/{name}-{version}"));
    for (path, content) in files {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let control = tree.join("DEBIAN");
    fs::create_dir_all(&control).unwrap();
    let arch = if fields.contains("Architecture") { "" } else { "Architecture: all\n" };
    let text = format!(
        "Package: {name}\nVersion: {version}\n{arch}{fields}Maintainer: owner <owner@example.org>\nDescription: test\n"
    );
    fs::write(control.join("control"), text).unwrap();
    let conf = files.iter().filter(|(path, _)| path.starts_with("etc/"));
    fs::write(
        control.join("conffiles"),
        conf.map(|(path, _)| format!("/{path}\n")).collect::<String>(),
    )
    .unwrap();
    fs::write(control.join("postinst"), format!("#!/bin/sh\nset -e\n{postinst}\nexit 0\n"))
        .unwrap();
    fs::set_permissions(control.join("postinst"), fs::Permissions::from_mode(0o755)).unwrap();
    let file = PathBuf::from(format!("/srv/make/{name}_{version}.deb"));
    run(&[
        "dpkg-deb",
        "--root-owner-group",
        "--build",
        tree.to_str().unwrap(),
        file.to_str().unwrap(),
    ]);
    file
}

const SCRIPT: &str = r#"mkdir -p /var/lib/refit-tiny
update-alternatives --quiet --install /usr/bin/refit-any refit-any /usr/bin/refit-tiny 10
echo "version $2 then $(dpkg-query --show --showformat '${Version}' refit-tiny)" >> /var/lib/refit-tiny/log
if [ -x /usr/sbin/policy-rc.d ]; then /usr/sbin/policy-rc.d refit-tiny start || echo "policy $?" >> /var/lib/refit-tiny/log; fi
while [ -e /srv/slow ]; do touch /srv/is-slow; sleep 0.05; done
[ ! -e /srv/fail ] || { echo the script fails >&2; exit 1; }"#;

/// Version 1 is installed; the pack carries version 2 and a package that comes with it.
fn host(last: &str) -> Room {
    let old = deb(
        "refit-tiny",
        "1",
        "",
        &[
            ("usr/bin/refit-tiny", "one"),
            ("usr/share/refit-tiny/data", "one"),
            ("usr/share/refit-tiny/gone/deep", "gone"),
            ("etc/refit-tiny.conf", "a=1\n"),
            ("etc/refit-tiny.d/plain", "p=1\n"),
        ],
        SCRIPT,
    );
    run(&["dpkg", "--install", old.to_str().unwrap()]);
    let new = deb(
        "refit-tiny",
        "2",
        "",
        &[
            ("usr/bin/refit-tiny", "two"),
            ("usr/share/refit-tiny/data", "two"),
            ("usr/share/refit-tiny/added/deep", "added"),
            ("etc/refit-tiny.conf", "a=2\n"),
            ("etc/refit-tiny.d/plain", "p=2\n"),
        ],
        SCRIPT,
    );
    let more = deb(
        "refit-more",
        "1",
        "Depends: refit-tiny (>= 2)\n",
        &[("usr/share/refit-more/x", "x"), ("etc/refit-more", "m\n")],
        "adduser --quiet --system refit-more 2>/dev/null || useradd --system refit-more || true",
    );
    fs::write("/etc/refit-tiny.conf", "a=local\n").unwrap();
    carrying(&[new, more], last)
}

fn carrying(debs: &[PathBuf], last: &str) -> Room {
    let mut tree = vec![("debs", Has::Folder(0o755))];
    for deb in debs {
        let name = format!("debs/{}", deb.file_name().unwrap().to_str().unwrap());
        let content: &'static [u8] = fs::read(deb).unwrap().leak();
        tree.push((name.leak(), Has::File(0o644, content)));
    }
    let mut room = Room::new(
        &[("1", vec![]), ("2", tree)],
        steps(last, &json!({"hold_services": true, "also": ["/var/lib/refit-tiny"]})),
    );
    room.config = json!({"package": "refit-tiny"});
    room
}

fn steps(last: &str, terms: &Value) -> Value {
    json!([
        {"id": "stage", "phase": "stage", "do": {"install.stage": {}}},
        {"id": "build", "phase": "before", "do": {"check.build": {}}},
        {"id": "stop", "phase": "protect", "do": {"service.stop": {}}},
        {"id": "backup", "phase": "protect", "do": {"backup.take": {}}},
        {"id": "install", "phase": "install", "timeout_ms": 120_000, "do": {"install.packages": terms}},
        {"id": "start", "phase": "after", "do": {"service.start": {}}},
        {"id": "build-after", "phase": "after", "do": {"check.build": {}}},
        {"id": "last", "phase": "after", "do": {"check.command": {"run": ["sh", "-c", last]}}},
    ])
}

/// Everything that packages change, with rights, owner, time and content.
fn system() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let tops = [
        "/etc",
        "/usr/bin",
        "/usr/sbin",
        "/usr/share/refit-tiny",
        "/usr/share/refit-more",
        "/var/lib/dpkg",
        "/var/lib/refit-tiny",
        "/var/lib/systemd",
    ];
    let mut open: Vec<PathBuf> = tops.map(PathBuf::from).into();
    while let Some(path) = open.pop() {
        let Ok(seen) = fs::symlink_metadata(&path) else { continue };
        let rights = format!("{:o} {}:{}", seen.mode(), seen.uid(), seen.gid());
        let what = if seen.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            format!("folder {rights}")
        } else if seen.is_symlink() {
            format!("link {}", fs::read_link(&path).unwrap().display())
        } else {
            format!(
                "file {rights} {}.{} {}",
                seen.mtime(),
                seen.mtime_nsec(),
                Digest::of(&fs::read(&path).unwrap())
            )
        };
        found.insert(path, what);
    }
    found
}

fn assert_same(before: &BTreeMap<PathBuf, String>) {
    let after = system();
    let differs = |(path, what): &(&PathBuf, &String)| after.get(*path) != Some(what);
    let changed: Vec<_> = before.iter().filter(differs).collect();
    let added: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
    assert!(changed.is_empty() && added.is_empty(), "changed {changed:#?}\nadded {added:#?}");
}

fn why(outcome: OrderOutcome) -> Cause {
    match outcome {
        OrderOutcome::RolledBack { cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}

fn version(package: &str) -> String {
    run(&["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}${Version}", package])
}

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap()
}

fn assert_new() {
    assert_eq!((version("refit-tiny"), version("refit-more")), ("ii 2".into(), "ii 1".into()));
    assert_eq!(read("/usr/bin/refit-any"), "two");
    // Changed here, so it stays; the other one is the new one.
    assert_eq!(
        (read("/etc/refit-tiny.conf"), read("/etc/refit-tiny.d/plain")),
        ("a=local\n".into(), "p=2\n".into())
    );
    assert!(!Path::new("/usr/share/refit-tiny/gone").exists());
    assert!(!fs::read_to_string("/usr/sbin/policy-rc.d").unwrap_or_default().contains("Refit"));
}

#[test]
fn carried_packages_are_installed_without_a_network_and_local_configuration_stays() {
    on_own_system(
        "carried_packages_are_installed_without_a_network_and_local_configuration_stays",
        || {
            let room = host("true");
            let engine = room.engine(room.journal(), "r");
            engine.stage(&|_| ()).unwrap();
            let values = engine.preflight().unwrap();
            let carried = values.iter().find(|value| value.what == "carried packages").unwrap();
            assert!(
                carried.ok && carried.found.starts_with("2 packages to install"),
                "{carried:?}"
            );
            let outcome = room.finish(&engine).unwrap();
            assert!(matches!(outcome, OrderOutcome::Succeeded { .. }), "{outcome:?}");
            assert_new();
            assert!(read("/var/lib/refit-tiny/log").ends_with("version 1 then 2\npolicy 101\n"));
            assert_eq!(Layout::of(&room.product()).installed().unwrap().unwrap().as_str(), "2");
        },
    );
}

#[test]
fn what_is_taken_back_is_the_system_of_before_byte_for_byte() {
    on_own_system("what_is_taken_back_is_the_system_of_before_byte_for_byte", || {
        let room = host("echo no longer well >&2; exit 1");
        let before = system();
        let cause = why(room.upgrade("r"));
        assert!(cause.text.contains("no longer well"), "{cause:?}");
        assert_same(&before);
        // A package's own script fails: dpkg stops half-way.
        fs::write("/srv/fail", "").unwrap();
        let cause = why(room.upgrade("second"));
        assert!(cause.text.contains("the script fails"), "{cause:?}");
        assert_same(&before);
        assert_eq!(Layout::of(&room.product()).installed().unwrap().unwrap().as_str(), "1");
        fs::remove_file("/srv/fail").unwrap();
        let again =
            Room { steps: steps("true", &json!({"also": ["/var/lib/refit-tiny"]})), ..room };
        assert!(matches!(again.upgrade("third"), OrderOutcome::Succeeded { .. }));
        assert_new();
    });
}

/// Runs as a process of its own, which is killed: the agent.
#[test]
fn agent_that_is_killed() {
    if let Some(folder) = env::var_os("REFIT_TEST_AGENT") {
        let last = env::var("REFIT_TEST_LAST").unwrap();
        let debs =
            [PathBuf::from("/srv/make/refit-tiny_2.deb"), "/srv/make/refit-more_1.deb".into()];
        let mut room = carrying(&debs, &last);
        room.at = Some(folder.into());
        room.upgrade("r");
    }
}

#[test]
fn killed_while_dpkg_works_it_goes_forward_or_ends_on_the_system_of_before() {
    on_own_system(
        "killed_while_dpkg_works_it_goes_forward_or_ends_on_the_system_of_before",
        || {
            for last in ["false", "true"] {
                let mut room = host(last);
                room.at = Some(room.folder.path().to_owned());
                let before = system();
                fs::write("/srv/slow", "").unwrap();
                let mut agent = Command::new("/refit-test");
                agent.args(["--exact", "agent_that_is_killed"]).stdout(Stdio::null());
                agent.env("REFIT_TEST_AGENT", room.folder.path()).env("REFIT_TEST_LAST", last);
                let mut agent = agent.spawn().unwrap();
                wait_for("the package's script", || Path::new("/srv/is-slow").exists());
                agent.kill().unwrap();
                agent.wait().unwrap();
                fs::remove_file("/srv/slow").unwrap();
                fs::remove_file("/srv/is-slow").unwrap();
                // What the dead agent started is ended first, then the fold goes on.
                let engine = room.engine(room.journal(), "r");
                let outcome = room.finish(&engine).unwrap();
                if last == "true" {
                    assert!(matches!(outcome, OrderOutcome::Succeeded { .. }), "{outcome:?}");
                    assert_new();
                } else {
                    why(outcome);
                    assert_same(&before);
                }
            }
        },
    );
}

#[test]
fn what_cannot_work_is_refused_before_the_window_with_its_reason() {
    on_own_system("what_cannot_work_is_refused_before_the_window_with_its_reason", || {
        let stage = |room: &Room| match room.engine(room.journal(), "r").stage(&|_| ()) {
            Err(EngineError::Step { cause, .. }) => cause,
            other => panic!("{other:?}"),
        };
        drop(host("true"));
        let before = system();
        let needy = deb("refit-needy", "1", "Depends: refit-nowhere\n", &[], "");
        let cause = stage(&carrying(&[needy], "true"));
        assert!(
            cause.code == "host.packages-unfit" && cause.text.contains("refit-nowhere"),
            "{cause:?}"
        );
        let foreign = deb("refit-foreign", "1", "Architecture: s390x\n", &[], "");
        let cause = stage(&carrying(&[foreign], "true"));
        assert!(cause.text.contains("refit-foreign 1 is of s390x, expected"), "{cause:?}");
        assert_same(&before);

        // Somebody else installs, and does not come to an end.
        fs::write("/srv/slow", "").unwrap();
        let other = deb("refit-other", "1", "", &[], SCRIPT);
        let mut dpkg = Command::new("dpkg");
        let mut dpkg = dpkg.arg("--install").arg(&other).stdout(Stdio::null()).spawn().unwrap();
        wait_for("the package's script", || Path::new("/srv/is-slow").exists());
        let mut room = host_without_install("true");
        room.steps[4]["timeout_ms"] = json!(200);
        let cause = stage(&room);
        assert_eq!(cause.code, "host.packages-broken", "{cause:?}");
        fs::write("/srv/fail", "").unwrap();
        fs::remove_file("/srv/slow").unwrap();
        assert!(!dpkg.wait().unwrap().success());
        let cause = stage(&room);
        assert!(
            cause.code == "host.packages-broken"
                && cause.text.contains("refit-other 1 (half configured)"),
            "{cause:?}"
        );
    });
}

fn host_without_install(last: &str) -> Room {
    let debs = [PathBuf::from("/srv/make/refit-tiny_2.deb"), "/srv/make/refit-more_1.deb".into()];
    carrying(&debs, last)
}

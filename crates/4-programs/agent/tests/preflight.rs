//! `refit-agent preflight`: alone on a host that was never enrolled, for folders and files; nothing is changed by it.

use refit_forge::{pack, pack_file};
use refit_protocol::preflight::{CheckVerdict, Preflight, PreflightCheck};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

const MANIFEST: &str = "format: refit.pack/1\nproduct: clock\nfrom: [1000]\nto: 1100\nkind: service-pack\ntitle: Clock 1100\nreadme: README.md\npayload: payload\nrunbook: runbook.yaml\nunit:\n  data: [data]\n";

const HEAD: &str = "format: refit.runbook/1\nname: clock\nversion: 3\nparameters:\n  word: {type: text, about: a word that nobody may see, secret: true}\n";
const TAIL: &str =
    "rollback: {method: switch-and-restore, trigger: failure, deadline_ms: 1000, owner: owner}\n";
const USUAL: &str = "steps:
  - {id: disk, phase: stage, do: {check.disk: {percent_of_product: 100}}}
  - {id: stage, phase: stage, do: {install.stage: {}}}
  - {id: load, phase: before, severity: advisory, remedy: come back at night, do: {check.command: {run: [echo, '97'], at_most: 50}}}
  - {id: own-program, phase: before, do: {check.command: {run: [bin/look]}}}
  - {id: gone, phase: before, do: {check.processes-gone: {wait_ms: 60000, end: true}}}
";

/// A host with build 1000 of `clock`, whose service is stopped, and a pack to 1100.
struct Host(tempfile::TempDir);

impl Host {
    fn new(steps: &str) -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        let (root, pack) = (host.path("srv"), host.path("pack"));
        for folder in [
            root.join("releases/1000"),
            root.join("data"),
            host.path("state"),
            pack.join("payload"),
        ] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(root.join("releases/1000/about"), "1000").unwrap();
        fs::write(root.join("data/notes"), "kept").unwrap();
        symlink("releases/1000", root.join("current")).unwrap();
        fs::write(pack.join("pack.yaml"), MANIFEST).unwrap();
        fs::write(pack.join("README.md"), "# Clock\n").unwrap();
        fs::write(pack.join("payload/about"), "1100").unwrap();
        fs::write(pack.join("runbook.yaml"), format!("{HEAD}{steps}{TAIL}")).unwrap();
        let (yes, stopped) = ("[\"/bin/true\"]", "[\"/bin/sh\", \"-c\", \"exit 3\"]");
        let config = format!(
            "[[product]]\nname = \"clock\"\nroot = \"{}\"\n[product.secrets]\nword = \"hunter2hunter2\"\n[product.service]\nkind = \"commands\"\nstart = {yes}\nstop = {yes}\nstatus = {stopped}\n",
            root.display()
        );
        fs::write(host.path("agent.toml"), config).unwrap();
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ask(&self, pack: &Path, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit-agent"));
        command.arg("preflight").arg(pack).args(more);
        command.arg("--state").arg(self.path("state")).arg("--config").arg(self.path("agent.toml"));
        command.output().unwrap()
    }

    fn found(&self, pack: &Path) -> (Option<i32>, Preflight) {
        let output = self.ask(pack, &["--json", "--no-wait"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8(output.stdout).unwrap();
        let found = serde_json::from_str(&text);
        (output.status.code(), found.unwrap_or_else(|error| panic!("{error}: {text} {said}")))
    }

    /// What runs from the product's folder although nobody should.
    fn leftover(&self) -> Child {
        let mut command = Command::new("sleep");
        command.arg("600").current_dir(self.path("srv/data")).stdin(Stdio::null());
        let child = command.spawn().unwrap();
        let (link, there) = (format!("/proc/{}/exe", child.id()), Instant::now());
        while !fs::read_link(&link).is_ok_and(|exe| {
            exe.to_string_lossy().contains("sleep") || exe.to_string_lossy().contains("coreutils")
        }) {
            assert!(there.elapsed() < Duration::from_secs(10), "sleep does not begin");
            thread::sleep(Duration::from_millis(5));
        }
        child
    }
}

/// Everything below a folder: name, kind, mode, owner, times of change, content.
fn picture(top: &Path) -> BTreeMap<PathBuf, String> {
    let (mut seen, mut open) = (BTreeMap::new(), vec![top.to_owned()]);
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let mut text =
            format!("{:o} {} {}.{}", meta.mode(), meta.uid(), meta.mtime(), meta.mtime_nsec());
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if meta.is_file() {
            text.push_str(&format!(" {:?}", fs::read(&path).unwrap()));
        }
        seen.insert(path, text);
    }
    seen
}

fn one<'a>(found: &'a Preflight, check: &str) -> &'a PreflightCheck {
    let fits = |row: &&PreflightCheck| row.check.contains(check);
    found.checks.iter().find(fits).unwrap_or_else(|| panic!("no {check} in {:#?}", found.checks))
}

#[test]
fn every_check_is_measured_with_limit_and_remedy_and_nothing_is_changed() {
    let host = Host::new(USUAL);
    let before = picture(host.0.path());
    let (code, found) = host.found(&host.path("pack"));
    assert_eq!(picture(host.0.path()), before);
    // The service is stopped; that alone stands in the way.
    let failed: Vec<&str> = found.failed().map(|check| check.check.as_str()).collect();
    assert_eq!((code, failed), (Some(7), vec!["service"]), "{:#?}", found.checks);
    let room = one(&found, "free space of the volume of");
    assert_eq!(room.verdict, CheckVerdict::Ok);
    assert!(
        room.limit.contains(" = ") && room.limit.contains("100 % of the product's"),
        "{room:?}"
    );
    let load = one(&found, "`echo 97`");
    assert_eq!((load.verdict, load.measured.as_str()), (CheckVerdict::Advisory, "97"));
    assert!(load.limit == "at most 50" && load.remedy.contains("come back at night"), "{load:?}");
    assert_eq!(one(&found, "bin/look").verdict, CheckVerdict::Later);
    assert_eq!(one(&found, "installed build").measured, "1000");
}

#[test]
fn leftover_is_named_with_pid_command_and_user_and_never_ended() {
    let host = Host::new(USUAL);
    let mut leftover = host.leftover();
    let before = picture(host.0.path());
    let (code, found) = host.found(&host.path("pack"));
    assert_eq!(picture(host.0.path()), before);
    let gone = one(&found, "processes that run from");
    let named = format!("pid {} `sleep 600` of ", leftover.id());
    assert!(gone.verdict == CheckVerdict::Failed && gone.measured.contains(&named), "{gone:?}");
    assert!(!gone.remedy.is_empty());
    let held = one(&found, &format!("who holds {}", host.path("srv/data").display()));
    assert!(held.measured.contains(&named) && held.measured.contains("stands in"), "{held:?}");
    assert_eq!(code, Some(7));
    // The runbook says `end: true`; a preflight does not.
    assert!(leftover.try_wait().unwrap().is_none());
    // Waited for: it ends in the middle of the wait, and is no fault then.
    let (waits, ends) = (host.path("pack"), Instant::now());
    thread::scope(|scope| {
        let output = scope.spawn(|| host.ask(&waits, &[]));
        thread::sleep(Duration::from_millis(300));
        leftover.kill().unwrap();
        leftover.wait().unwrap();
        let said = output.join().unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(!said.contains("processes that run"), "{said}");
    });
    assert!(ends.elapsed() < Duration::from_secs(30));
}

#[test]
fn single_file_says_the_same_as_its_folder_and_no_secret_is_shown() {
    let steps = "steps:
  - {id: stage, phase: stage, do: {install.stage: {}}}
  - {id: told, phase: before, do: {check.command: {run: [sh, -c, 'echo word is $REFIT_PARAM_WORD; exit 4']}}}
  - {id: number, phase: before, do: {check.command: {run: [printenv, REFIT_PARAM_WORD], at_most: 3}}}
";
    let host = Host::new(steps);
    let file = host.path("clock-1100.refit");
    pack_file::write(&pack::build(&host.path("pack")).unwrap(), &file, None).unwrap();
    let ((a, folder), (b, single)) = (host.found(&host.path("pack")), host.found(&file));
    // Others use the volume too.
    let fixed = |found: Preflight| -> Vec<(String, CheckVerdict, String)> {
        found.checks.into_iter().map(|row| (row.check, row.verdict, row.limit)).collect()
    };
    assert_eq!((a, fixed(folder)), (b, fixed(single)));
    let output = host.ask(&file, &[]);
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(told.contains("word is") && told.contains("error[preflight.failed]"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    assert!(told.contains("CHECK") && told.contains("REMEDY"), "{told}");
}

#[test]
fn faults_of_the_pack_are_told_all_at_once_with_line_and_what_was_meant() {
    let steps = "steps:
  - {id: stage, phase: stage, do: {install.stage: {}}}
  - {id: a, phase: before, do: {check.dsk: {}}}
  - {id: b, phase: before, retrys: 2, do: {check.clock: {skew: 5}}}
";
    let host = Host::new(steps);
    let output = host.ask(&host.path("pack"), &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in
        ["error[runbook.shape]", "runbook.yaml", "check.disk", "retries", "skew_ms", "line 9"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let missing = host.ask(Path::new("clock@"), &[]);
    assert_eq!(missing.status.code(), Some(3));
    fs::write(host.path("x.refit"), "REFIT-PACK/2\nand more than that").unwrap();
    let other = host.ask(&host.path("x.refit"), &[]);
    assert!(String::from_utf8_lossy(&other.stderr).contains("does not begin with"), "{other:?}");
}

#[test]
fn build_that_was_taken_back_and_wrong_start_are_told() {
    let host = Host::new(USUAL);
    let log = refit_host::journal::Journal::open(&host.path("state")).unwrap();
    let (product, build) = ("clock".parse().unwrap(), "1100".parse().unwrap());
    refit_host::journal::StepLog::quarantine(&log, &product, &build, "it lost rows").unwrap();
    // While an agent runs.
    assert_eq!(one(&host.found(&host.path("pack")).1, "quarantine").measured, "it lost rows");
    drop(log);
    let before = picture(host.0.path());
    fs::rename(host.path("srv/releases/1000"), host.path("srv/releases/900")).unwrap();
    fs::remove_file(host.path("srv/current")).unwrap();
    symlink("releases/900", host.path("srv/current")).unwrap();
    let (code, found) = host.found(&host.path("pack"));
    let start = one(&found, "installed build");
    assert_eq!(
        (start.verdict, start.measured.as_str(), start.limit.as_str()),
        (CheckVerdict::Failed, "900", "1000")
    );
    assert_eq!(one(&found, "quarantine").measured, "it lost rows");
    assert_eq!(code, Some(7));
    // No lock, no log of changes, nothing new beside the journal.
    let state = |seen: &BTreeMap<PathBuf, String>| -> Vec<String> {
        seen.iter()
            .filter(|(path, _)| path.starts_with(host.path("state")))
            .map(|(path, text)| format!("{path:?} {text}"))
            .collect()
    };
    assert_eq!(state(&picture(host.0.path())), state(&before));
}

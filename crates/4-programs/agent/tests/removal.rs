//! `refit-agent uninstall`: the program itself, on a host whose last pack an order installed.

use refit_ambient::Ambient;
use refit_forge::pack;
use refit_host::{
    engine::{Engine, EngineInput, LegGate, RunEnd, StageRelease},
    error::StepError,
    journal::Journal,
    machine::Machine,
    product::ProductConfig,
};
use refit_journal::{Cause, OrderOutcome};
use refit_names::Digest;
use refit_packs::record::PackRecord;
use refit_plan::Order;
use serde_json::json;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

const MANIFEST: &str = "format: refit.pack/1\nproduct: clock\nfrom: [1000]\nto: 1100\nkind: service-pack\ntitle: Clock 1100\n\
    readme: README.md\npayload: payload\nrunbook: runbook.yaml\nunit:\n  data: [data]\nuninstall: { allowed: last-pack, data: keep }\n";
const RUNBOOK: &str = "format: refit.runbook/1\nname: clock\nversion: 1\nsteps:
  - {id: stage, phase: stage, do: {install.stage: {}}}
  - {id: stop, phase: protect, do: {service.stop: {}}}
  - {id: backup, phase: protect, do: {backup.take: {}}}
  - {id: switch, phase: install, do: {install.switch: {}}}
  - {id: start, phase: after, do: {service.start: {}}}
rollback: {method: switch-and-restore, trigger: failure, deadline_ms: 1000, owner: owner}
";

/// A host on build 1100, which came over 1000 by an order of rollout `spring`.
struct Host(tempfile::TempDir);

impl Host {
    fn upgraded() -> Self {
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
        fs::write(host.path("runs"), "").unwrap();
        symlink("releases/1000", root.join("current")).unwrap();
        fs::write(pack.join("pack.yaml"), MANIFEST).unwrap();
        fs::write(pack.join("README.md"), "# Clock\n").unwrap();
        fs::write(pack.join("payload/about"), "1100").unwrap();
        fs::write(pack.join("runbook.yaml"), RUNBOOK).unwrap();
        host.install();
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// As the agent does with an order; its files lie where the agent keeps them.
    fn install(&self) {
        let built = pack::build(&self.path("pack")).unwrap();
        let text = built.record_json();
        let digest = Digest::of(text);
        let order: Order = serde_json::from_value(json!({
            "key": {"rollout": "spring", "generation": 1}, "plan": digest, "host": "h1", "product": "clock",
            "legs": [{"from": "1000", "pack": {"to": "1100", "record": "packs/clock/1100/record.json", "digest": digest, "size": text.len()}}],
            "parameters": {},
        }))
        .unwrap();
        let (orders, state) = (self.path("state/orders"), self.path("state"));
        fs::create_dir_all(orders.join("spring-1/records")).unwrap();
        fs::write(
            orders.join("seen.json"),
            json!({"spring": {"generation": 1, "plan": digest}}).to_string(),
        )
        .unwrap();
        fs::write(orders.join("spring-1/order.json"), serde_json::to_vec(&order).unwrap()).unwrap();
        fs::write(orders.join("spring-1/records/0.json"), text).unwrap();
        let runs = self.path("runs").display().to_string();
        let service = json!({"kind": "commands", "start": ["touch", runs], "stop": ["rm", "-f", runs],
            "status": ["sh", "-c", "test -e \"$0\" || exit 3", runs]});
        let product = json!({"name": "clock", "root": self.path("srv"), "service": service});
        let config = format!(
            "product = [{{ name = \"clock\", root = {root}, service = {{ kind = \"commands\", start = {start}, stop = {stop}, status = {status} }} }}]\n",
            root = product["root"],
            start = service["start"],
            stop = service["stop"],
            status = service["status"]
        );
        fs::write(self.path("agent.toml"), config).unwrap();
        let record: PackRecord = serde_json::from_slice(text).unwrap();
        let product: ProductConfig = serde_json::from_value(product).unwrap();
        let engine = Engine::open(EngineInput {
            others: Default::default(),
            order,
            records: vec![record],
            product,
            log: Arc::new(Journal::open(&state).unwrap()),
            state,
            releases: Arc::new(Payload(self.path("pack/payload"))),
            gate: Arc::new(Open),
            machine: Arc::new(NoMachine),
            clock: Ambient::system().clock,
        })
        .unwrap();
        engine.stage(&|_| ()).unwrap();
        let RunEnd::Finished { outcome, .. } = engine.run(&|_| ()).unwrap() else { panic!() };
        assert!(matches!(outcome, OrderOutcome::Succeeded { .. }), "{outcome:?}");
    }

    fn uninstall(&self, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit-agent"));
        command.args(["uninstall", "clock"]).args(more);
        // As a person types it: from where they stand.
        command.args(["--state", "state", "--config", "agent.toml"]).current_dir(self.0.path());
        command.output().unwrap()
    }

    fn runs_build(&self) -> String {
        assert!(self.path("runs").exists());
        fs::read_to_string(self.path("srv/current/about")).unwrap()
    }
}

struct Payload(PathBuf);

impl StageRelease for Payload {
    fn stage(&self, _: u32, _: &PackRecord, _: &[PathBuf], into: &Path) -> Result<String, Cause> {
        fs::create_dir_all(into).unwrap();
        fs::copy(self.0.join("about"), into.join("about")).unwrap();
        Ok("copied".to_owned())
    }
}

struct Open;

impl LegGate for Open {
    fn may_begin(&self, _: &Order, _: u32) -> Result<(), Cause> {
        Ok(())
    }
}

struct NoMachine;

impl Machine for NoMachine {
    fn boot_id(&self) -> Result<String, StepError> {
        Ok("boot".to_owned())
    }
    fn reboot(&self) -> Result<(), StepError> {
        Ok(())
    }
}

fn said(output: &Output) -> (Option<i32>, String) {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    (output.status.code(), format!("{out}{err}"))
}

#[test]
fn last_pack_is_shown_removed_and_then_there_is_none() {
    let host = Host::upgraded();
    fs::write(host.path("srv/data/notes"), "written since").unwrap();
    let (code, text) = said(&host.uninstall(&["--dry-run"]));
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("build 1100 is removed and build 1000 runs again"), "{text}");
    assert_eq!(host.runs_build(), "1100");
    // Nobody answers the question.
    let (code, text) = said(&host.uninstall(&[]));
    assert!(code != Some(0) && text.contains("was not `yes`"), "{text}");
    assert_eq!(host.runs_build(), "1100");
    let (code, text) = said(&host.uninstall(&["--build", "1000", "--yes"]));
    assert!(code == Some(7) && text.contains("build 1100 was installed after it"), "{text}");
    let (code, text) = said(&host.uninstall(&["--yes"]));
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(host.runs_build(), "1000");
    assert_eq!(fs::read(host.path("srv/data/notes")).unwrap(), b"written since");
    let (code, text) = said(&host.uninstall(&["--yes"]));
    assert!(code == Some(7) && text.contains("host.cannot-uninstall"), "{text}");
    assert!(
        text.contains("build `1000`") && text.contains("came back when a later pack was"),
        "{text}"
    );
    assert_eq!(host.runs_build(), "1000");
}

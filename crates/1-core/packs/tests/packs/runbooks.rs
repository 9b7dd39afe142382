use refit_names::ParameterName;
use refit_packs::runbook::{
    ParameterType, Runbook, default_for_plain_service, parse, resolve_parameters,
};
use std::collections::BTreeMap;

pub(crate) const GOOD: &str = "\
format: refit.runbook/1
name: ledger
version: 3
parameters:
  port: {type: port, about: where it listens}
  mode: {type: text, about: how it runs, default: normal}
steps:
  - {id: disk, phase: stage, do: {check.disk: {}}}
  - {id: stage, phase: stage, do: {install.stage: {}}}
  - id: alive
    phase: before
    do:
      test: {name: alive, probe: {http: {port: {param: port}, path: /health}}}
  - {id: close, phase: protect, do: {traffic.close: {close: [bin/ledger, close], open: [bin/ledger, open]}}}
  - {id: stop, phase: protect, do: {service.stop: {}}}
  - {id: backup, phase: protect, do: {backup.take: {}}}
  - {id: switch, phase: install, do: {install.switch: {}}}
  - {id: migrate, phase: install, do: {database.migrate: {run: [bin/ledger, migrate]}}, timeout_ms: 60000}
  - {id: start, phase: after, do: {service.start: {ready: {tcp: {port: {param: port}}}}}}
  - {id: open, phase: finish, do: {traffic.open: {open: [bin/ledger, open]}}}
rollback:
  method: switch-and-restore
  trigger: a mandatory step fails
  deadline_ms: 60000
  owner: owner
";

fn message_of(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the text has no {from:?}");
    parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string()
}

fn given(values: &[(&str, &str)]) -> BTreeMap<ParameterName, String> {
    values
        .iter()
        .map(|(name, value)| (ParameterName::parse(*name).unwrap(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_good_runbook_is_read_and_survives_json() {
    let runbook = parse(GOOD).unwrap();
    assert_eq!(runbook.steps.len(), 10);
    let json = serde_json::to_string(&runbook).unwrap();
    assert_eq!(serde_json::from_str::<Runbook>(&json).unwrap(), runbook);
}

#[test]
fn faults_of_shape_hide_no_broken_rule_of_another_step() {
    let text = GOOD
        .replace("{check.disk: {}}", "{check.dsik: {}}")
        .replace("id: stop,", "id: close,")
        .replace("tcp: {port: {param: port}}", "tcp: {port: {param: prot}}")
        .replace("[bin/ledger, migrate]}}", "[bin/ledger, migrate]}}, retires: 3")
        .replace("deadline_ms: 60000", "deadline_ms: soon");
    let faults: Vec<_> = parse(&text)
        .unwrap_err()
        .flaws()
        .iter()
        .map(|flaw| (flaw.line, flaw.field.clone(), flaw.found.clone()))
        .collect();
    let expected = [
        (8, "steps[0].do", "the unknown field `check.dsik` (did you mean `check.disk`?)"),
        (15, "steps[4].id", "`close` twice"),
        (18, "steps[7].retires", "the unknown field `retires` (did you mean `retries`?)"),
        (19, "steps[8].do", "`prot`"),
        (24, "rollback.deadline_ms", "`soon`"),
    ];
    let expected = expected.map(|(line, field, found)| (line, field.to_owned(), found.to_owned()));
    assert_eq!(faults, expected);
}

#[test]
fn the_default_runbook_obeys_its_own_rules() {
    let runbook = default_for_plain_service();
    let yaml = serde_json::to_string_pretty(&runbook).unwrap();
    assert_eq!(parse(&yaml).unwrap(), runbook);
    let kinds: Vec<_> = runbook.steps.iter().map(|step| step.kind.name()).collect();
    insta::assert_snapshot!(kinds.join("\n"));
}

#[test]
fn every_broken_rule_names_its_step() {
    let cases = [
        ("phase: protect, do: {service.stop", "phase: before, do: {service.stop"),
        ("id: stop", "id: stage"),
        ("{param: port}, path", "{param: prot}, path"),
        ("run: [bin/ledger, migrate]", "run: []"),
        ("run: [bin/ledger, migrate]", "run: [../bin/ledger]"),
        ("  - {id: backup, phase: protect, do: {backup.take: {}}}\n", ""),
        ("  - {id: stage, phase: stage, do: {install.stage: {}}}\n", ""),
        ("  - {id: switch, phase: install, do: {install.switch: {}}}\n", ""),
        (
            "  - {id: open, phase: finish",
            "  - {id: first, phase: finish, do: {traffic.open: {open: [x]}}}\n  - {id: open, phase: finish",
        ),
        ("phase: stage, do: {check.disk: {}}", "phase: stage, do: {service.stop: {}}"),
        ("do: {check.disk: {}}", "do: {check.dsk: {}}"),
        ("default: normal", "default: \"a\\u0007b\""),
        ("mode: {type", "p.ort: {type: port, about: x, default: '0'}\n  mode: {type"),
        (
            "port: {type: port, about: where it listens}",
            "a-b: {type: text, about: x}\n  a.b: {type: text, about: x}",
        ),
        ("timeout_ms: 60000", "timeout_ms: 0"),
        ("trigger: a mandatory step fails", "trigger: ''"),
        ("version: 3", "version: three"),
    ];
    let lines: Vec<String> = cases.iter().map(|(from, to)| message_of(from, to)).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn parameters_take_given_values_then_defaults() {
    let values = resolve_parameters(&parse(GOOD).unwrap(), &given(&[("port", "8080"), ("x", "y")]));
    assert_eq!(values, Ok(given(&[("port", "8080"), ("mode", "normal")])));
}

#[test]
fn all_parameter_problems_are_given_at_once_and_secrets_stay_secret() {
    let mut runbook = parse(GOOD).unwrap();
    let name = ParameterName::parse("key").unwrap();
    let mut secret = runbook.parameters.values().next().unwrap().clone();
    (secret.kind, secret.secret, secret.default) = (ParameterType::Integer, true, None);
    runbook.parameters.insert(name, secret);
    let error = resolve_parameters(&runbook, &given(&[("key", "hunter2"), ("mode", "a\nb")]));
    let error = error.unwrap_err();
    assert_eq!(error.problems.len(), 3);
    assert!(!error.to_string().contains("hunter2"));
    insta::assert_snapshot!(error.to_string());
}

#[test]
fn types_accept_only_their_values() {
    let cases = [
        (ParameterType::Port, "0", false),
        (ParameterType::Port, "65535", true),
        (ParameterType::Port, "65536", false),
        (ParameterType::Path, "srv", false),
        (ParameterType::Path, "/srv/../etc", false),
        (ParameterType::Path, "/srv/a", true),
        (ParameterType::Url, "postgresql://u@h/db", true),
        (ParameterType::Url, "h/db", false),
        (ParameterType::Integer, "-4", true),
        (ParameterType::Integer, "4.5", false),
    ];
    let mut runbook = parse(GOOD).unwrap();
    for (kind, value, right) in cases {
        let port = runbook.parameters.get_mut(&ParameterName::parse("port").unwrap()).unwrap();
        port.kind = kind;
        let found = resolve_parameters(&runbook, &given(&[("port", value)])).is_ok();
        assert_eq!(found, right, "{kind:?} {value}");
    }
}

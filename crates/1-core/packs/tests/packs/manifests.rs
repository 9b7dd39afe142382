use refit_names::Coded;
use refit_packs::manifest::{Manifest, ManifestError, parse};

pub(crate) const GOOD: &str = "\
format: refit.pack/1
product: ledger
from: [1000, '1050']
to: 1100
kind: service-pack
title: Ledger 1100
readme: README.md
payload: payload
web: web
unit:
  data: [data]
  databases:
    main: {engine: sqlite, path: data/ledger.db}
blocked:
  1050: loses the audit trail
known_issues:
  - {id: L-1, text: slow first start, action: warn, roles: [app]}
";

fn good() -> Manifest {
    parse(GOOD).unwrap()
}

fn error_of(from: &str, to: &str) -> ManifestError {
    assert!(GOOD.contains(from), "the text has no {from:?}");
    parse(&GOOD.replacen(from, to, 1)).unwrap_err()
}

#[test]
fn builds_that_look_like_numbers_stay_text() {
    let manifest = good();
    let from: Vec<_> = manifest.from.iter().map(ToString::to_string).collect();
    assert_eq!(from, ["1000", "1050"]);
    assert_eq!(parse(&GOOD.replace("to: 1100", "to: 4.10")).unwrap().to.as_str(), "4.10");
}

#[test]
fn a_manifest_survives_json() {
    let json = serde_json::to_string(&good()).unwrap();
    assert_eq!(serde_json::from_str::<Manifest>(&json).unwrap(), good());
}

#[test]
fn every_flaw_names_line_column_field_expected_and_found() {
    let cases = [
        ("to: 1100", "to: 1000"),
        ("from: [1000, '1050']", "from: []"),
        ("format: refit.pack/1", "format: refit.pack/9"),
        ("kind: service-pack", "kind: huge"),
        ("title: Ledger 1100\n", ""),
        ("title: Ledger 1100", "titel: Ledger 1100"),
        ("product: ledger", "product: led ger"),
        ("payload: payload", "payload: ../payload"),
        ("data: [data]", "data: [current/x]"),
        ("data: [data]", "data: {a: 1}"),
        ("1050: loses", "1051: loses"),
        ("engine: sqlite", "engine: oracle"),
        ("readme: README.md", "readme: README.md\nreadme: TWO.md"),
        ("readme: README.md", "readme: [README.md"),
    ];
    let lines: Vec<String> = cases
        .iter()
        .map(|(from, to)| {
            let error = error_of(from, to);
            format!("{}  <-  {}\n  {error}", error.code(), to.replace('\n', "\\n"))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_text_beyond_the_limit_is_refused_before_it_is_read() {
    let error = parse(&"#".repeat(300 << 10)).unwrap_err();
    assert_eq!(error.code(), "pack.manifest-shape");
    assert!(error.to_string().contains("at most 262144 bytes"), "{error}");
}

#[test]
fn all_faults_are_told_at_once_whether_of_shape_or_of_rules() {
    let text = GOOD
        .replace("title: Ledger 1100", "titel: ''")
        .replace("kind: service-pack", "kind: servicepack")
        .replace("1050: loses", "1051: loses")
        .replace("web: web", "web: /srv/web\ncolour: red")
        .replace("data: [data]", "data: [data, data, releases/x]")
        .replace("action: warn", "action: wran");
    insta::assert_snapshot!(
        parse(&text)
            .unwrap_err()
            .flaws()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
fn rules_of_parts_switches_volumes_and_the_rest_name_their_field() {
    let text = format!(
        "{GOOD}\
requirements:
  privileges: [root, cap_everything]
  services: [cron]
  products: {{ledger: []}}
  volumes: [{{path: data, steady: 2 MiB, peak: 1 MiB}}, {{path: ../x, peak: 1}}, {{path: data, peak: 1}}]
migrations:
  - {{id: a, database: other, about: x, repeatable: true}}
  - {{id: a, database: main, about: ' ', repeatable: true}}
switches: [{{name: s, before: on, after: on, text: x}}, {{name: s, before: 'off', after: on, text: ''}}]
parts:
  one: {{title: One, paths: [share/a, lib]}}
  two: {{title: Two, paths: [share/a, lib/x/y]}}
  three: {{title: Three, paths: []}}
uninstall: {{allowed: never}}
coexistence: {{with: [1100], for_ms: 0}}
"
    );
    insta::assert_snapshot!(
        parse(&text)
            .unwrap_err()
            .flaws()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    );
}

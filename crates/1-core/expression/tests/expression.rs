//! What is accepted, what it means, and what hostile texts meet.

use jiff::{Timestamp, ToSpan as _};
use refit_expression::{ExpressionError, HostSubject, host_vocabulary, select_hosts};
use refit_inventory::{
    Criticality, HostRecord, Lifecycle, ObservedFacts, ObservedProduct, ServiceState, StatedFacts,
};
use refit_names::ByteSize;
use std::collections::{BTreeMap, BTreeSet};

fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn ago(days: i64) -> Option<Timestamp> {
    now().checked_sub((24 * days).hours()).ok()
}

fn facts(build: &str, booted: i64, backup: Option<i64>) -> ObservedFacts {
    let product = ObservedProduct {
        name: name("ledger"),
        build: Some(name(build)),
        root: "/srv/ledger".to_owned(),
        size: ByteSize(100 << 20),
        free: ByteSize(10 << 30),
        services: ServiceState::Running,
        parameters: BTreeMap::new(),
        backup_at: backup.and_then(ago),
        parts: Default::default(),
        quarantined: BTreeMap::new(),
    };
    ObservedFacts {
        observed_at: now(),
        os: "linux".to_owned(),
        os_release: "Debian GNU/Linux 12".to_owned(),
        arch: "x86_64".to_owned(),
        kernel: "6.1.0".to_owned(),
        boot_id: "boot".to_owned(),
        booted_at: ago(booted),
        memory: ByteSize(4 << 30),
        virtualisation: None,
        agent_version: "0.1.0".to_owned(),
        products: vec![product],
    }
}

/// The four hosts that docs/expressions.md speaks of, with their scores.
fn fleet() -> Vec<(HostRecord, u32)> {
    let tags: BTreeSet<String> = ["eu".to_owned(), "pci".to_owned()].into();
    let web = |host: &str, backup| HostRecord {
        criticality: Criticality::High,
        tags: tags.clone(),
        facts: Some(facts("1100", 200, backup)),
        ..HostRecord::new(name(host), name("north"), name("web"))
    };
    let db = HostRecord {
        criticality: Criticality::Critical,
        cluster: Some("db".to_owned()),
        facts: Some(facts("1000", 10, Some(1))),
        ..HostRecord::new(name("db-1"), name("north"), name("database"))
    };
    let stated =
        StatedFacts { products: [(name("ledger"), name("900"))].into(), ..StatedFacts::default() };
    let old = HostRecord {
        criticality: Criticality::Low,
        lifecycle: Lifecycle::Retired,
        stated: Some(stated),
        ..HostRecord::new(name("old-1"), name("south"), name("file-print"))
    };
    let web_2 = HostRecord { after: [name("db-1")].into(), ..web("web-2", None) };
    vec![(db, 80), (old, 10), (web("web-1", Some(1)), 40), (web_2, 45)]
}

fn selected(text: &str) -> Result<String, ExpressionError> {
    let fleet = fleet();
    let subject = |(record, risk): &(HostRecord, u32)| HostSubject {
        reachable: true,
        risk: *risk,
        open_risks: 0,
        now: now(),
        record: &fleet.iter().find(|(other, _)| other.name == record.name).unwrap().0,
    };
    let subjects: Vec<_> = fleet.iter().map(subject).collect();
    let holds = select_hosts(text, &subjects)?;
    let names = subjects.iter().zip(holds).filter(|(_, holds)| *holds);
    Ok(names.map(|(subject, _)| subject.record.name.as_str()).collect::<Vec<_>>().join(" "))
}

fn refused(text: &str) -> String {
    match selected(text) {
        Err(error) => error.to_string(),
        Ok(names) => panic!("`{text}` was accepted and names {names}"),
    }
}

const PAGE: &str = include_str!("../../../../docs/expressions.md");

#[test]
fn every_example_of_the_page_names_the_hosts_that_it_says() {
    let rows = PAGE.lines().skip_while(|line| *line != "| expression | hosts |").skip(2);
    let mut count = 0;
    for row in rows.take_while(|line| line.starts_with('|')) {
        let row = row.replace("\\|", "\u{1}");
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let text = cells[0].trim_matches('`').replace('\u{1}', "|");
        assert_eq!(selected(&text).as_deref(), Ok(cells[1]), "{text}");
        count += 1;
    }
    assert!(count >= 10, "only {count} examples were found");
}

#[test]
fn page_and_vocabulary_have_the_same_names() {
    let row = |variable: &refit_expression::Variable| {
        format!("| `{}` | {} | {} |", variable.name, variable.of, variable.about)
    };
    let vocabulary = host_vocabulary();
    let fields = vocabulary.functions().flat_map(|function| &function.fields);
    for line in vocabulary.variables().chain(fields).map(row) {
        assert!(PAGE.lines().any(|found| found == line), "docs/expressions.md lacks: {line}");
    }
}

#[test]
fn faults_are_found_before_anything_is_asked_and_say_where() {
    let cases = [
        (
            "critcality == \"high\"",
            "expression names `critcality` at character 1, which is not known; did you mean `criticality`?",
        ),
        (
            "risk > 1 && rol == \"web\"",
            "expression names `rol` at character 13, which is not known; did you mean `role`?",
        ),
        (
            "criticality >= \"hihg\"",
            "expression does not fit together at character 16: `hihg` is none of low, medium, high, critical; did you mean `high`?",
        ),
        (
            "risk > \"50\"",
            "expression does not fit together at character 6: a whole number is compared with a text",
        ),
        (
            "risk > 1.5",
            "expression does not fit together at character 6: a whole number and one with a fraction are compared; write double(…) around the whole one",
        ),
        (
            "product(\"ledger\").bild == \"1\"",
            "expression names `bild` at character 18, which is not known; did you mean `build`?",
        ),
        (
            "risk + 1",
            "expression does not fit together at character 1: its answer is a whole number, expected true or false",
        ),
        (
            "role.startWith(\"a\")",
            "expression names `startWith` at character 15, which is not known; did you mean `startsWith`?",
        ),
        (
            "role.matches(\"[\")",
            "expression does not fit together at character 14: no regular expression: error: unclosed character class",
        ),
        (
            "tags.map(t, t) == tags",
            "expression does not fit together at character 9: only `exists`, `all` and `exists_one` are known of lists",
        ),
        (
            "tags[0] == \"eu\"",
            "expression does not fit together at character 5: values of a list have no fixed place; use `in` or `exists`",
        ),
        (
            "reachable < true",
            "expression does not fit together at character 11: true or false has no order; only == and != are known of it",
        ),
        (
            "role == null",
            "expression does not fit together at character 9: nothing is ever `null` here; compare with `\"\"`",
        ),
        (
            "product(\"a\") == \"1\"",
            "expression does not fit together at character 8: `product(…)` stands alone; say which field, such as `product(\"name\").build`",
        ),
    ];
    for (text, said) in cases {
        assert_eq!(refused(text), said, "{text}");
    }
    assert_eq!(
        refused("role == \"web\" &&\n  tier == \"1\""),
        "expression does not fit together in line 2 at character 8: a whole number is compared with a text"
    );
}

#[test]
fn text_that_is_no_expression_says_where() {
    for text in [
        "",
        "role ==",
        "role = \"web\"",
        "role == \"web",
        "(role == \"web\"",
        "role == \"web\")",
        "&&",
        "1 2",
        "ünicode == §",
    ] {
        let said = refused(text);
        assert!(
            said.contains("cannot be read at character ") || said.contains("is not known"),
            "{text}: {said}"
        );
    }
}

#[test]
fn hostile_texts_are_refused_and_do_not_end_the_process() {
    let deep =
        |open: &str, close: &str, n: usize| format!("{}true{}", open.repeat(n), close.repeat(n));
    assert!(refused(&deep("(", ")", 33)).contains("nested deeper than 32 levels at character 33"));
    assert!(refused(&deep("(", ")", 2000)).contains("nested deeper"));
    assert!(refused(&deep("[", "]", 1500)).contains("nested deeper"));
    assert!(refused(&"(".repeat(4096)).contains("nested deeper"));
    assert!(refused(&"x".repeat(4097)).contains("has 4097 bytes, expected at most 4096"));
    assert_eq!(selected(&deep("(", ")", 30)).as_deref(), Ok("db-1 old-1 web-1 web-2"));
    // Without brackets: what nests all the same.
    for text in [
        "!".repeat(4000) + "true",
        "-".repeat(4000) + "1 < 0",
        "true?".repeat(800) + "true",
        "role".to_owned() + &".a".repeat(2000),
    ] {
        // Whatever the answer is, it is one.
        let _ = selected(&text);
    }
    let loops = "tags.exists(a, tags.exists(b, tags.exists(c, a == b)))";
    assert!(refused(loops).contains("loops stand in each other deeper than 2"));
    let chain = vec!["risk > 1"; 300].join(" || ");
    assert!(
        selected(&chain).is_ok_and(|names| names.starts_with("db-1")),
        "{:?}",
        selected(&chain)
    );
}

#[test]
fn host_without_an_answer_is_named() {
    assert_eq!(
        refused("100 / (risk - 80) > 1").split(':').next(),
        Some("expression has no answer for `db-1`")
    );
}

#[test]
fn what_nobody_knows_is_empty_and_what_never_happened_is_long_ago() {
    assert_eq!(
        selected("product(\"portal\").build == \"\" && !product(\"portal\").installed").as_deref(),
        Ok("db-1 old-1 web-1 web-2")
    );
    assert_eq!(selected("facts_hours == 999999").as_deref(), Ok("old-1"));
    assert_eq!(selected("owner == \"\"").as_deref(), Ok("db-1 old-1 web-1 web-2"));
}

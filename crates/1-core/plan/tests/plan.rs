//! A plan's hash, its orders, its text and what differs between two.

use jiff::Timestamp;
use refit_names::{BuildId, ByteSize, Digest, Generation, HostName, Percent, TargetName};
use refit_plan::{
    Advance, Excluded, Leg, PLAN_FORMAT, PackPin, Plan, PlannedHost, PlannedWave, Way, diff,
};
use std::collections::{BTreeMap, BTreeSet};

fn pin(to: &str) -> PackPin {
    PackPin {
        to: BuildId::parse(to).unwrap(),
        record: TargetName::parse(format!("packs/ledger-{to}.json")).unwrap(),
        digest: Digest::of(to.as_bytes()),
        size: ByteSize(5 << 20),
    }
}

fn host(name: &str, risk: u32) -> PlannedHost {
    PlannedHost {
        host: name.parse().unwrap(),
        site: "north".parse().unwrap(),
        role: "app".parse().unwrap(),
        risk,
        because: "lowest risk first".to_owned(),
        legs: vec![
            Leg { from: "1000".parse().unwrap(), pack: pin("1100"), way: Way::Forward },
            Leg { from: "1100".parse().unwrap(), pack: pin("1200"), way: Way::Forward },
        ],
        parameters: BTreeMap::new(),
        p95_ms: 95_000,
        undo_p95_ms: 800,
        p50_ms: 0,
        validation_ms: 0,
        estimated_from: String::new(),
        reasons: Vec::new(),
        slot: None,
    }
}

fn wave(name: &str, hosts: Vec<PlannedHost>) -> PlannedWave {
    PlannedWave {
        name: name.parse().unwrap(),
        hosts,
        goal: Percent::new(80).unwrap(),
        failure_budget: 0,
        soak_ms: 60_000,
        timeout_ms: 3 * 24 * 3_600_000,
        parallel: 2,
        advance: Advance::Automatic,
    }
}

fn plan() -> Plan {
    Plan {
        format: PLAN_FORMAT.to_owned(),
        rollout: "spring".parse().unwrap(),
        generation: Generation::FIRST,
        parent: None,
        made_at: Timestamp::UNIX_EPOCH,
        author: "planner".parse().unwrap(),
        product: "ledger".parse().unwrap(),
        target: "1200".parse().unwrap(),
        packs: vec![pin("1100"), pin("1200")],
        waves: vec![
            wave("wave-1", vec![host("a", 5)]),
            wave("wave-2", vec![host("bb", 20), host("c", 100)]),
        ],
        failure_budget: 1,
        excluded: vec![Excluded {
            host: "d".parse().unwrap(),
            because: "it is retired".to_owned(),
        }],
        approvals_needed: 1,
        parts: BTreeSet::new(),
        deadline: None,
        emergency: None,
        staging: Vec::new(),
        begun: BTreeSet::new(),
        stated: BTreeSet::new(),
    }
}

#[test]
fn people_see_every_host_with_its_reason() {
    insta::assert_snapshot!(plan().describe());
}

#[test]
fn the_hash_covers_every_field_and_survives_json() {
    let first = plan().hash().unwrap();
    let json = serde_json::to_string(&plan()).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap().hash().unwrap(), first);
    // Every leaf of the JSON text matters: change one after the other.
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let mut pointers = Vec::new();
    leaves(&value, String::new(), &mut pointers);
    assert!(pointers.len() > 60, "only {} leaves", pointers.len());
    for pointer in pointers {
        let mut changed = value.clone();
        let leaf = changed.pointer_mut(&pointer).unwrap();
        *leaf = match &*leaf {
            serde_json::Value::Number(number) => (number.as_u64().unwrap() ^ 1).into(),
            serde_json::Value::Null => Digest::ZERO.to_string().into(),
            other if pointer.ends_with("advance") => {
                assert_eq!(other, "automatic");
                "manual".into()
            }
            other if pointer.ends_with("digest") => {
                assert!(other.is_string());
                Digest::of(b"other").to_string().into()
            }
            other if pointer.ends_with("made_at") => {
                assert!(other.is_string());
                "2001-01-01T00:00:00Z".into()
            }
            other => format!("{}x", other.as_str().unwrap()).into(),
        };
        let plan: Plan = serde_json::from_value(changed).unwrap();
        assert_ne!(plan.hash().unwrap(), first, "{pointer} is not covered");
    }
}

fn leaves(value: &serde_json::Value, at: String, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(key, inner)| leaves(inner, format!("{at}/{key}"), found));
        }
        serde_json::Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(n, inner)| leaves(inner, format!("{at}/{n}"), found));
        }
        _ => found.push(at),
    }
}

#[test]
fn an_order_is_for_a_planned_host_only_and_names_the_plan() {
    let plan = plan();
    let order = plan.order_for(&HostName::parse("bb").unwrap()).unwrap().unwrap();
    assert_eq!(order.plan, plan.hash().unwrap());
    assert_eq!(order.legs.len(), 2);
    assert_eq!(plan.order_for(&HostName::parse("d").unwrap()).unwrap(), None);
}

#[test]
fn a_diff_names_what_changed_and_nothing_else() {
    let old = plan();
    let mut new = plan();
    new.generation = Generation(2);
    new.parent = Some(old.hash().unwrap());
    assert_eq!(diff(&old, &new), []);
    new.failure_budget = 2;
    new.waves[0].parallel = 1;
    let moved = new.waves[1].hosts.remove(1);
    new.waves.push(wave("wave-3", vec![moved, host("e", 101)]));
    new.waves[1].hosts[0].legs.remove(0);
    new.waves[1].hosts[0].parameters.insert("port".parse().unwrap(), "1".to_owned());
    new.waves[0].hosts[0].host = "aa".parse().unwrap();
    new.excluded.push(Excluded { host: "a".parse().unwrap(), because: "unreachable".to_owned() });
    let lines: Vec<String> = diff(&old, &new).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn forward_is_not_written_down_so_that_older_plans_keep_their_hash() {
    let forward = plan();
    let text = serde_json::to_string(&forward).unwrap();
    assert!(!text.contains("\"way\""), "{text}");
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), forward);
    let mut back = forward.clone();
    back.waves[0].hosts[0].legs[0].way = Way::Removal;
    assert_ne!(back.hash().unwrap(), forward.hash().unwrap());
    assert_eq!((forward.way(), back.way()), (Way::Forward, Way::Removal));
}

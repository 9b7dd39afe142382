//! Plans and what the second judge says of them.

use jiff::Timestamp;
use refit_inventory::{HostRecord, ObservedFacts, ObservedProduct, ServiceState};
use refit_names::*;
use refit_packs::catalog::{CATALOG_FORMAT, Catalog, PackSummary};
use refit_packs::manifest::{IssueAction, KnownIssue, PackKind, Terms, Uninstall, UninstallRule};
use refit_plan::{Advance, Plan, Way};
use refit_plan_check::{Rule, check};
use refit_planner::{Candidate, Demands, Fault, PlanError, PlanInput, Shape, Surroundings, plan};
use refit_risk::RiskScore;
use std::collections::{BTreeMap, BTreeSet};

fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

fn pack(from: &str, to: &str) -> PackSummary {
    PackSummary {
        product: name("ledger"),
        from: BTreeSet::from([name(from)]),
        to: name(to),
        kind: PackKind::ServicePack,
        title: format!("ledger {to}"),
        record: TargetName::parse(format!("packs/ledger/{to}/record.json")).unwrap(),
        record_digest: Digest::of(to.as_bytes()),
        size: ByteSize(1000),
        blocked: BTreeMap::new(),
        supersedes: std::collections::BTreeSet::new(),
        floor: None,
        withdrawn: None,
        known_issues: Vec::new(),
        terms: refit_packs::manifest::Terms::default(),
    }
}

fn host(number: usize, risk: u32) -> Candidate {
    let product = ObservedProduct {
        name: name("ledger"),
        build: Some(name("1000")),
        root: "/srv/ledger".to_owned(),
        size: ByteSize(10),
        free: ByteSize(1000),
        services: ServiceState::Running,
        parameters: BTreeMap::new(),
        backup_at: None,
        parts: Default::default(),
        quarantined: BTreeMap::new(),
    };
    let facts = ObservedFacts {
        observed_at: Timestamp::UNIX_EPOCH,
        os: "linux".to_owned(),
        os_release: "Debian 12".to_owned(),
        arch: "x86_64".to_owned(),
        kernel: "6.1".to_owned(),
        boot_id: "b".to_owned(),
        booted_at: None,
        memory: ByteSize(1),
        virtualisation: None,
        agent_version: "0.1.0".to_owned(),
        products: vec![product],
    };
    let record = HostRecord {
        last_seen: Some(Timestamp::UNIX_EPOCH),
        facts: Some(facts),
        ..HostRecord::new(
            HostName::parse(format!("host-{number:02}")).unwrap(),
            name("north"),
            name("app"),
        )
    };
    Candidate { record, risk: RiskScore { score: risk, reasons: Vec::new() }, reachable: true }
}

fn input(hosts: Vec<Candidate>) -> PlanInput {
    let percent = |n| Percent::new(n).unwrap();
    PlanInput {
        rollout: name("spring"),
        generation: Generation::FIRST,
        parent: None,
        author: name("planner"),
        now: Timestamp::UNIX_EPOCH,
        product: name("ledger"),
        target: name("1200"),
        wanted: BTreeSet::new(),
        hosts,
        catalog: Catalog {
            format: CATALOG_FORMAT.to_owned(),
            packs: vec![pack("1000", "1100"), pack("1100", "1200")],
        },
        parts: BTreeSet::new(),
        estimates: BTreeMap::new(),
        history: BTreeMap::new(),
        shape: Shape {
            shares: vec![percent(10), percent(30), percent(60)],
            goal: percent(60),
            soak_ms: 0,
            timeout_ms: 3_600_000,
            parallel: 2,
            advance: Advance::Automatic,
        },
        failure_budget: 2,
        approvals_needed: 1,
        surroundings: Surroundings::default(),
        demands: Demands::default(),
        begun: None,
    }
}

/// Every plan made in a test passes through the second judge.
fn judged(input: &PlanInput) -> Plan {
    let (made, _) = plan(input).unwrap();
    let records: Vec<_> = input.hosts.iter().map(|host| host.record.clone()).collect();
    assert_eq!(check(&made, &records, &input.catalog), [], "the second judge found something");
    made
}

fn wave_of(plan: &Plan, host: &str) -> usize {
    plan.waves.iter().position(|w| w.hosts.iter().any(|h| h.host.as_str() == host)).unwrap()
}

#[test]
fn lowest_risk_comes_first_over_two_packs() {
    let made = judged(&input((0..12).map(|n| host(n, 50 - n as u32)).collect()));
    assert_eq!(made.waves.iter().map(|w| w.hosts.len()).collect::<Vec<_>>(), [2, 4, 6]);
    let risks: Vec<_> = made.hosts().map(|(_, h)| h.risk).collect();
    assert!(risks.is_sorted(), "{risks:?}");
    let legs: Vec<_> = made.waves[0].hosts[0].legs.iter().map(|l| l.pack.to.to_string()).collect();
    assert_eq!(legs, ["1100", "1200"]);
    assert!(made.hosts().all(|(_, h)| h.because.starts_with("risk ")));
}

#[test]
fn same_input_gives_the_same_plan() {
    let mut hosts: Vec<_> = (0..20).map(|n| host(n, (n * 7 % 5) as u32)).collect();
    let first = judged(&input(hosts.clone()));
    hosts.reverse();
    assert_eq!(first.hash().unwrap(), judged(&input(hosts)).hash().unwrap());
}

#[test]
fn dependent_host_stands_in_a_later_wave() {
    let mut hosts: Vec<_> = (0..6).map(|n| host(n, n as u32)).collect();
    hosts[0].record.after = BTreeSet::from([name("host-05")]);
    let made = judged(&input(hosts));
    assert!(wave_of(&made, "host-00") > wave_of(&made, "host-05"));
}

#[test]
fn cluster_members_stand_in_different_waves() {
    let mut hosts: Vec<_> = (0..9).map(|n| host(n, n as u32)).collect();
    for member in [6, 7, 8] {
        hosts[member].record.cluster = Some("db".to_owned());
    }
    let made = judged(&input(hosts));
    let waves: BTreeSet<_> =
        ["host-06", "host-07", "host-08"].iter().map(|h| wave_of(&made, h)).collect();
    assert_eq!(waves.len(), 3);
}

#[test]
fn left_out_hosts_have_a_reason() {
    let mut hosts: Vec<_> = (0..6).map(|n| host(n, n as u32)).collect();
    let build = |h: &mut Candidate, b: &str| {
        h.record.facts.as_mut().unwrap().products[0].build = Some(name(b))
    };
    build(&mut hosts[1], "1200");
    hosts[2].reachable = false;
    hosts[3].record.lifecycle = refit_inventory::Lifecycle::Retired;
    hosts[4].record.facts.as_mut().unwrap().products[0]
        .quarantined
        .insert(name("1200"), "the migration failed".to_owned());
    hosts[5].record.after = BTreeSet::from([name("host-02")]);
    let made = judged(&input(hosts));
    let reasons: Vec<_> = made.excluded.iter().map(|e| e.because.clone()).collect();
    assert_eq!(
        reasons,
        [
            "it is already at build `1200`",
            "its agent is unreachable, last heard of: 1970-01-01T00:00:00Z",
            "it is retired",
            "build `1200` was rolled back here: the migration failed",
            "it comes after `host-02`, which is not in the plan",
        ]
    );
}

#[test]
fn held_host_is_never_in_a_wave() {
    let mut with_issue = input(vec![host(0, 1), host(1, 2)]);
    with_issue.hosts[1].record.role = name("proxy");
    with_issue.catalog.packs[1].known_issues.push(KnownIssue {
        id: "L-7".to_owned(),
        text: "proxies lose their sessions".to_owned(),
        action: IssueAction::Hold,
        roles: BTreeSet::from(["proxy".to_owned()]),
        facts: None,
    });
    let made = judged(&with_issue);
    assert_eq!(made.hosts().count(), 1);
    assert_eq!(
        made.excluded[0].because,
        "known issue L-7 of build `1200`: proxies lose their sessions"
    );
}

#[test]
fn an_issue_of_many_hosts_is_told_once_and_one_of_one_host_with_its_name() {
    let told = |count: usize| {
        let mut warned = input((0..count).map(|number| host(number, 1)).collect());
        warned.catalog.packs[1].known_issues.push(KnownIssue {
            id: "L-8".to_owned(),
            text: "starts slowly".to_owned(),
            action: IssueAction::Warn,
            roles: BTreeSet::new(),
            facts: None,
        });
        let names: Vec<String> =
            warned.hosts.iter().map(|host| host.record.name.to_string()).collect();
        let remarks = plan(&warned).unwrap().1.remarks;
        let told: Vec<String> = remarks.into_iter().filter(|text| text.contains("L-8")).collect();
        (told, names)
    };
    let text = "known issue L-8 of build `1200`: starts slowly";
    let (lines, names) = told(1);
    assert_eq!(lines, [format!("{}: {text}", names[0])]);
    let (lines, names) = told(3);
    assert_eq!(lines, [format!("3 hosts ({}): {text}", names.join(", "))]);
    let (lines, names) = told(7);
    assert_eq!(lines, [format!("7 hosts ({} and 2 more): {text}", names[..5].join(", "))]);
}

#[test]
fn a_host_whose_product_is_only_stated_is_left_out_with_that_reason() {
    let mut two = input(vec![host(0, 1), host(1, 2)]);
    let record = &mut two.hosts[1].record;
    record.facts = None;
    let products = BTreeMap::from([(two.product.clone(), name("1000"))]);
    record.stated = Some(refit_inventory::StatedFacts { products, ..Default::default() });
    let made = judged(&two);
    assert_eq!(made.hosts().count(), 1);
    assert_eq!(
        made.excluded[0].because,
        "its agent has not seen product `ledger`; that it is at build `1000` is only stated"
    );
    two.demands.stated = true;
    let made = judged(&two);
    assert_eq!(made.hosts().count(), 2);
    assert_eq!(made.stated, [name("host-01")].into());
    assert_eq!(made.waves[1].hosts[0].legs[0].from, name("1000"));
    let remarks = plan(&two).unwrap().1.remarks.join("\n");
    let told =
        "1 host (host-01): build only stated; nothing is prepared before agents saw the same";
    assert!(remarks.contains(told), "{remarks}");
    let records: Vec<_> = two.hosts.iter().map(|host| host.record.clone()).collect();
    for wrong in [BTreeSet::new(), [name("host-00"), name("host-01")].into()] {
        let found = check(&Plan { stated: wrong, ..made.clone() }, &records, &two.catalog);
        assert!(found.iter().any(|finding| finding.rule == Rule::KnownHost), "{found:?}");
    }
}

#[test]
fn wrong_input_is_named() {
    let error = |input: &PlanInput| plan(input).unwrap_err();
    let fault = |input: &PlanInput| match error(input) {
        PlanError::Faults(faults) => faults[0].clone(),
        other => panic!("{other}"),
    };
    let mut unknown = input(vec![host(0, 1)]);
    unknown.wanted = BTreeSet::from([name("web-9"), name("web-8")]);
    assert_eq!(error(&unknown).to_string(), "hosts `web-8`, `web-9` are not in the fleet");
    let mut circle = input(vec![host(0, 1), host(1, 1)]);
    circle.hosts[0].record.after = BTreeSet::from([name("host-01")]);
    circle.hosts[1].record.after = BTreeSet::from([name("host-00")]);
    assert!(matches!(fault(&circle), Fault::Circle { hosts } if hosts.len() == 2));
    let mut target = input(vec![host(0, 1)]);
    target.target = name("9999");
    assert!(matches!(fault(&target), Fault::UnknownTarget { .. }));
    target.product = name("ledgr");
    assert!(matches!(fault(&target), Fault::UnknownProduct { .. }));
    assert!(matches!(error(&input(Vec::new())), PlanError::Nobody { .. }));
}

/// Each rule of the second judge fires when its fault is put into a good plan.
#[test]
fn every_rule_can_fire() {
    let good = input((0..6).map(|n| host(n, n as u32)).collect());
    let (made, _) = plan(&good).unwrap();
    let mut records: Vec<_> = good.hosts.iter().map(|h| h.record.clone()).collect();
    records[5].cluster = Some("c".to_owned());
    let fires = |rule: Rule, records: &[HostRecord], change: &dyn Fn(&mut Plan)| {
        let mut bad = made.clone();
        change(&mut bad);
        let found = check(&bad, records, &good.catalog);
        assert!(found.iter().any(|f| f.rule == rule), "{rule:?} did not fire: {found:?}");
    };
    fires(Rule::Shape, &records, &|p| p.waves.push(p.waves[0].clone_empty()));
    fires(Rule::Shape, &records, &|p| p.generation = Generation(2));
    fires(Rule::OncePerHost, &records, &|p| {
        let twin = p.waves[0].hosts[0].clone();
        p.waves[1].hosts.push(twin);
    });
    fires(Rule::KnownHost, &records[1..], &|_| {});
    fires(Rule::Legs, &records, &|p| drop(p.waves[0].hosts[0].legs.pop()));
    fires(Rule::Legs, &records, &|p| p.waves[0].hosts[0].legs[0].pack.digest = Digest::ZERO);
    fires(Rule::RiskOrder, &records, &|p| p.waves.reverse());
    let mut dependent = records.clone();
    dependent[0].after = BTreeSet::from([name("host-03")]);
    fires(Rule::Dependencies, &dependent, &|_| {});
    let mut clustered = records.clone();
    clustered[4].cluster = Some("c".to_owned());
    fires(Rule::Clusters, &clustered, &|_| {});
    fires(Rule::Budgets, &records, &|p| p.waves[0].parallel = 0);
    fires(Rule::Budgets, &records, &|p| p.failure_budget = 99);
    fires(Rule::People, &records, &|p| p.approvals_needed = 0);
}

trait CloneEmpty {
    fn clone_empty(&self) -> Self;
}
impl CloneEmpty for refit_plan::PlannedWave {
    fn clone_empty(&self) -> Self {
        Self { hosts: Vec::new(), ..self.clone() }
    }
}

#[test]
fn what_a_pack_asks_of_hosts_is_refused_with_its_reason() {
    use refit_packs::manifest::{Coexistence, FeatureSwitch, Requirements, Terms};
    type Ask = fn(&mut PackSummary);
    let issue = |pack: &mut PackSummary, facts: &str, action| {
        let facts = serde_json::from_str(facts).unwrap();
        let (id, text) = ("L-1".to_owned(), "leaks".to_owned());
        pack.known_issues.push(KnownIssue { id, text, action, roles: BTreeSet::new(), facts });
    };
    let requires = |pack: &mut PackSummary, json: &str| {
        let requirements: Requirements = serde_json::from_str(json).unwrap();
        pack.terms = Terms { requirements, ..Terms::default() };
    };
    let why = |ask: Ask, issue: &dyn Fn(&mut PackSummary)| {
        let mut one = input(vec![host(1, 1)]);
        ask(&mut one.catalog.packs[1]);
        issue(&mut one.catalog.packs[1]);
        plan(&one).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let asked = |json: &'static str| why(|_| (), &move |pack| requires(pack, json));
    assert!(
        asked(r#"{"os_release": "Debian 13*"}"#)
            .contains("operating system release: expected Debian 13*, found Debian 12")
    );
    assert!(
        asked(r#"{"memory": "2 GiB"}"#).contains("memory: expected at least 2.00 GiB, found 1 B")
    );
    assert!(
        asked(r#"{"products": {"reports": ["7", "8"]}}"#)
            .contains("product reports: expected build 7 or 8, found none")
    );
    assert!(asked(r#"{"arch": ["aarch64"]}"#).contains("architecture"));
    assert_eq!(asked(r#"{"os_release": ["Debian 1?"], "memory": 1}"#), "");
    let held = |json: &'static str| why(|_| (), &move |pack| issue(pack, json, IssueAction::Hold));
    assert!(
        held(r#"{"os_release": "Debian*", "memory_max": "4 GiB"}"#)
            .contains("known issue L-1 of build `1200`: leaks")
    );
    assert!(held(r#"{"from": ["1100"], "kernel": "6.*"}"#).contains("known issue L-1"));
    assert_eq!(held(r#"{"from": ["1000"]}"#), "");
    assert_eq!(held(r#"{"memory_min": "4 GiB"}"#), "");

    let mut two = input(vec![host(1, 1), host(2, 2)]);
    two.catalog.packs.remove(0);
    two.catalog.packs[0].from = BTreeSet::from([name("1000")]);
    for host in &mut two.hosts {
        host.record.cluster = Some("blue".to_owned());
    }
    let terms = &mut two.catalog.packs[0].terms;
    terms.switches.push(FeatureSwitch {
        name: name("export"),
        before: "off".to_owned(),
        after: "on".to_owned(),
        text: "Every night.".to_owned(),
    });
    let because = "the wire format changed".to_owned();
    let rule =
        Coexistence { with: BTreeSet::from([name("1000")]), for_ms: Some(7_200_000), because };
    terms.coexistence = Some(rule);
    let remarks = plan(&two).unwrap().1.remarks.join("\n");
    assert!(remarks.contains("build `1200` switches export: off -> on. Every night."), "{remarks}");
    assert!(
        remarks.contains("cluster blue: build `1200` may run beside others for 2 h only"),
        "{remarks}"
    );
    two.catalog.packs[0].terms.coexistence.as_mut().unwrap().with.clear();
    let error = plan(&two).unwrap_err().to_string();
    assert!(
        error.contains(
            "build `1200` must not run beside build `1000` in cluster blue: the wire format changed"
        ),
        "{error}"
    );
}

/// A pack that can be taken back.
fn removable(from: &str, to: &str) -> PackSummary {
    let rule = Uninstall {
        allowed: UninstallRule::LastPack,
        because: String::new(),
        data: Default::default(),
        down: None,
    };
    let terms = Terms { uninstall: Some(rule), ..Terms::default() };
    PackSummary { terms, withdrawn: Some("it loses orders".to_owned()), ..pack(from, to) }
}

fn at(number: usize, build: &str) -> Candidate {
    let mut host = host(number, 10);
    let facts = host.record.facts.as_mut().unwrap();
    facts.products[0].build = Some(name(build));
    host
}

#[test]
fn removal_takes_back_who_has_the_pack_and_says_of_everybody_else_why_not() {
    let mut input = input(vec![at(1, "1100"), at(2, "1200"), at(3, "1000"), at(4, "1050")]);
    input.catalog.packs =
        vec![removable("1000", "1100"), pack("1100", "1200"), pack("1000", "1050")];
    input.target = name("1000");
    input.demands.way = Way::Removal;
    let (plan, report) = refit_planner::plan(&input).unwrap();
    let hosts: Vec<_> = plan.hosts().map(|(_, host)| host).collect();
    assert_eq!(hosts.len(), 1);
    let leg = &hosts[0].legs[0];
    assert_eq!((leg.from.as_str(), leg.pack.to.as_str(), leg.way), ("1100", "1000", Way::Removal));
    assert_eq!((leg.pack.digest, leg.pack.size), (Digest::of(b"1100"), ByteSize(0)));
    let because: Vec<&str> = plan.excluded.iter().map(|out| out.because.as_str()).collect();
    assert_eq!(
        because,
        [
            "no pack of product `ledger` leads from build `1000` to build `1200`, expected one of: `1100`",
            "it is already at build `1000`",
            "build `1050` of product `ledger` cannot be removed: its pack promises nothing about removal",
        ]
    );
    assert!(report.remarks[0].contains("back to build 1000"), "{:?}", report.remarks);
    assert!(plan.describe().starts_with("removal of ledger 1100, back to 1000: 1 host\n"));
    let records: Vec<HostRecord> = input.hosts.iter().map(|host| host.record.clone()).collect();
    assert_eq!(check(&plan, &records, &input.catalog), []);
    // The second judge knows by itself what may be removed, and from what.
    let found = |catalog: &Catalog, plan: &Plan| -> Vec<Rule> {
        check(plan, &records, catalog).into_iter().map(|finding| finding.rule).collect()
    };
    let mut kept = input.catalog.clone();
    kept.packs[0].terms.uninstall = None;
    assert_eq!(found(&kept, &plan), [Rule::Legs]);
    let mut forward = plan.clone();
    forward.waves[0].hosts[0].legs[0].way = Way::Forward;
    assert_eq!(found(&input.catalog, &forward), [Rule::Legs]);
}

#[test]
fn target_of_a_removal_that_nothing_can_be_taken_back_to_is_refused() {
    let mut input = input(vec![at(1, "1200")]);
    input.catalog.packs = vec![removable("1000", "1100"), pack("1100", "1200")];
    input.demands.way = Way::Removal;
    let mut refused = |target: &str| {
        input.target = name(target);
        let error = plan(&input).unwrap_err();
        assert_eq!(error.code(), "plan.no-removal");
        error.to_string()
    };
    assert!(refused("1200").ends_with("expected an older build, one of: `1000`, `1100`"));
    assert!(refused("900").ends_with("known builds: `1000`, `1100`, `1200`"));
    assert!(refused("1100").contains("build `1200` of product `ledger` cannot be removed"));
    // Somebody could be taken back there, but nobody here.
    input.target = name("1000");
    let error = plan(&input).unwrap_err().to_string();
    assert!(error.starts_with("no host can be taken back to build `1000`"), "{error}");
}

//! What people state of the fleet: all faults at once, nothing half, everything on record.

use crate::{
    agent::Agent,
    stage::{Stage, problem},
};
use refit_inventory::{
    ChangeKind, ClusterRecord, HostField, HostRecord, Lifecycle, Said, SiteRecord,
};
use refit_protocol::v1::{
    ClearQuarantine, FleetImport, HostSet, NewRisk, Reason, Right, RiskAct, WeightsSet,
};
use refit_risk::{Exposure, Level};

fn host(name: &str, fields: &[(HostField, &str)]) -> HostRecord {
    let mut host =
        HostRecord::new(name.parse().unwrap(), "north".parse().unwrap(), "web".parse().unwrap());
    let said = Said { by: "import".parse().unwrap(), at: jiff::Timestamp::UNIX_EPOCH };
    for (field, text) in fields {
        host.set_field(*field, text, &said).unwrap();
    }
    host
}

fn site(name: &str) -> SiteRecord {
    SiteRecord {
        name: name.parse().unwrap(),
        zone: "Europe/Berlin".to_owned(),
        bandwidth: None,
        down_at_once: None,
    }
}

fn import(hosts: Vec<HostRecord>) -> FleetImport {
    FleetImport { hosts, ..FleetImport::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn import_is_all_or_nothing_and_every_fault_is_named() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let surroundings = FleetImport {
        sites: vec![site("north")],
        clusters: vec![ClusterRecord {
            name: "db".to_owned(),
            down_at_once: 1,
            members_max: Some(2),
            order: Vec::new(),
        }],
        ..FleetImport::default()
    };
    planner.import_fleet(&surroundings).await.unwrap();
    let wrong = vec![
        host("a", &[(HostField::Site, "nroth")]),
        host("b", &[(HostField::After, "c"), (HostField::Cluster, "db")]),
        host("c", &[(HostField::After, "d"), (HostField::Cluster, "db")]),
        host(
            "d",
            &[(HostField::After, "b"), (HostField::Cluster, "db"), (HostField::Windows, "never")],
        ),
        host("e", &[(HostField::After, "e nobody"), (HostField::Cluster, "dbb")]),
        host("e", &[]),
    ];
    let refused = problem(planner.import_fleet(&import(wrong)).await);
    assert_eq!((refused.status, refused.code.as_str()), (422, "fleet.faults"));
    let mut found: Vec<String> = refused.faults.iter().map(ToString::to_string).collect();
    found.sort();
    assert_eq!(
        found,
        [
            "cluster db, members_max: it has 3 members, at most 2 are allowed: b, c, d",
            "host a, site: site `nroth` is not known; did you mean `north`?",
            "host b, after: 3 hosts wait for each other: b → c → d → b",
            "host d, windows: window `never` is not known",
            "host e, name: comes twice",
        ],
        "the second of two equal names is the one that counts"
    );
    assert_eq!(planner.hosts().await.unwrap(), [], "nothing is half imported");

    let right = || vec![host("a", &[]), host("b", &[(HostField::After, "a")])];
    let tried =
        planner.import_fleet(&FleetImport { dry_run: true, ..import(right()) }).await.unwrap();
    assert_eq!((tried.created, tried.changes.len()), (2, 2));
    assert_eq!(planner.hosts().await.unwrap(), [], "it was only tried");
    assert_eq!(planner.import_fleet(&import(right())).await.unwrap().created, 2);
    assert_eq!(planner.import_fleet(&import(right())).await.unwrap().unchanged, 2);
    let named = problem(planner.remove_site(&"north".parse().unwrap()).await);
    assert!(named.detail.contains("still named by 2 hosts: a, b"), "{}", named.detail);
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn field_that_a_change_leaves_alone_does_not_stop_it() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    planner.import_fleet(&import(vec![host("a", &[(HostField::Site, "nroth")])])).await.unwrap();
    let sites = FleetImport { sites: vec![site("north")], ..FleetImport::default() };
    planner.import_fleet(&sites).await.unwrap();
    let name = "a".parse().unwrap();
    let set =
        |field, text: &str| HostSet { fields: [(field, text.to_owned())].into(), dry_run: false };
    planner.set_host(&name, &set(HostField::Owner, "owner")).await.unwrap();
    let wrong = problem(planner.set_host(&name, &set(HostField::Site, "sorth")).await);
    assert_eq!(wrong.faults[0].field, "site");
    planner.set_host(&name, &set(HostField::Site, "north")).await.unwrap();
    let known = planner.host(&name).await.unwrap().record;
    assert_eq!(
        (known.field(HostField::Owner), known.field(HostField::Site)),
        ("owner".into(), "north".into())
    );
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_a_file_does_not_have_keep_what_is_known() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let whole = host(
        "a",
        &[(HostField::Owner, "owner"), (HostField::Tags, "eu"), (HostField::Os, "Debian 12")],
    );
    planner.import_fleet(&import(vec![whole])).await.unwrap();
    let fields = [HostField::Name, HostField::Site, HostField::Role, HostField::Tags].into();
    let part = FleetImport { fields, ..import(vec![host("a", &[(HostField::Tags, "us")])]) };
    planner.import_fleet(&part).await.unwrap();
    let known = planner.host(&"a".parse().unwrap()).await.unwrap().record;
    assert_eq!(known.field(HostField::Owner), "owner");
    assert_eq!(known.field(HostField::Tags), "us");
    assert_eq!(
        known.stated.unwrap().by,
        Some("planner".parse().unwrap()),
        "whoever imported it said it"
    );
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn host_is_set_retired_and_taken_back_with_everything_on_record() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    planner.import_fleet(&import(vec![host("a", &[])])).await.unwrap();
    let name = "a".parse().unwrap();
    let set =
        |field, text: &str| HostSet { fields: [(field, text.to_owned())].into(), dry_run: false };
    planner.set_host(&name, &set(HostField::Tier, "3")).await.unwrap();
    let wrong = problem(planner.set_host(&name, &set(HostField::Tier, "many")).await);
    assert_eq!(wrong.faults[0].field, "tier");
    assert_eq!(
        problem(planner.set_host(&name, &set(HostField::Name, "b")).await).faults[0].field,
        "name"
    );
    let silent = Reason { reason: " ".to_owned() };
    assert_eq!(problem(planner.retire_host(&name, &silent).await).code, "api.out-of-range");
    planner.retire_host(&name, &Reason { reason: "sold".to_owned() }).await.unwrap();
    let retired = planner.hosts_where(Some("retired && tier == 3")).await.unwrap();
    assert_eq!(retired.len(), 1);
    let why = retired[0].record.retired.clone().unwrap();
    assert_eq!((why.reason.as_str(), why.by.as_str()), ("sold", "planner"));
    planner.unretire_host(&name).await.unwrap();
    assert_eq!(planner.host(&name).await.unwrap().record.lifecycle, Lifecycle::Active);
    let changes = planner.host_changes(&name).await.unwrap();
    assert_eq!(changes.len(), 4);
    assert!(changes.iter().all(|view| view.who == "planner"));
    let ChangeKind::Updated { fields } = &changes[1].change.what else { panic!("{changes:?}") };
    assert_eq!((fields[0].before.clone(), fields[0].after.clone()), (0.into(), 3.into()));
    let unknown = problem(
        planner.retire_host(&"aa".parse().unwrap(), &Reason { reason: "x".to_owned() }).await,
    );
    assert_eq!(unknown.status, 404);
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantine_is_cleared_on_the_host_and_only_once() {
    let stage = Stage::open().await;
    let deployer = stage.person("deployer", &[Right::Deployer]).await;
    let agent = Agent::enrol(&stage, "web-1").await;
    agent.observe_kept_away("1200", "disk full").await;
    let host = "web-1".parse().unwrap();
    let ask = |build: &str, reason: &str| ClearQuarantine {
        product: "ledger".parse().unwrap(),
        build: build.parse().unwrap(),
        reason: reason.to_owned(),
    };
    let silent = problem(deployer.clear_quarantine(&host, &ask("1200", " ")).await);
    assert_eq!(silent.code, "api.out-of-range");
    let other = problem(deployer.clear_quarantine(&host, &ask("1100", "room")).await);
    assert_eq!(other.status, 404);
    let cleared = deployer.clear_quarantine(&host, &ask("1200", "has room now")).await.unwrap();
    assert_eq!(cleared.because, "disk full");
    let told = agent.until(|answer| !answer.cleared.is_empty()).await;
    assert_eq!(told.cleared[0].build, "1200".parse().unwrap());
    agent.observe("1000").await;
    agent.until(|answer| answer.cleared.is_empty()).await;
    // A wish that is fulfilled does not clear what comes into quarantine later.
    agent.observe_kept_away("1200", "disk full again").await;
    assert!(agent.ask().await.cleared.is_empty());
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_give_every_host_that_the_expression_names_once() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let hosts = (0..4500).map(|number| {
        host(&format!("h-{number:05}"), &[(HostField::Tier, &(number % 3).to_string())])
    });
    planner.import_fleet(&import(hosts.collect())).await.unwrap();
    assert_eq!(planner.hosts_where(None).await.unwrap().len(), 4500);
    let named = planner.hosts_where(Some("tier == 1")).await.unwrap();
    assert_eq!(named.len(), 1500);
    assert!(named.windows(2).all(|pair| pair[0].record.name < pair[1].record.name));
    let wrong = problem(planner.hosts_where(Some("teir == 1")).await);
    assert_eq!((wrong.status, wrong.code.as_str()), (422, "expression.unknown-name"));
    assert!(wrong.detail.contains("did you mean `tier`?"), "{}", wrong.detail);
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stated_risk_counts_and_its_mitigation_says_what_it_changed() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    planner.import_fleet(&import(vec![host("a", &[])])).await.unwrap();
    let name = "a".parse().unwrap();
    let before = planner.host_risk(&name).await.unwrap().risk.score;
    let exposure = |likelihood, impact| Exposure {
        likelihood: Level::new(likelihood).unwrap(),
        impact: Level::new(impact).unwrap(),
    };
    let new = NewRisk {
        host: "a".parse().unwrap(),
        text: "controller battery is old".to_owned(),
        exposure: exposure(4, 5),
        mitigation: String::new(),
        owner: None,
        due: None,
    };
    let stated = planner.state_risk(&new).await.unwrap();
    assert_eq!((stated.entry.id, stated.score_now), (1, before + 20));
    let done = |mitigation: Option<&str>, left| RiskAct::Mitigate {
        left,
        mitigation: mitigation.map(str::to_owned),
    };
    let silent = problem(planner.act_on_risk(1, &done(None, exposure(1, 3))).await);
    assert_eq!(silent.code, "api.out-of-range", "a mitigation says what was done");
    let worse = problem(planner.act_on_risk(1, &done(Some("x"), exposure(5, 5))).await);
    assert!(worse.detail.contains("at most the 20 of before"), "{}", worse.detail);
    let mitigated = planner.act_on_risk(1, &done(Some("replaced"), exposure(1, 3))).await.unwrap();
    assert_eq!((mitigated.score_before, mitigated.score_now), (before + 20, before + 3));
    let found = planner
        .hosts_where(Some(&format!("risk == {} && open_risks == 0", before + 3)))
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    let risk = planner.host_risk(&name).await.unwrap().risk;
    let sum: u32 = risk.reasons.iter().map(|reason| reason.points).sum();
    assert_eq!(risk.score, sum.min(100));

    let weights = |name: &str, value| WeightsSet {
        weights: [(name.to_owned(), value)].into(),
        dry_run: false,
    };
    let version = planner.set_risk_weights(&weights("entry.each", Some(2))).await.unwrap();
    assert_eq!((version.version, version.by), (1, Some("planner".parse().unwrap())));
    assert_eq!(planner.host_risk(&name).await.unwrap().risk.score, before + 6);
    let wrong = problem(planner.set_risk_weights(&weights("entry.eech", Some(2))).await);
    assert!(wrong.detail.contains("did you mean `entry.each`?"), "{}", wrong.detail);
    let nobody = problem(planner.state_risk(&NewRisk { host: "zz".parse().unwrap(), ..new }).await);
    assert_eq!(nobody.status, 404);
    stage.server.shutdown().await;
}

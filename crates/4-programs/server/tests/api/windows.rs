//! Windows, freezes and feeds: all or none, judged as a whole, with secrets that can be revoked.

use crate::stage::Stage;
use refit_client::{ApiClient, ClientError};
use refit_inventory::{HostField, HostRecord, Said};
use refit_plan::{Freeze, Scope, Window};
use refit_protocol::v1::{
    Existing, FeedQuery, FleetImport, NewFeed, OpeningsQuery, Right, WindowsPut,
};
use std::collections::BTreeSet;

fn window(name: &str, rule: &str) -> Window {
    Window {
        name: name.parse().unwrap(),
        about: String::new(),
        zone: "Europe/Berlin".to_owned(),
        starts: "2026-01-03T22:00".parse().unwrap(),
        rule: Some(rule.to_owned()),
        minutes: 360,
        class: refit_names::TimeClass::Weekend,
        except: BTreeSet::new(),
        extra: BTreeSet::new(),
    }
}

fn put(windows: Vec<Window>) -> WindowsPut {
    WindowsPut { windows, existing: Existing::Refuse, dry_run: false }
}

fn code(error: &ClientError) -> (u16, &str) {
    match error {
        ClientError::Problem(problem) => (problem.status, problem.code.as_str()),
        other => panic!("{other:?}"),
    }
}

/// A site that a freeze may be for, with a host of which a product is only stated.
fn north() -> FleetImport {
    let site = serde_json::json!({ "name": "north", "zone": "Europe/Berlin" });
    let said = Said { by: "planner".parse().unwrap(), at: "2026-01-01T00:00:00Z".parse().unwrap() };
    let [name, site_name, role] = ["a", "north", "app"];
    let mut host =
        HostRecord::new(name.parse().unwrap(), site_name.parse().unwrap(), role.parse().unwrap());
    host.set_field(HostField::Products, "ledger=1000", &said).unwrap();
    let sites = vec![serde_json::from_value(site).unwrap()];
    FleetImport { sites, hosts: vec![host], ..FleetImport::default() }
}

async fn names(planner: &ApiClient) -> Vec<String> {
    planner.windows().await.unwrap().iter().map(|view| view.window.name.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_kept_all_or_none() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let good = window("night", "FREQ=WEEKLY;BYDAY=SA");
    let bad =
        [window("hourly", "FREQ=HOURLY"), window("never", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30")];
    let all = put([good.clone()].into_iter().chain(bad).collect());
    let refused = planner.put_windows(&all).await.unwrap_err();
    assert_eq!(code(&refused), (422, "window.bad-rule"));
    assert!(
        refused.to_string().contains("hourly") && refused.to_string().contains("never"),
        "{refused}"
    );
    assert!(names(&planner).await.is_empty(), "nothing half kept");

    let dry = WindowsPut { dry_run: true, ..put(vec![good.clone()]) };
    assert_eq!(planner.put_windows(&dry).await.unwrap().added.len(), 1);
    assert!(names(&planner).await.is_empty());
    planner.put_windows(&put(vec![good.clone()])).await.unwrap();
    assert_eq!(planner.put_windows(&put(vec![good.clone()])).await.unwrap().unchanged.len(), 1);

    let other = window("night", "FREQ=WEEKLY;BYDAY=SU");
    let refused = planner.put_windows(&put(vec![other.clone()])).await.unwrap_err();
    assert_eq!(code(&refused), (422, "window.duplicate"));
    let replace = WindowsPut { existing: Existing::Replace, ..put(vec![other]) };
    assert_eq!(planner.put_windows(&replace).await.unwrap().replaced.len(), 1);
    let twice = put(vec![window("a", "FREQ=DAILY"), window("a", "FREQ=DAILY")]);
    assert_eq!(code(&planner.put_windows(&twice).await.unwrap_err()), (422, "window.duplicate"));

    planner.remove_window(&"night".parse().unwrap()).await.unwrap();
    let missing = planner.remove_window(&"night".parse().unwrap()).await.unwrap_err();
    assert_eq!(code(&missing), (404, "api.not-found"));
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn freezes_are_cut_out_of_openings_where_they_cover_the_place() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    planner.put_windows(&put(vec![window("night", "FREQ=WEEKLY;BYDAY=SA")])).await.unwrap();
    let freeze = Freeze {
        name: "audit".to_owned(),
        from: "2098-12-01T00:00:00Z".parse().unwrap(),
        until: "2098-12-21T00:00:00Z".parse().unwrap(),
        scope: Scope { sites: BTreeSet::from(["north".parse().unwrap()]), ..Scope::default() },
        reason: "audit".to_owned(),
    };
    let nowhere = planner.add_freeze(&freeze).await.unwrap_err();
    assert_eq!(code(&nowhere), (422, "window.refused"), "it would protect nothing");
    assert!(nowhere.to_string().contains("site `north` is not known"), "{nowhere}");
    planner.import_fleet(&north()).await.unwrap();
    planner.add_freeze(&freeze).await.unwrap();
    assert_eq!(code(&planner.add_freeze(&freeze).await.unwrap_err()), (422, "window.duplicate"));
    let wrong = Freeze {
        name: "b".to_owned(),
        from: "2020-01-01T00:00:00Z".parse().unwrap(),
        until: "2020-01-02T00:00:00Z".parse().unwrap(),
        reason: " ".to_owned(),
        scope: Scope {
            sites: BTreeSet::from(["nroth".parse().unwrap()]),
            roles: BTreeSet::from(["mail".parse().unwrap()]),
            products: BTreeSet::from(["ledgr".parse().unwrap()]),
        },
    };
    let refused = planner.add_freeze(&wrong).await.unwrap_err().to_string();
    for fault in [
        "site `nroth` is not known, expected one that has a record or a host; did you mean `north`?",
        "role `mail` is not known",
        "product `ledgr` is not known, expected one that is installed or published; did you mean `ledger`?",
        "has no reason",
        "expected an end after now",
    ] {
        assert!(refused.contains(fault), "{fault}: {refused}");
    }
    let products = BTreeSet::from(["ledger".parse().unwrap()]);
    let stated = Freeze {
        name: "stated".to_owned(),
        scope: Scope { products, ..Scope::default() },
        ..freeze.clone()
    };
    planner.add_freeze(&stated).await.unwrap();
    planner.remove_freeze(&"stated".parse().unwrap()).await.unwrap();

    let at = Some("2098-12-06T22:30:00Z".parse().unwrap());
    let everywhere = OpeningsQuery { at, count: Some(1), ..OpeningsQuery::default() };
    let name = "night".parse().unwrap();
    let seen = planner.openings(&name, &everywhere).await.unwrap();
    assert!(seen.open.is_some() && seen.frozen_by.is_none(), "{seen:?}");
    let north = OpeningsQuery { site: Some("north".parse().unwrap()), ..everywhere };
    let seen = planner.openings(&name, &north).await.unwrap();
    assert!(seen.open.is_none());
    assert_eq!(seen.frozen_by, Some(freeze));
    // What the freeze leaves of the night in which it ends.
    assert_eq!(seen.next[0].opens_at, "2098-12-21T00:00:00Z".parse().unwrap());
    planner.remove_freeze(&"audit".parse().unwrap()).await.unwrap();
    assert!(planner.openings(&name, &north).await.unwrap().open.is_some());
    let unknown = planner.openings(&"nigth".parse().unwrap(), &north).await.unwrap_err();
    assert_eq!(code(&unknown), (404, "window.unknown"));
    assert!(unknown.to_string().contains("did you mean `night`?"), "{unknown}");
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn feed_is_read_with_its_secret_until_it_is_revoked() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    let auditor = stage.person("auditor", &[Right::Auditor]).await;
    planner.put_windows(&put(vec![window("night", "FREQ=WEEKLY;BYDAY=SA")])).await.unwrap();
    let made = planner.add_feed(&NewFeed::default()).await.unwrap();
    let ca = reqwest::Certificate::from_pem(stage.ca.as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    let get = async |path: &str| {
        let answer = http.get(format!("{}{path}", stage.server.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, text) = get(&made.path).await;
    assert_eq!(status, 200);
    let windows = refit_calendar::ics::read(&text, "UTC").unwrap_err().to_string();
    assert!(windows.contains("window `night` stands again"), "its openings are events: {windows}");
    assert_eq!(text.as_bytes(), planner.feed(&FeedQuery::default()).await.unwrap());
    assert_eq!(get(&format!("{}0", made.path)).await.0, 401);
    assert_eq!(get("/api/v1/windows.ics").await.0, 401);
    assert_eq!(
        get(&made.path.replace("windows.ics", "windows")).await.0,
        401,
        "opens nothing else"
    );
    let listed = planner.feeds().await.unwrap();
    assert!(listed.len() == 1 && !made.path.contains(&listed[0].id), "no secret is shown again");

    assert_eq!(
        code(&auditor.remove_feed(&made.id).await.unwrap_err()),
        (403, "auth.right-missing")
    );
    planner.remove_feed(&made.id).await.unwrap();
    assert_eq!(get(&made.path).await.0, 401);
    let rollout = FeedQuery { rollout: Some("none".parse().unwrap()), person: None };
    assert_eq!(code(&planner.feed(&rollout).await.unwrap_err()), (404, "store.missing"));
    stage.server.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn window_that_hosts_name_is_not_removed_and_unknown_ones_are_not_named() {
    let stage = Stage::open().await;
    let planner = stage.person("planner", &[Right::Planner]).await;
    planner.put_windows(&put(vec![window("night", "FREQ=WEEKLY;BYDAY=SA")])).await.unwrap();
    let mut host = refit_inventory::HostRecord::new(
        "web-1".parse().unwrap(),
        "north".parse().unwrap(),
        "app".parse().unwrap(),
    );
    host.windows.insert("nigth".parse().unwrap());
    let import = |host: &refit_inventory::HostRecord| refit_protocol::v1::HostImport {
        hosts: vec![host.clone()],
    };
    let refused = planner.import_hosts(&import(&host)).await.unwrap_err();
    assert!(refused.to_string().contains("fault"), "{refused}");
    host.windows = BTreeSet::from(["night".parse().unwrap()]);
    planner.import_hosts(&import(&host)).await.unwrap();
    assert_eq!(planner.windows().await.unwrap()[0].hosts, 1);
    let refused = planner.remove_window(&"night".parse().unwrap()).await.unwrap_err();
    assert_eq!(code(&refused), (409, "window.in-use"));
    stage.server.shutdown().await;
}

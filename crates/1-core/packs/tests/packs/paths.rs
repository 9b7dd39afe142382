use proptest::prelude::*;
use refit_names::{BuildId, ByteSize, Coded, Digest, ProductName, TargetName};
use refit_packs::catalog::{CATALOG_FORMAT, Catalog, PackSummary, PathError};
use refit_packs::manifest::PackKind;
use std::collections::{BTreeMap, BTreeSet};

fn build(text: &str) -> BuildId {
    BuildId::parse(text).unwrap()
}

fn product() -> ProductName {
    ProductName::parse("ledger").unwrap()
}

fn pack(from: &[&str], to: &str) -> PackSummary {
    PackSummary {
        product: product(),
        from: from.iter().map(|from| build(from)).collect(),
        to: build(to),
        kind: PackKind::Minor,
        title: to.to_owned(),
        record: TargetName::parse(format!("packs/{to}-{}.json", from.join("-"))).unwrap(),
        record_digest: Digest::of(to.as_bytes()),
        size: ByteSize(1),
        blocked: BTreeMap::new(),
        supersedes: std::collections::BTreeSet::new(),
        floor: None,
        withdrawn: None,
        known_issues: Vec::new(),
        terms: refit_packs::manifest::Terms::default(),
    }
}

fn catalog(packs: Vec<PackSummary>) -> Catalog {
    Catalog { format: CATALOG_FORMAT.to_owned(), packs }
}

fn steps(catalog: &Catalog, from: &str, to: &str) -> Result<Vec<String>, PathError> {
    let path = catalog.path(&product(), &build(from), &build(to))?;
    Ok(path.iter().map(|pack| pack.to.to_string()).collect())
}

fn ladder() -> Vec<PackSummary> {
    vec![
        pack(&["1000"], "1100"),
        pack(&["1100"], "1200"),
        pack(&["1000"], "1150"),
        pack(&["1150"], "1200"),
        pack(&["1200"], "1300"),
    ]
}

#[test]
fn the_shortest_path_is_found_and_ties_are_broken_by_text() {
    let catalog = catalog(ladder());
    assert_eq!(steps(&catalog, "1000", "1300").unwrap(), ["1100", "1200", "1300"]);
    let mut direct = ladder();
    direct.push(pack(&["1000", "1100"], "1300"));
    assert_eq!(steps(&self::catalog(direct), "1000", "1300").unwrap(), ["1300"]);
    let reached: Vec<_> = catalog
        .reachable(&product(), &build("1000"))
        .into_iter()
        .map(|(to, path)| format!("{to}:{}", path.len()))
        .collect();
    assert_eq!(reached, ["1100:1", "1150:1", "1200:2", "1300:3"]);
}

#[test]
fn the_same_build_and_an_older_one_are_refused_with_what_would_work() {
    let catalog = catalog(ladder());
    assert_eq!(steps(&catalog, "1100", "1100").unwrap_err().code(), "path.already-there");
    let back = steps(&catalog, "1200", "1000").unwrap_err();
    assert_eq!(
        back.to_string(),
        "build `1000` of product `ledger` is older than build `1200`: it leads there by 1000 → 1100 → 1200; packs lead forward only"
    );
    let side = steps(&catalog, "1100", "1150").unwrap_err();
    assert_eq!(
        side.to_string(),
        "no published path of product `ledger` from build `1100` to `1150`; from it can be reached: `1200`, `1300`; the wanted one can be reached from: `1000`"
    );
    let unknown = steps(&catalog, "900", "1200").unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "no pack of product `ledger` names build `900`; known builds: `1000`, `1100`, `1150`, `1200`, `1300`"
    );
    let other = ProductName::parse("other").unwrap();
    let unknown = catalog.path(&other, &build("1000"), &build("1200")).unwrap_err();
    assert_eq!(unknown.to_string(), "repository has no pack of product `other`; it has: `ledger`");
}

#[test]
fn a_blocked_or_withdrawn_edge_is_walked_around_or_named_with_its_reason() {
    let mut packs = ladder();
    packs[0].blocked.insert(build("1000"), "loses the audit trail".to_owned());
    assert_eq!(steps(&catalog(packs.clone()), "1000", "1200").unwrap(), ["1150", "1200"]);
    assert_eq!(
        steps(&catalog(packs.clone()), "1000", "1100").unwrap_err().to_string(),
        "pack of product `ledger` to build `1100` is blocked for build `1000`: loses the audit trail; from it can be reached: `1150`, `1200`, `1300`; the wanted one can be reached from: nothing"
    );
    packs[4].withdrawn = Some("damages indexes".to_owned());
    assert_eq!(
        steps(&catalog(packs), "1000", "1300").unwrap_err().to_string(),
        "pack of product `ledger` to build `1300` was withdrawn: damages indexes; from it can be reached: `1150`, `1200`; the wanted one can be reached from: nothing"
    );
}

#[test]
fn packs_of_another_product_lead_nowhere() {
    let mut packs = ladder();
    packs[1].product = ProductName::parse("other").unwrap();
    packs[3].product = ProductName::parse("other").unwrap();
    assert_eq!(steps(&catalog(packs), "1000", "1200").unwrap_err().code(), "path.none");
}

#[test]
fn of_equally_many_packs_the_fewest_bytes_win() {
    let mut packs = ladder();
    packs[0].size = ByteSize(2);
    assert_eq!(steps(&catalog(packs), "1000", "1200").unwrap(), ["1150", "1200"]);
}

#[test]
fn a_floor_is_passed_on_the_way_or_named() {
    let mut packs = ladder();
    packs.push(pack(&["1000", "1100", "1200"], "1400"));
    packs[5].floor = Some(build("1200"));
    let catalog = catalog(packs.clone());
    assert_eq!(steps(&catalog, "1000", "1400").unwrap(), ["1100", "1200", "1400"]);
    let route = catalog.route(&product(), &build("1000"), &build("1400")).unwrap();
    assert_eq!(
        route.remarks,
        ["the direct pack 1000 → 1400 is not taken: build 1200 must be passed first"]
    );
    // The floor itself cannot be reached any more: that is the cause.
    packs[1].withdrawn = Some("bad".to_owned());
    packs[3].withdrawn = Some("bad".to_owned());
    let refused = steps(&self::catalog(packs.clone()), "1000", "1400").unwrap_err();
    assert_eq!(refused.code(), "path.withdrawn");
    assert!(refused.to_string().contains("to build `1200` was withdrawn: bad"), "{refused}");
    packs.remove(3);
    packs.remove(1);
    let refused = steps(&self::catalog(packs), "1000", "1400").unwrap_err();
    assert_eq!(refused.code(), "path.below-floor");
    assert_eq!(
        refused.to_string(),
        "build `1000` of product `ledger` is below the floor of build `1400`: it must pass build `1200` first, and no path leads there; from it can be reached: `1100`, `1150`; the wanted one can be reached from: `1200`"
    );
}

#[test]
fn a_superseded_build_is_avoided_unless_it_is_the_only_way() {
    let mut packs = ladder();
    // 1150 replaces 1100: the way by 1150 is taken although its names come later.
    packs[2].supersedes.insert(build("1100"));
    assert_eq!(steps(&catalog(packs.clone()), "1000", "1200").unwrap(), ["1150", "1200"]);
    // Even when it costs a pack more.
    packs.remove(3);
    packs.push(pack(&["1150"], "1180"));
    packs.push(pack(&["1180"], "1200"));
    assert_eq!(steps(&catalog(packs.clone()), "1000", "1200").unwrap(), ["1150", "1180", "1200"]);
    packs.pop();
    let only = catalog(packs.clone());
    let route = only.route(&product(), &build("1000"), &build("1200")).unwrap();
    assert_eq!(route.packs.len(), 2);
    assert_eq!(
        route.remarks,
        ["build 1100 is superseded by build 1150 and taken because there is no other way"]
    );
    assert_eq!(only.replaced_by(&product(), &build("1100")), Some(build("1150")));
    // What was itself withdrawn replaces nothing.
    packs[2].withdrawn = Some("worse".to_owned());
    assert_eq!(catalog(packs).replaced_by(&product(), &build("1100")), None);
}

#[test]
fn a_catalogue_of_before_is_read_and_a_new_one_without_news_looks_the_same() {
    let old = pack(&["1000"], "1100");
    let text = serde_json::to_string(&old).unwrap();
    assert!(!text.contains("supersedes") && !text.contains("floor"), "{text}");
    assert_eq!(serde_json::from_str::<PackSummary>(&text).unwrap(), old);
}

#[test]
fn cincinnati_has_only_edges_that_may_be_taken_and_says_why_not_others() {
    let mut packs = ladder();
    packs[0].blocked.insert(build("1000"), "loses the audit trail".to_owned());
    packs[4].withdrawn = Some("damages indexes".to_owned());
    packs[2].supersedes.insert(build("1100"));
    let catalog = catalog(packs);
    let json = serde_json::to_value(catalog.cincinnati(&product())).unwrap();
    let versions: Vec<_> =
        json["nodes"].as_array().unwrap().iter().map(|node| node["version"].clone()).collect();
    assert_eq!(versions, ["1000", "1100", "1150", "1200", "1300"]);
    assert_eq!(json["edges"], serde_json::json!([[0, 2], [1, 3], [2, 3]]));
    let conditional = json["conditionalEdges"].as_array().unwrap();
    assert_eq!(conditional[0]["edges"][0], serde_json::json!({ "from": "1000", "to": "1100" }));
    assert_eq!(conditional[0]["risks"][0]["name"], "Blocked");
    assert_eq!(
        conditional[0]["risks"][0]["matchingRules"],
        serde_json::json!([{ "type": "Always" }])
    );
    assert_eq!(conditional[1]["risks"][0]["message"], "withdrawn: damages indexes");
    assert_eq!(json["nodes"][1]["metadata"]["refit.superseded-by"], "1150");
    assert_eq!(json["nodes"][0]["payload"], "");
    let dot = catalog.graph(&product()).dot();
    assert!(dot.contains("\"1000\" -> \"1100\" [style=dotted, color=red, label=\"blocked: loses the audit trail\"];"), "{dot}");
    assert!(dot.contains("\"1100\" [style=dashed];"), "{dot}");
}

proptest! {
    #[test]
    fn a_path_is_a_chain_and_no_shorter_one_exists(edges in proptest::collection::btree_set((0u8..8, 0u8..8), 0..20)) {
        let edges: BTreeSet<_> = edges.into_iter().filter(|(a, b)| a != b).collect();
        let packs = edges.iter().map(|(a, b)| pack(&[&a.to_string()], &b.to_string())).collect();
        let catalog = catalog(packs);
        // Distances by relaxation: a different method than the one under test.
        let mut far = [u32::MAX; 8];
        far[0] = 0;
        for _ in 0..8 {
            for (a, b) in &edges {
                let next = far[*a as usize].saturating_add(1);
                far[*b as usize] = far[*b as usize].min(next);
            }
        }
        for to in 1u8..8 {
            match catalog.path(&product(), &build("0"), &build(&to.to_string())) {
                Ok(path) => {
                    prop_assert_eq!(path.len() as u32, far[to as usize]);
                    let mut at = build("0");
                    for pack in path {
                        prop_assert!(pack.from.contains(&at));
                        at = pack.to.clone();
                    }
                    prop_assert_eq!(at.to_string(), to.to_string());
                }
                Err(_) => prop_assert_eq!(far[to as usize], u32::MAX),
            }
        }
    }
}

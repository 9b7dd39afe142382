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
        withdrawn: None,
        known_issues: Vec::new(),
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
        "no published path of product `ledger` from build `1200` to `1000`; from it can be reached: `1300`; the wanted one can be reached from: nothing"
    );
    let unknown = steps(&catalog, "900", "1200").unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "no published path of product `ledger` from build `900` to `1200`; from it can be reached: nothing; the wanted one can be reached from: `1000`, `1100`, `1150`"
    );
}

#[test]
fn a_blocked_or_withdrawn_edge_is_walked_around_or_named_with_its_reason() {
    let mut packs = ladder();
    packs[0].blocked.insert(build("1000"), "loses the audit trail".to_owned());
    assert_eq!(steps(&catalog(packs.clone()), "1000", "1200").unwrap(), ["1150", "1200"]);
    assert_eq!(
        steps(&catalog(packs.clone()), "1000", "1100").unwrap_err().to_string(),
        "pack of product `ledger` to build `1100` is blocked for build `1000`: loses the audit trail"
    );
    packs[4].withdrawn = Some("damages indexes".to_owned());
    assert_eq!(
        steps(&catalog(packs), "1000", "1300").unwrap_err().to_string(),
        "pack of product `ledger` to build `1300` was withdrawn: damages indexes"
    );
}

#[test]
fn packs_of_another_product_lead_nowhere() {
    let mut packs = ladder();
    packs[1].product = ProductName::parse("other").unwrap();
    packs[3].product = ProductName::parse("other").unwrap();
    assert_eq!(steps(&catalog(packs), "1000", "1200").unwrap_err().code(), "path.none");
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

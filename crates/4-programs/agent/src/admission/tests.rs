use super::*;
use refit_names::{ByteSize, TargetName};
use refit_plan::{Leg, OrderKey, PackPin, Way};
use std::collections::BTreeSet;
use std::path::Path;

fn build(text: &str) -> BuildId {
    BuildId::parse(text).unwrap()
}

fn leg(from: &str, to: &str) -> Leg {
    Leg {
        from: build(from),
        way: Way::Forward,
        pack: PackPin {
            to: build(to),
            record: TargetName::parse(format!("packs/ledger-{to}.json")).unwrap(),
            digest: Digest::of(to.as_bytes()),
            size: ByteSize(1),
        },
    }
}

fn order() -> Order {
    Order {
        key: OrderKey { rollout: RolloutName::parse("spring").unwrap(), generation: Generation(2) },
        plan: Digest::of(b"plan"),
        host: HostName::parse("web1").unwrap(),
        product: ProductName::parse("ledger").unwrap(),
        legs: vec![leg("1000", "1100"), leg("1100", "1200")],
        parameters: BTreeMap::new(),
        opening: None,
        times: None,
        parts: BTreeSet::new(),
    }
}

struct Host {
    accepted: BTreeMap<RolloutName, (Generation, Digest)>,
    installed: Option<BuildId>,
    quarantined: BTreeMap<BuildId, String>,
    config: &'static str,
}

const CONFIG: &str = "[[product]]\nname = \"ledger\"\nroot = \"/srv/ledger\"\nservice = { kind = \"supervised\", run = [\"x\"] }\n";

fn host() -> Host {
    Host {
        accepted: BTreeMap::new(),
        installed: Some(build("1000")),
        quarantined: BTreeMap::new(),
        config: CONFIG,
    }
}

impl Host {
    fn says(&self, order: &Order) -> Result<(), (&'static str, String)> {
        let config = Config::parse(Path::new("agent.toml"), self.config).unwrap();
        let with = Admission {
            host: &HostName::parse("web1").unwrap(),
            config: &config,
            accepted: &self.accepted,
            installed: self.installed.as_ref(),
            quarantined: &self.quarantined,
        };
        admit(order, &with).map_err(|refusal| (refusal.code(), refusal.to_string()))
    }
}

#[test]
fn order_that_fits_is_taken_again_and_again() {
    let mut host = host();
    assert_eq!(host.says(&order()), Ok(()));
    host.accepted.insert(order().key.rollout, (Generation(2), order().plan));
    assert_eq!(host.says(&order()), Ok(()));
}

#[test]
fn order_of_another_host_is_refused() {
    let mut wrong = order();
    wrong.host = HostName::parse("web2").unwrap();
    let (code, text) = host().says(&wrong).unwrap_err();
    assert_eq!(
        (code, text.as_str()),
        ("order.other-host", "order is for host `web2`, this is host `web1`")
    );
}

#[test]
fn older_generation_is_refused_and_names_both() {
    let mut host = host();
    host.accepted.insert(order().key.rollout, (Generation(3), Digest::of(b"other")));
    let (code, text) = host.says(&order()).unwrap_err();
    assert_eq!(code, "order.older-generation");
    assert!(text.contains("generation 2") && text.contains("generation 3"), "{text}");
}

#[test]
fn same_generation_with_another_plan_is_refused() {
    let mut host = host();
    host.accepted.insert(order().key.rollout, (Generation(2), Digest::of(b"other")));
    assert_eq!(host.says(&order()).unwrap_err().0, "order.other-plan");
}

#[test]
fn unknown_product_is_refused_and_names_the_known_ones() {
    let mut wrong = order();
    wrong.product = ProductName::parse("cinema").unwrap();
    let (code, text) = host().says(&wrong).unwrap_err();
    assert_eq!(code, "order.unknown-product");
    assert!(text.contains("`cinema`") && text.contains("ledger"), "{text}");
}

#[test]
fn host_that_is_at_the_target_or_elsewhere_refuses_and_names_the_builds() {
    let mut host = host();
    host.installed = Some(build("1200"));
    let (code, text) = host.says(&order()).unwrap_err();
    assert_eq!(
        (code, text.as_str()),
        ("order.already-at-build", "product `ledger` is already at build 1200")
    );
    host.installed = Some(build("900"));
    let (code, text) = host.says(&order()).unwrap_err();
    assert_eq!(code, "order.other-build");
    assert!(text.contains("build 1000") && text.contains("build 900"), "{text}");
    host.installed = None;
    assert_eq!(host.says(&order()).unwrap_err().0, "order.other-build");
}

#[test]
fn quarantined_build_is_refused_with_its_cause() {
    let mut host = host();
    host.quarantined.insert(build("1200"), "migration failed".to_owned());
    let (code, text) = host.says(&order()).unwrap_err();
    assert_eq!(code, "order.quarantined-build");
    assert!(text.contains("1200") && text.contains("migration failed"), "{text}");
}

#[test]
fn legs_that_do_not_meet_are_refused() {
    let mut wrong = order();
    wrong.legs[1].from = build("1150");
    assert_eq!(host().says(&wrong).unwrap_err().0, "order.broken-path");
    wrong.legs.clear();
    assert_eq!(host().says(&wrong).unwrap_err().0, "order.broken-path");
}

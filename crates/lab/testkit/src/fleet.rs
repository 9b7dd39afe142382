//! Hosts and catalogues.

use crate::lit;
use jiff::Timestamp;
use refit_inventory::{
    Criticality, HostRecord, Lifecycle, ObservedFacts, ObservedProduct, ServiceState,
};
use refit_names::{ByteSize, Digest, ProductName};
use refit_packs::catalog::{CATALOG_FORMAT, Catalog, PackSummary};
use refit_packs::manifest::PackKind;
use std::collections::BTreeMap;

/// The product of all builders.
pub const PRODUCT: &str = "ledger";

/// Makes a host, changed call by call.
#[derive(Debug, Clone)]
pub struct HostBuilder(HostRecord);

/// A plain host: site `home`, role `app`, healthy, [`PRODUCT`] at build `1000`, heard of at `seen`.
#[must_use]
pub fn host(name: &str, seen: Timestamp) -> HostBuilder {
    let product = ObservedProduct {
        name: lit(PRODUCT),
        build: Some(lit("1000")),
        root: format!("/srv/{PRODUCT}"),
        size: ByteSize(100 << 20),
        free: ByteSize(10 << 30),
        services: ServiceState::Running,
        parameters: BTreeMap::new(),
        backup_at: None,
        parts: Default::default(),
        quarantined: BTreeMap::new(),
    };
    let facts = ObservedFacts {
        observed_at: seen,
        os: "linux".to_owned(),
        os_release: "Debian GNU/Linux 12".to_owned(),
        arch: "x86_64".to_owned(),
        kernel: "6.1.0".to_owned(),
        boot_id: format!("boot-of-{name}"),
        booted_at: Some(seen),
        memory: ByteSize(4 << 30),
        virtualisation: None,
        agent_version: "0.1.0".to_owned(),
        products: vec![product],
    };
    HostBuilder(HostRecord {
        criticality: Criticality::Low,
        last_seen: Some(seen),
        facts: Some(facts),
        ..HostRecord::new(lit(name), lit("home"), lit("app"))
    })
}

impl HostBuilder {
    /// The finished record.
    #[must_use]
    pub fn record(self) -> HostRecord {
        self.0
    }

    /// Its build is `build`.
    #[must_use]
    pub fn at_build(mut self, build: &str) -> Self {
        self.product().build = Some(lit(build));
        self
    }

    /// How much hangs on it.
    #[must_use]
    pub fn criticality(mut self, criticality: Criticality) -> Self {
        self.0.criticality = criticality;
        self
    }

    /// Its cluster.
    #[must_use]
    pub fn in_cluster(mut self, cluster: &str) -> Self {
        self.0.cluster = Some(cluster.to_owned());
        self
    }

    /// It is changed after `first`.
    #[must_use]
    pub fn after(mut self, first: &str) -> Self {
        self.0.after.insert(lit(first));
        self
    }

    /// `build` was rolled back here.
    #[must_use]
    pub fn quarantined(mut self, build: &str, cause: &str) -> Self {
        self.product().quarantined.insert(lit(build), cause.to_owned());
        self
    }

    /// Out of service.
    #[must_use]
    pub fn retired(mut self) -> Self {
        self.0.lifecycle = Lifecycle::Retired;
        self
    }

    /// Its agent never reported.
    #[must_use]
    pub fn never_seen(mut self) -> Self {
        (self.0.facts, self.0.last_seen) = (None, None);
        self
    }

    /// Any other change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut HostRecord)) -> Self {
        change(&mut self.0);
        self
    }

    fn product(&mut self) -> &mut ObservedProduct {
        let products = self.0.facts.as_mut().map(|facts| &mut facts.products);
        match products.and_then(|products| products.first_mut()) {
            Some(product) => product,
            None => panic!("the test's host `{}` has no product any more", self.0.name),
        }
    }
}

/// A published pack of [`PRODUCT`].
#[must_use]
pub fn pack(from: &[&str], to: &str) -> PackSummary {
    PackSummary {
        product: lit::<ProductName>(PRODUCT),
        from: from.iter().map(|from| lit(from)).collect(),
        to: lit(to),
        kind: PackKind::ServicePack,
        title: format!("{PRODUCT} {to}"),
        record: lit(&format!("packs/{PRODUCT}-{to}.json")),
        record_digest: Digest::of(to.as_bytes()),
        size: ByteSize(5 << 20),
        blocked: BTreeMap::new(),
        supersedes: std::collections::BTreeSet::new(),
        floor: None,
        withdrawn: None,
        known_issues: Vec::new(),
        terms: refit_packs::manifest::Terms::default(),
    }
}

/// A catalogue of these packs.
#[must_use]
pub fn catalog(mut packs: Vec<PackSummary>) -> Catalog {
    packs.sort_by(|a, b| (&a.product, &a.to).cmp(&(&b.product, &b.to)));
    Catalog { format: CATALOG_FORMAT.to_owned(), packs }
}

//! What is published, over all who may publish: the operator's own catalogue and those of the vendors, each only for what is his.

use crate::{
    Repository, RepositoryError, delegations,
    delegations::{Delegated, own},
    download,
};
use refit_names::{ByteSize, ProductName, RunbookName, TargetName};
use refit_packs::{
    catalog::{CATALOG_FORMAT, CATALOG_TARGET, Catalog, PackSummary},
    pattern::product_of,
    runbook::{self, RUNBOOK_BYTES_MAX, Runbook},
};
use std::collections::BTreeSet;

/// A catalogue of 50,000 packs has about 30 MB.
const CATALOG_BYTES_MAX: ByteSize = ByteSize(64 << 20);

/// All packs, and what was not believed.
#[must_use]
#[derive(Debug)]
pub struct CatalogReport {
    /// What every role may say.
    pub catalog: Catalog,
    /// Vendors whose metadata, catalogue or entries are refused. The packs of others are not touched by that.
    pub refused: Vec<RefusedVendor>,
}

/// What a vendor says and may not, or says in a way that cannot be believed.
#[derive(Debug)]
pub struct RefusedVendor {
    /// The delegated role.
    pub role: String,
    /// Why.
    pub error: RepositoryError,
}

/// A runbook in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookEntry {
    /// Its name.
    pub name: RunbookName,
    /// Its version.
    pub version: u32,
    /// The target.
    pub target: TargetName,
    /// The role that signed it.
    pub role: String,
}

impl Repository {
    /// All packs that those who publish them may publish.
    ///
    /// # Errors
    /// As [`Repository::read`]; [`RepositoryError::Malformed`].
    pub async fn catalog(&self) -> Result<Catalog, RepositoryError> {
        Ok(self.catalog_report().await?.catalog)
    }

    /// All packs, with the reasons why some are not among them.
    ///
    /// The operator's own catalogue wins where both speak of one build: so he can withdraw a vendor's pack.
    ///
    /// # Errors
    /// As [`Repository::catalog`]: what is wrong with the operator's own. A vendor's faults are in the report.
    pub async fn catalog_report(&self) -> Result<CatalogReport, RepositoryError> {
        let name = target(CATALOG_TARGET)?;
        let mut catalog = match own(&self.trusted.targets.signed, name.as_str()) {
            Some(found) => self.read_catalog(&name, &found).await?,
            None => Catalog { format: CATALOG_FORMAT.to_owned(), packs: Vec::new() },
        };
        let (vendors, mut refused) = self.delegated().await;
        if vendors.is_empty() && own(&self.trusted.targets.signed, CATALOG_TARGET).is_none() {
            return Err(RepositoryError::NoSuchTarget { name });
        }
        let key = |pack: &PackSummary| (pack.product.clone(), pack.to.clone());
        let mut known: BTreeSet<_> = catalog.packs.iter().map(key).collect();
        for vendor in vendors {
            match self.vendor_catalog(&vendor).await {
                Ok(None) => {}
                Ok(Some(packs)) => {
                    for pack in packs {
                        match self.check_vendor(&vendor.name, &pack).await {
                            Ok(()) if known.insert(key(&pack)) => catalog.packs.push(pack),
                            Ok(()) => {}
                            Err(error) => {
                                refused.push(RefusedVendor { role: vendor.name.clone(), error });
                            }
                        }
                    }
                }
                Err(error) => refused.push(RefusedVendor { role: vendor.name, error }),
            }
        }
        catalog.packs.sort_by(|a, b| (&a.product, &a.to).cmp(&(&b.product, &b.to)));
        for RefusedVendor { role, error } in &refused {
            tracing::warn!(
                role,
                error = refit_names::chain(error),
                "what a vendor says is refused"
            );
        }
        Ok(CatalogReport { catalog, refused })
    }

    /// The runbooks that are published, sorted by name and version.
    ///
    /// # Errors
    /// What is wrong with the roles that may publish runbooks.
    pub async fn runbooks(&self) -> Result<Vec<RunbookEntry>, RepositoryError> {
        let mut entries = Vec::new();
        let (roles, mut refused) = self.delegated().await;
        if let Some(first) = refused.pop() {
            return Err(first.error);
        }
        let top =
            Delegated { name: "targets".to_owned(), targets: self.trusted.targets.signed.clone() };
        for role in roles.into_iter().chain([top]) {
            for name in role.targets.targets.keys() {
                let Some(entry) = runbook_entry(name.raw(), &role.name) else { continue };
                let found = delegations::find(&self.workflow, &self.trusted, name.raw()).await?;
                if found.is_some_and(|found| found.role == role.name) {
                    entries.push(entry);
                }
            }
        }
        entries.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        Ok(entries)
    }

    /// One runbook.
    ///
    /// # Errors
    /// As [`Repository::read`]; [`RepositoryError::Malformed`] when it is no runbook, or another than its name says.
    pub async fn runbook(&self, entry: &RunbookEntry) -> Result<Runbook, RepositoryError> {
        let text = self.read(&entry.target, ByteSize(RUNBOOK_BYTES_MAX as u64)).await?;
        let malformed = |why: Box<dyn std::error::Error + Send + Sync>| {
            RepositoryError::Malformed { what: entry.target.to_string(), source: why }
        };
        let text = String::from_utf8(text).map_err(|error| malformed(Box::new(error)))?;
        let runbook = runbook::parse(&text).map_err(|error| malformed(Box::new(error)))?;
        if runbook.name != entry.name || runbook.version != entry.version {
            return Err(malformed(
                format!("it is runbook {} version {}", runbook.name, runbook.version).into(),
            ));
        }
        Ok(runbook)
    }

    /// Every delegated role that can be believed, in the order in which they are asked, and those that cannot.
    async fn delegated(&self) -> (Vec<Delegated>, Vec<RefusedVendor>) {
        let all = delegations::walk(&self.workflow, &self.trusted).await;
        let refused = all.refused.into_iter().map(|(role, error)| RefusedVendor { role, error });
        (all.roles, refused.collect())
    }

    async fn vendor_catalog(
        &self,
        vendor: &Delegated,
    ) -> Result<Option<Vec<PackSummary>>, RepositoryError> {
        let name = target(&format!("vendors/{}/{CATALOG_TARGET}", vendor.name))?;
        let Some(found) = own(&vendor.targets, name.as_str()) else { return Ok(None) };
        Ok(Some(self.read_catalog(&name, &found).await?.packs))
    }

    /// A vendor speaks for a pack when its record has the product's name and every search for it ends with this vendor.
    async fn check_vendor(&self, role: &str, pack: &PackSummary) -> Result<(), RepositoryError> {
        let refused = || RepositoryError::NotDelegated {
            role: role.to_owned(),
            what: format!("{} {}", pack.product, pack.to),
        };
        if product_of(&pack.record) != Some(product_name(&pack.product)) {
            return Err(refused());
        }
        let found = delegations::find(&self.workflow, &self.trusted, pack.record.as_str()).await?;
        if found.is_some_and(|found| found.role == role) { Ok(()) } else { Err(refused()) }
    }

    async fn read_catalog(
        &self,
        name: &TargetName,
        found: &tough::schema::Target,
    ) -> Result<Catalog, RepositoryError> {
        let wanted = self.wanted_of(name.as_str(), found)?;
        if wanted.length > CATALOG_BYTES_MAX.0 {
            let limit = CATALOG_BYTES_MAX;
            return Err(RepositoryError::TooLarge { what: name.to_string(), limit });
        }
        let text = download::read(self.way(), &wanted).await?;
        let catalog: Catalog = serde_json::from_slice(&text)
            .map_err(|error| RepositoryError::malformed(name.to_string(), error))?;
        if catalog.format != CATALOG_FORMAT {
            let found = format!("expected format `{CATALOG_FORMAT}`, found `{}`", catalog.format);
            return Err(RepositoryError::malformed(name.to_string(), found));
        }
        Ok(catalog)
    }
}

fn product_name(product: &ProductName) -> &str {
    product.as_str()
}

fn runbook_entry(target: &str, role: &str) -> Option<RunbookEntry> {
    let (name, version) =
        target.strip_prefix("runbooks/")?.strip_suffix(".yaml")?.split_once('/')?;
    Some(RunbookEntry {
        name: RunbookName::parse(name).ok()?,
        version: version.parse().ok()?,
        target: TargetName::parse(target).ok()?,
        role: role.to_owned(),
    })
}

fn target(name: &str) -> Result<TargetName, RepositoryError> {
    TargetName::parse(name).map_err(|error| RepositoryError::malformed(name.to_owned(), error))
}

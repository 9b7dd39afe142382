//! Forgetting what nobody needs any more.

use crate::{
    error::{VaultError, guarded},
    lock::Lock,
    vault::{Snapshot, Vault, describe},
};
use jiff::{Span, Timestamp, tz::TimeZone};
use refit_names::{HostName, ProductName};
use refit_protocol::backup::Retention;
use rustic_core::{KeepOptions, PruneOptions};
use serde::{Deserialize, Serialize};

/// What forgetting does, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Stay, each with why.
    pub kept: Vec<(Snapshot, Vec<String>)>,
    /// Go.
    pub gone: Vec<Snapshot>,
}

impl Vault {
    /// Forgets snapshots of a product by `retention`; with `dry_run` it only says which. The newest always stays.
    ///
    /// Space is given back by [`Vault::prune`].
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn forget(
        &self,
        (host, product): (&HostName, &ProductName),
        retention: &Retention,
        now: Timestamp,
        dry_run: bool,
    ) -> Result<Forgotten, VaultError> {
        let failed = |what| VaultError::repository(what, &self.target);
        let _lock = Lock::take(&self.target)?;
        let ours =
            |file: &_| describe(file).is_some_and(|s| s.host == *host && s.product == *product);
        let files = self.all()?.into_iter().filter(ours).collect();
        let count = |number: u32| (number > 0).then(|| i32::try_from(number).unwrap_or(i32::MAX));
        let mut keep = KeepOptions::default();
        keep.keep_last = count(retention.last.max(1));
        keep.keep_daily = count(retention.daily);
        keep.keep_weekly = count(retention.weekly);
        keep.keep_monthly = count(retention.monthly);
        keep.keep_yearly = count(retention.yearly);
        let applied = keep.apply(files, &now.to_zoned(TimeZone::UTC));
        let mut result = Forgotten { kept: vec![], gone: vec![] };
        let mut ids = vec![];
        for verdict in applied.map_err(failed("apply the retention"))? {
            let Some(snapshot) = describe(&verdict.snapshot) else { continue };
            if verdict.keep {
                result.kept.push((snapshot, verdict.reasons));
            } else {
                ids.push(verdict.snapshot.id);
                result.gone.push(snapshot);
            }
        }
        if !dry_run && !ids.is_empty() {
            self.repository()?.delete_snapshots(&ids).map_err(failed("forget snapshots"))?;
        }
        Ok(result)
    }

    /// Gives back the room of what was forgotten. Packs go in two steps a day apart, so that a reader that began before
    /// still finds what it reads.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn prune(&self) -> Result<(), VaultError> {
        let failed = |what| VaultError::repository(what, &self.target);
        let _lock = Lock::take(&self.target)?;
        let mut options = PruneOptions::default();
        options.keep_delete = Span::new().hours(24);
        guarded("clean up", &self.target, || {
            let repository = self.repository()?;
            let plan = repository.prune_plan(&options).map_err(failed("plan the clean-up"))?;
            repository.prune(&options, plan).map_err(failed("clean up"))
        })
    }
}

//! What is wished for of backups, and what is wrong with them.

use crate::{app::App, refusal::Answer};
use jiff::{SignedDuration, Timestamp};
use refit_inventory::{HostRecord, Lifecycle};
use refit_names::{HostName, ProductName};
use refit_protocol::{
    backup::{BackupReport, BackupRequest, BackupSchedule, BackupWish},
    v1::{BackupRequestView, BackupScheduleView, HostBackups},
};
use std::collections::BTreeMap;

/// A backup by schedule that is older than this is late: a day for daily ones and a day for what may be in its way.
const LATE: SignedDuration = SignedDuration::from_hours(48);
/// The same for a schedule that names days of the week.
const LATE_WEEKLY: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Schedules and open requests, read once for the whole fleet.
pub(crate) struct Wishes {
    schedules: Vec<BackupScheduleView>,
    requests: Vec<BackupRequestView>,
}

impl Wishes {
    pub(crate) async fn load(app: &App) -> Answer<Self> {
        let schedules = app.store.backup_schedules().await?;
        Ok(Self { schedules, requests: app.store.backup_requests().await? })
    }

    /// What `host` is told.
    pub(crate) fn of(&self, host: &HostRecord) -> BackupWish {
        let mine = self.requests.iter().filter(|asked| asked.host == host.name);
        let requests = mine.map(|asked| BackupRequest {
            id: asked.id,
            product: asked.product.clone(),
            deed: asked.deed.clone(),
        });
        BackupWish { schedules: self.schedules_of(host), requests: requests.collect() }
    }

    fn schedules_of(&self, host: &HostRecord) -> BTreeMap<ProductName, BackupSchedule> {
        let mut narrowest: BTreeMap<&ProductName, &BackupScheduleView> = BTreeMap::new();
        for candidate in self.schedules.iter().filter(|schedule| concerns(schedule, host)) {
            let slot = narrowest.entry(&candidate.product).or_insert(candidate);
            if candidate.narrowness() > slot.narrowness() {
                *slot = candidate;
            }
        }
        let pairs = narrowest.into_iter();
        pairs.map(|(product, view)| (product.clone(), view.schedule.clone())).collect()
    }
}

fn concerns(schedule: &BackupScheduleView, host: &HostRecord) -> bool {
    schedule.host.as_ref().is_none_or(|name| *name == host.name)
        && schedule.role.as_ref().is_none_or(|role| *role == host.role)
        && schedule.site.as_ref().is_none_or(|site| *site == host.site)
        && host.product(&schedule.product).is_some()
}

/// What hosts said, with what is wrong; of all, or of one.
pub(crate) async fn views(app: &App, only: Option<&HostName>) -> Answer<Vec<HostBackups>> {
    let wishes = Wishes::load(app).await?;
    let mut reports = app.store.backup_reports().await?;
    let mut views = Vec::new();
    for host in app.store.hosts().await? {
        let wanted = only.map_or(host.lifecycle != Lifecycle::Retired, |only| *only == host.name);
        if !wanted {
            continue;
        }
        let (said_at, report) = match reports.remove(&host.name) {
            Some((at, report)) => (Some(at), report),
            None => (None, BackupReport::default()),
        };
        let open = wishes.requests.iter().filter(|asked| asked.host == host.name);
        views.push(HostBackups {
            reachable: app.is_reachable(app.last_seen(&host)),
            alarms: alarms(&report, &wishes.schedules_of(&host), app.now()),
            requests: open.cloned().collect(),
            host: host.name,
            said_at,
            report,
        });
    }
    Ok(views)
}

fn alarms(
    report: &BackupReport,
    schedules: &BTreeMap<ProductName, BackupSchedule>,
    now: Timestamp,
) -> Vec<String> {
    let failed = report.alarms.iter().map(|(product, cause)| {
        format!("backup of {product} failed: [{}] {}", cause.code, cause.text)
    });
    let late = schedules.iter().filter_map(|(product, schedule)| {
        let newest = report.backups.iter().filter(|backup| backup.product == *product);
        let newest = newest.map(|backup| backup.taken_at).max();
        let limit = if schedule.days.is_empty() { LATE } else { LATE_WEEKLY };
        match newest {
            None => Some(format!("there is no backup of {product}, though a schedule asks for it")),
            Some(at) if now.duration_since(at) > limit => {
                Some(format!("the newest backup of {product} is of {at}, which is late"))
            }
            Some(_) => None,
        }
    });
    failed.chain(late).collect()
}

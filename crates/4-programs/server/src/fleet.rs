//! Changes of what people state of the fleet: every way in goes through here and meets the same rules.

use crate::{
    app::App,
    refusal::{Answer, ApiError, Refusal},
};
use refit_inventory::{Fleet, FleetFault, HostField, HostRecord, RecordKind, Said, did_you_mean};
use refit_names::{HostName, PersonName, WindowName};
use refit_protocol::v1::{FleetImport, FleetImported};
use refit_store::fleet::Keep;
use std::collections::BTreeSet;

/// Takes records over: all of them, or none with every fault.
pub(crate) async fn import(
    app: &App,
    person: &PersonName,
    import: FleetImport,
) -> Answer<FleetImported> {
    let keep = if import.dry_run { Keep::Try } else { Keep::Yes };
    change(app, person, keep, "fleet.import", |fleet, said| Ok(take(fleet, import, said))).await
}

/// Lets `change` work on the fleet, looks for faults, keeps it and writes it to the audit log.
pub(crate) async fn change(
    app: &App,
    person: &PersonName,
    keep: Keep,
    what: &'static str,
    change: impl FnOnce(&mut Fleet, &Said) -> Result<Taken, ApiError>,
) -> Answer<FleetImported> {
    let said = Said { by: person.clone(), at: app.now() };
    let who = (person.as_str(), said.at);
    let work = |fleet: &mut Fleet| -> Result<FleetImported, ApiError> {
        let taken = change(fleet, &said)?;
        let mut faults = taken.faults;
        faults.extend(fleet.faults(&taken.assumed));
        if !faults.is_empty() {
            return Err(Refusal::FleetFaults { faults }.into());
        }
        Ok(imported(fleet, taken.given))
    };
    let done = app.store.change_fleet(windows(app).await?, keep, who, work).await?;
    if keep == Keep::Yes {
        let counts = serde_json::json!({
            "created": done.created, "updated": done.updated, "unchanged": done.unchanged,
            "first": done.changes.iter().take(CHANGES_IN_AUDIT).collect::<Vec<_>>(),
        });
        app.audit(person, what, &counts).await?;
        app.changed();
    }
    Ok(done)
}

/// Changes that the audit log repeats; the record of every change has them all.
const CHANGES_IN_AUDIT: usize = 10;

/// What a change brought in.
#[derive(Default)]
pub(crate) struct Taken {
    /// Records that were looked at.
    pub(crate) given: usize,
    /// Faults that stand in the source itself.
    pub(crate) faults: Vec<FleetFault>,
    /// Hosts that may be referred to although they are not there.
    pub(crate) assumed: BTreeSet<HostName>,
}

/// Windows that are defined.
async fn windows(app: &App) -> Answer<Option<BTreeSet<WindowName>>> {
    Ok(Some(app.store.window_names().await?))
}

fn imported(fleet: &Fleet, given: usize) -> FleetImported {
    let created =
        fleet.changes().iter().filter(|change| change.what == refit_inventory::ChangeKind::Created);
    let created = created.count();
    let changed = fleet.changes().len();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    FleetImported {
        created: count(created),
        updated: count(changed - created),
        unchanged: count(given.saturating_sub(changed)),
        changes: fleet.changes().to_vec(),
        remarks: remarks(fleet),
    }
}

/// Names that no record stands behind yet.
fn remarks(fleet: &Fleet) -> Vec<String> {
    let named = |of: fn(&HostRecord) -> Option<&str>| {
        fleet.hosts().values().filter_map(of).collect::<BTreeSet<_>>()
    };
    let list = |names: &BTreeSet<&str>| {
        let shown: Vec<&str> = names.iter().take(5).copied().collect();
        shown.join(", ") + if names.len() > 5 { ", …" } else { "" }
    };
    let mut remarks = Vec::new();
    let sites = named(|host| Some(host.site.as_str()));
    if fleet.sites().is_empty() && !sites.is_empty() {
        let names = list(&sites);
        remarks
            .push(format!("no site has a record yet, so names of sites are not checked: {names}"));
    }
    let clusters = named(|host| host.cluster.as_deref());
    if fleet.clusters().is_empty() && !clusters.is_empty() {
        let names = list(&clusters);
        remarks.push(format!(
            "no cluster has a record yet: one member at a time is taken for all: {names}"
        ));
    }
    remarks
}

fn take(fleet: &mut Fleet, import: FleetImport, said: &Said) -> Taken {
    let mut taken = Taken { assumed: import.assumed, ..Taken::default() };
    let mut seen = BTreeSet::new();
    let mut once = |kind: RecordKind, name: String| {
        taken.given += 1;
        if !seen.insert((kind, name.clone())) {
            let (field, text) = ("name".to_owned(), "comes twice".to_owned());
            taken.faults.push(FleetFault { kind, name, field, text });
        }
    };
    for site in import.sites {
        once(RecordKind::Site, site.name.to_string());
        fleet.put_site(site);
    }
    for cluster in import.clusters {
        once(RecordKind::Cluster, cluster.name.clone());
        fleet.put_cluster(cluster);
    }
    for engineer in import.engineers {
        once(RecordKind::Engineer, engineer.name.to_string());
        fleet.put_engineer(engineer);
    }
    for host in import.hosts {
        once(RecordKind::Host, host.name.to_string());
        put_host(fleet, host, &import.fields, said);
    }
    taken
}

/// Puts what the source says of a host over what is known of it.
fn put_host(fleet: &mut Fleet, host: HostRecord, fields: &BTreeSet<HostField>, said: &Said) {
    let before = fleet.hosts().get(&host.name);
    let mut after = match before {
        Some(before) if !fields.is_empty() => {
            let mut after = before.clone();
            for field in fields {
                after.copy_field(*field, &host);
            }
            after
        }
        _ => HostRecord { last_seen: None, facts: None, ..host },
    };
    after.date(before, said);
    fleet.put_host(after);
}

/// The host of a change.
pub(crate) fn host_of(fleet: &Fleet, name: &HostName) -> Result<HostRecord, ApiError> {
    fleet.hosts().get(name).cloned().ok_or_else(|| {
        let meant = did_you_mean(name.as_str(), fleet.hosts().keys().map(HostName::as_str));
        Refusal::Misnamed { what: "host", key: name.to_string(), meant }.into()
    })
}

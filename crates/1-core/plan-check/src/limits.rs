//! Does everything stay within what may happen at the same time, and in its order?

use crate::{Case, Finding, Rule, busy, find, ms};
use jiff::Timestamp;
use refit_names::{HostName, SiteName};
use std::collections::BTreeMap;

/// A wave starts when the one before it has ended and was watched.
pub(crate) fn soak(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut free_from: Option<(i64, &str)> = None;
    for wave in &case.plan.waves {
        let slots = || wave.hosts.iter().filter_map(|host| Some((host, host.slot.as_ref()?)));
        let new = slots().filter(|(host, _)| !case.plan.begun.contains(&host.host));
        if let Some((from, before)) = free_from {
            for (host, slot) in new.filter(|(_, slot)| ms(slot.starts_at) < from) {
                let text = format!(
                    "host {} of {} starts at {}, expected {} at the earliest, when {before} was watched",
                    host.host,
                    wave.name,
                    slot.starts_at,
                    Timestamp::from_millisecond(from).unwrap_or(Timestamp::MAX)
                );
                find(findings, Rule::Soak, text);
            }
        }
        let ends = slots().map(|(host, slot)| busy(host, slot).1).max();
        if let Some(ends) = ends {
            let soak = i64::try_from(wave.soak_ms).unwrap_or(i64::MAX);
            let watched = ends.saturating_add(soak);
            let latest = free_from.map_or(watched, |(from, _)| from.max(watched));
            free_from = Some((latest, wave.name.as_str()));
        }
    }
}

/// The most that run at once, and who starts then.
fn peak(mut spans: Vec<(i64, i64, &HostName)>) -> Option<(usize, &HostName)> {
    spans.sort_unstable();
    let mut ends = std::collections::BinaryHeap::new();
    let mut most: Option<(usize, &HostName)> = None;
    for (start, end, host) in spans {
        while ends.peek().is_some_and(|std::cmp::Reverse(first)| *first <= start) {
            ends.pop();
        }
        ends.push(std::cmp::Reverse(end));
        if most.is_none_or(|(count, _)| ends.len() > count) {
            most = Some((ends.len(), host));
        }
    }
    most
}

pub(crate) fn parallel(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for wave in &case.plan.waves {
        let slots = wave.hosts.iter().filter_map(|host| Some((host, host.slot.as_ref()?)));
        let spans = slots.map(|(host, slot)| {
            let (start, end) = busy(host, slot);
            (start, end, &host.host)
        });
        if let Some((count, host)) = peak(spans.collect())
            && count > usize::try_from(wave.parallel).unwrap_or(usize::MAX)
        {
            let text = format!(
                "{count} hosts of {} are down at once when {host} starts, expected at most {}",
                wave.name, wave.parallel
            );
            find(findings, Rule::Parallel, text);
        }
    }
}

pub(crate) fn sites(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut spans: BTreeMap<&SiteName, Vec<(i64, i64, &HostName)>> = BTreeMap::new();
    for (_, host) in case.plan.hosts() {
        if let Some(slot) = &host.slot {
            let (start, end) = busy(host, slot);
            spans.entry(&host.site).or_default().push((start, end, &host.host));
        }
    }
    for (site, spans) in spans {
        let Some(most) = case.sites.get(site).and_then(|site| site.down_at_once) else { continue };
        if let Some((count, host)) = peak(spans)
            && count > usize::try_from(most).unwrap_or(usize::MAX)
        {
            let text = format!(
                "{count} hosts of site {site} are down at once when {host} starts, expected at most {most}"
            );
            find(findings, Rule::Sites, text);
        }
    }
}

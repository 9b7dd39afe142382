//! Reasons that lie in what was seen of a machine, or said where nobody looked.

use super::{RiskInput, because, days_between, hours_between, one, products};
use crate::RiskReason;
use jiff::Timestamp;
use refit_inventory::{ObservedProduct, ServiceState};
use refit_names::ByteSize;

/// A fact with where it comes from.
struct Known<T> {
    value: T,
    source: String,
    at: Option<Timestamp>,
}

const AGENT: &str = "agent";

/// What the agent saw, else what was stated.
fn known<T>(input: &RiskInput<'_>, seen: Option<T>, stated: Option<T>) -> Option<Known<T>> {
    let at = input.host.facts.as_ref().map(|facts| facts.observed_at);
    if let Some(value) = seen {
        return Some(Known { value, source: AGENT.to_owned(), at });
    }
    let said = input.host.stated.as_ref()?;
    let by = said.by.as_ref().map_or("an import", |by| by.as_str());
    Some(Known { value: stated?, source: format!("said by {by}"), at: said.at })
}

pub(super) fn boot(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let seen = input.host.facts.as_ref().and_then(|facts| facts.booted_at);
    let stated = input.host.stated.as_ref().and_then(|stated| stated.booted_at);
    let Some(booted) = known(input, seen, stated) else { return Vec::new() };
    let days = days_between(booted.value, input.now);
    if days <= input.weights.get("boot.days") {
        return Vec::new();
    }
    let text = format!("it was not restarted for {days} days");
    let reason = because(text, "a proof reboot before the change", &booted.source, booted.at);
    one(input, "boot", "boot.old", reason)
}

pub(super) fn backup(input: &RiskInput<'_>) -> Vec<RiskReason> {
    if input.host.facts.is_none() && input.host.stated.is_none() {
        return Vec::new();
    }
    let what = "take a backup, and restore it somewhere, before the window";
    // The oldest counts: one product without any is as bad as none at all.
    let each: Option<Vec<Timestamp>> = products(input).map(|product| product.backup_at).collect();
    let seen = each.and_then(|each| each.into_iter().min());
    let stated = input.host.stated.as_ref().and_then(|stated| stated.backup_at);
    let Some(newest) = known(input, seen, stated) else {
        let facts = input.host.facts.as_ref();
        let source = if facts.is_some() { AGENT } else { "inventory" };
        let at = facts.map(|facts| facts.observed_at);
        let reason = because("no backup of it is known".to_owned(), what, source, at);
        return one(input, "backup", "backup.missing", reason);
    };
    let days = days_between(newest.value, input.now);
    if days <= input.weights.get("backup.days") {
        return Vec::new();
    }
    let text = format!("its newest backup is {days} days old");
    one(input, "backup", "backup.old", because(text, what, &newest.source, newest.at))
}

pub(super) fn facts(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let Some(facts) = &input.host.facts else {
        let text = "its agent has never reported".to_owned();
        return one(
            input,
            "never-seen",
            "facts.never",
            because(text, "enrol its agent", "server", None),
        );
    };
    let hours = hours_between(facts.observed_at, input.now);
    if hours <= input.weights.get("facts.hours") {
        return Vec::new();
    }
    let text = format!("what is known of it is {hours} hours old");
    let reason = because(text, "let its agent report again", AGENT, Some(facts.observed_at));
    one(input, "stale-facts", "facts.old", reason)
}

/// Times of a machine that is ahead look fresher than they are: its facts, its start and its backups would never grow old.
pub(super) fn clock(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let Some(facts) = &input.host.facts else { return Vec::new() };
    let backups = products(input).filter_map(|product| product.backup_at);
    let latest = backups.chain(facts.booted_at).fold(facts.observed_at, Timestamp::max);
    let seconds = latest.as_second().saturating_sub(input.now.as_second());
    let minutes = u32::try_from(seconds / 60).unwrap_or(if seconds < 0 { 0 } else { u32::MAX });
    if minutes <= input.weights.get("clock.minutes") {
        return Vec::new();
    }
    let text = format!("its clock is {minutes} min ahead of the server's");
    let what = "set its clock: windows, backups and evidence go by it";
    one(input, "clock", "clock.ahead", because(text, what, AGENT, Some(facts.observed_at)))
}

/// One reason for each product that `is`.
fn each_product(
    input: &RiskInput<'_>,
    (code, weight, mitigation): (&str, &str, &str),
    is: impl Fn(&ObservedProduct) -> Option<String>,
) -> Vec<RiskReason> {
    let at = input.host.facts.as_ref().map(|facts| facts.observed_at);
    let texts = products(input).filter_map(is);
    texts.flat_map(|text| one(input, code, weight, because(text, mitigation, AGENT, at))).collect()
}

pub(super) fn disk(input: &RiskInput<'_>) -> Vec<RiskReason> {
    each_product(input, ("disk", "disk.low", "make room before the window"), |product| {
        let low = product.free.0 < product.size.0.saturating_mul(2);
        low.then(|| {
            format!("{} are free beside {} of {}", product.free, product.name, product.size)
        })
    })
}

pub(super) fn data(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let limit = u64::from(input.weights.get("data.gib")) << 30;
    let what = "a longer window: backup and way back take longer";
    each_product(input, ("data", "data.large", what), |product| {
        (product.size.0 > limit).then(|| format!("{} has {}", product.name, product.size))
    })
}

pub(super) fn services(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let what = "bring it into its normal state first";
    each_product(input, ("service", "services.down", what), |product| {
        let word = match product.services {
            ServiceState::Running => return None,
            ServiceState::Stopped => "stopped",
            ServiceState::Mixed => "mixed",
            ServiceState::Unknown => "unknown",
        };
        Some(format!("services of {} are {word}", product.name))
    })
}

pub(super) fn hardware(input: &RiskInput<'_>) -> Vec<RiskReason> {
    let facts = input.host.facts.as_ref();
    let at = facts.map(|facts| facts.observed_at);
    let mut reasons = Vec::new();
    if let Some(facts) = facts.filter(|facts| facts.virtualisation.as_deref() == Some("none")) {
        let text = format!("it is a machine of its own ({})", facts.arch);
        let what = "no snapshot is possible: have spare parts and the maker's number at hand";
        reasons.extend(one(input, "hardware", "hardware.own", because(text, what, AGENT, at)));
    }
    let stated = input.host.stated.as_ref().and_then(|stated| stated.memory);
    if let Some(memory) = known(input, facts.map(|facts| facts.memory), stated) {
        let least = ByteSize(u64::from(input.weights.get("memory.mib")) << 20);
        if memory.value < least {
            let text = format!("{} of memory, expected at least {least}", memory.value);
            let reason =
                because(text, "add memory, or stop what is not needed", &memory.source, memory.at);
            reasons.extend(one(input, "memory", "memory.low", reason));
        }
    }
    reasons
}

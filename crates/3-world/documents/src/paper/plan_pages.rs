//! The tables of the project plan: servers by wave, people, work outside working hours, ways back.

use super::builder::Builder;
use super::text::{list, moment, short_moment, span, words};
use super::{Cell, Form, PaperInput, RunbookNote, risk};
use jiff::{SignedDuration, Timestamp};
use refit_names::{BuildId, PersonName, RoleName, TimeClass, counted, span as duration};
use refit_plan::{Advance, PlannedHost, PlannedWave};
use std::collections::{BTreeMap, BTreeSet};

/// A section per wave with its servers in the order of their time.
pub(crate) fn waves(builder: &mut Builder, input: &PaperInput) {
    builder.section("Waves");
    for wave in &input.plan.waves {
        builder.part(&format!("{}: {}", wave.name, counted(wave.hosts.len(), "server")));
        let when = wave.starts_at().zip(wave.ends_at());
        let next = match wave.advance {
            Advance::Automatic => "by itself, when goal and watch are reached",
            Advance::Manual => "when a person says so",
        };
        builder.facts(vec![
            (
                "When",
                when.map_or_else(
                    || "as soon as the wave before is done".to_owned(),
                    |(from, to)| span(from, to, &input.zone),
                ),
            ),
            (
                "Goal",
                format!(
                    "{} succeed; more than {} {} the rollout",
                    wave.goal,
                    counted(wave.failure_budget as usize, "failure"),
                    if wave.failure_budget == 1 { "stops" } else { "stop" }
                ),
            ),
            (
                "At once",
                format!("{} down at the same time", counted(wave.parallel as usize, "server")),
            ),
            (
                "Watched",
                format!(
                    "{} after its last server; gives up waiting after {}",
                    duration(wave.soak_ms),
                    duration(wave.timeout_ms)
                ),
            ),
            ("Next wave", next.to_owned()),
        ]);
        servers(builder, input, wave);
    }
}

fn servers(builder: &mut Builder, input: &PaperInput, wave: &PlannedWave) {
    let mut hosts: Vec<&PlannedHost> = wave.hosts.iter().collect();
    hosts.sort_by_key(|host| host.slot.as_ref().map_or(Timestamp::MAX, |slot| slot.starts_at));
    let rows = hosts.into_iter().map(|host| {
        let builds = host.builds();
        let way: Vec<&str> = builds.iter().map(BuildId::as_str).collect();
        let (start, window, people) = match &host.slot {
            Some(slot) => {
                (short_moment(slot.starts_at, &input.zone), window(slot), list(&slot.people))
            }
            None => ("with its wave".to_owned(), "any time".to_owned(), "–".to_owned()),
        };
        vec![
            start.into(),
            host.host.as_str().into(),
            format!("{}, {}", host.role, host.site).into(),
            Cell::from(host.risk).toned(risk::tone(host.risk)),
            way.join(" → ").into(),
            times(host).into(),
            window.into(),
            people.into(),
            input.told(&host.because).into(),
        ]
    });
    builder.table(
        &[
            ("starts", 1.15, Form::Plain),
            ("server", name_share(wave), Form::Name),
            ("role, site", 1.25, Form::Plain),
            ("risk", 0.55, Form::Number),
            ("path", 1.0, Form::Plain),
            ("takes, back in", 1.05, Form::Plain),
            ("window", 1.25, Form::Plain),
            ("people", 1.0, Form::Plain),
            ("why here", 2.2, Form::Faint),
        ],
        rows.collect(),
        "The wave has no servers.",
    );
}

/// As wide as the longest name needs: what short names leave is for the reasons.
fn name_share(wave: &PlannedWave) -> f64 {
    let longest = wave.hosts.iter().map(|host| host.host.as_str().len()).max().unwrap_or(0);
    f64::from(u32::try_from(longest).unwrap_or(u32::MAX)).mul_add(0.065, 0.3).clamp(0.8, 1.9)
}

/// The window, with the kind of time where its name does not say it.
fn window(slot: &refit_plan::Slot) -> String {
    let (name, class) = (slot.opening.window.as_str(), slot.class.to_string());
    if name.contains(&class) { words(&name) } else { format!("{name}, {}", words(&class)) }
}

fn times(host: &PlannedHost) -> String {
    format!("{}, {}", duration(refit_plan::busy_ms(host)), duration(host.undo_p95_ms))
}

/// What a person has to do.
#[derive(Default)]
struct Load<'a> {
    hosts: Vec<&'a PlannedHost>,
    roles: BTreeSet<&'a RoleName>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    spans: BTreeMap<TimeClass, Vec<(i64, i64)>>,
}

/// Who does how much, and when.
pub(crate) fn people_table(builder: &mut Builder, input: &PaperInput) {
    let loads = loads(input);
    let rows = loads.iter().map(|(person, load)| {
        let hours = |class| duration(joined(load.spans.get(&class)));
        let skills = input.engineers.get(*person).filter(|note| !note.skills.is_empty());
        let knows = skills.map_or_else(|| list(&load.roles), |note| list(&note.skills));
        let at = |moment: Option<Timestamp>| {
            moment.map_or_else(|| "–".to_owned(), |at| short_moment(at, &input.zone))
        };
        vec![
            person.as_str().into(),
            load.hosts.len().into(),
            hours(TimeClass::WorkingHours).into(),
            hours(TimeClass::OutOfHours).into(),
            hours(TimeClass::Weekend).into(),
            at(load.first).into(),
            at(load.last).into(),
            knows.into(),
        ]
    });
    builder.table(
        &[
            ("person", 1.3, Form::Name),
            ("servers", 0.7, Form::Number),
            ("working hours", 0.8, Form::Number),
            ("out of hours", 0.8, Form::Number),
            ("weekend", 0.8, Form::Number),
            ("first", 1.4, Form::Plain),
            ("last", 1.4, Form::Plain),
            ("roles", 1.8, Form::Faint),
        ],
        rows.collect(),
        "The plan names nobody: its servers have no slots with people.",
    );
}

fn loads(input: &PaperInput) -> BTreeMap<&PersonName, Load<'_>> {
    let mut loads: BTreeMap<&PersonName, Load<'_>> = BTreeMap::new();
    for (_, host) in input.plan.hosts() {
        let (Some(slot), Some(ends)) = (&host.slot, host.ends_at()) else { continue };
        for person in &slot.people {
            let load = loads.entry(person).or_default();
            load.hosts.push(host);
            load.roles.insert(&host.role);
            load.first = Some(load.first.map_or(slot.starts_at, |first| first.min(slot.starts_at)));
            load.last = load.last.max(Some(ends));
            let span = (slot.starts_at.as_millisecond(), ends.as_millisecond());
            load.spans.entry(slot.class).or_default().push(span);
        }
    }
    loads
}

/// Who looks after three servers at once works once.
fn joined(spans: Option<&Vec<(i64, i64)>>) -> u64 {
    let mut spans = spans.cloned().unwrap_or_default();
    spans.sort_unstable();
    let (mut sum, mut until) = (0, i64::MIN);
    for (from, to) in spans {
        sum += (to - from.max(until)).max(0);
        until = until.max(to);
    }
    u64::try_from(sum).unwrap_or(0)
}

/// Evenings, nights and weekends by opening, in the order of time.
pub(crate) fn out_of_hours(builder: &mut Builder, input: &PaperInput) {
    type Shift<'a> = (&'a refit_plan::Slot, Timestamp, Timestamp, Vec<&'a PlannedHost>);
    let mut shifts: BTreeMap<(Timestamp, &str), Shift<'_>> = BTreeMap::new();
    for (_, host) in input.plan.hosts() {
        let (Some(slot), Some(ends)) = (&host.slot, host.ends_at()) else { continue };
        if slot.class == TimeClass::WorkingHours {
            continue;
        }
        let key = (slot.opening.opens_at, slot.opening.window.as_str());
        let shift = shifts.entry(key).or_insert((slot, slot.starts_at, ends, Vec::new()));
        shift.1 = shift.1.min(slot.starts_at);
        shift.2 = shift.2.max(ends);
        shift.3.push(host);
    }
    let rows = shifts.into_values().map(|(slot, from, to, hosts)| {
        let people: BTreeSet<&PersonName> = hosts
            .iter()
            .filter_map(|host| host.slot.as_ref())
            .flat_map(|slot| &slot.people)
            .collect();
        vec![
            span(from, to, &input.zone).into(),
            slot.opening.window.as_str().into(),
            words(&slot.class).into(),
            list(people).into(),
            hosts.len().into(),
        ]
    });
    builder.table(
        &[
            ("when", 2.4, Form::Plain),
            ("window", 1.2, Form::Name),
            ("kind of time", 1.0, Form::Plain),
            ("people", 2.2, Form::Plain),
            ("servers", 0.7, Form::Number),
        ],
        rows.collect(),
        "Nothing is done outside working hours.",
    );
}

/// The way back of each wave: what, how long, until when, who decides.
pub(crate) fn rollback(builder: &mut Builder, input: &PaperInput) {
    builder.section("Rollback plan per wave");
    builder.text("A server that fails goes back by itself, files and database together. A wave is taken back when its budget is exceeded and people decide so; servers go back in the reverse order of the plan. A server can begin its way back inside its own window until the moment named here.");
    let owners: BTreeSet<&PersonName> =
        input.runbooks.iter().map(|runbook| &runbook.rollback.owner).collect();
    let decides = if owners.is_empty() { "owner of the runbook".to_owned() } else { list(owners) };
    let deadline = input.runbooks.iter().map(|runbook| runbook.rollback.deadline_ms).min();
    let within = deadline.map_or_else(|| "as its runbook says".to_owned(), duration);
    let rows = input.plan.waves.iter().map(|wave| {
        let longest = wave.hosts.iter().map(|host| host.undo_p95_ms).max().unwrap_or(0);
        let rounds = wave.hosts.len().div_ceil(wave.parallel.max(1) as usize) as u64;
        let latest = wave.hosts.iter().filter_map(latest_return).max();
        vec![
            wave.name.as_str().into(),
            wave.hosts.len().into(),
            duration(longest).into(),
            duration(longest.saturating_mul(rounds)).into(),
            latest.map_or_else(|| "no window".to_owned(), |at| moment(at, &input.zone)).into(),
            within.clone().into(),
            decides.clone().into(),
        ]
    });
    builder.table(
        &[
            ("wave", 1.0, Form::Name),
            ("servers", 0.7, Form::Number),
            ("one server back in", 1.0, Form::Number),
            ("whole wave back in", 1.0, Form::Number),
            ("last moment to turn", 1.6, Form::Plain),
            ("decided within", 1.0, Form::Plain),
            ("decided by", 1.3, Form::Plain),
        ],
        rows.collect(),
        "No waves.",
    );
    let said: BTreeSet<String> = input.runbooks.iter().map(way_back).collect();
    builder.list(said);
}

fn way_back(runbook: &RunbookNote) -> String {
    let back = &runbook.rollback;
    let tested = back
        .tested
        .as_ref()
        .map_or_else(|| "not tested yet".to_owned(), |tested| format!("tested: {tested}"));
    let method = words(&back.method);
    format!("Runbook {}: triggered when {}; {method}; {tested}.", runbook.name, back.trigger)
}

/// Until when a host can turn back and still be done when its window closes.
fn latest_return(host: &PlannedHost) -> Option<Timestamp> {
    let slot = host.slot.as_ref()?;
    let undo = SignedDuration::from_millis(i64::try_from(host.undo_p95_ms).ok()?);
    slot.opening.closes_at.checked_sub(undo).ok()
}

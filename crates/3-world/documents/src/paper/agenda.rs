//! The plan as entries of a calendar.

use super::PaperInput;
use super::text::{list, zone_name};
use refit_calendar::ics::Event;
use refit_names::{PersonName, span as duration};

/// One entry per server with a slot, in the order of time; only those of `person` when one is named.
#[must_use]
pub fn events(input: &PaperInput, person: Option<&PersonName>) -> Vec<Event> {
    let plan = &input.plan;
    let goal = plan.goal();
    let mut events: Vec<Event> = plan
        .hosts()
        .filter_map(|(wave, host)| {
            let slot = host.slot.as_ref()?;
            if person.is_some_and(|person| !slot.people.contains(person)) {
                return None;
            }
            let owner = input.note(&host.host).and_then(|note| note.owner.as_ref());
            let owner = owner.map_or_else(String::new, |owner| format!("\nowner: {owner}"));
            Some(Event {
                uid: format!("{}.{}@{}.refit", host.host, wave.name, plan.rollout),
                summary: format!("{}: {goal}", host.host),
                description: format!(
                    "{}, {} at {}, risk {}\nwindow {}\nback in {}\npeople: {}{owner}\nplan {}",
                    wave.name,
                    host.role,
                    host.site,
                    host.risk,
                    slot.opening.window,
                    duration(host.undo_p95_ms),
                    list(&slot.people),
                    input.hash
                ),
                starts: slot.starts_at,
                ends: host.ends_at()?,
                zone: zone_name(&input.zone),
                attendees: slot.people.iter().cloned().collect(),
                class: slot.class,
            })
        })
        .collect();
    events.sort_by(|a, b| (a.starts, &a.uid).cmp(&(b.starts, &b.uid)));
    events
}

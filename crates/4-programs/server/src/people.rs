//! Names of people, held against who is known here.

use crate::{
    app::App,
    refusal::{Answer, Refusal},
};
use refit_calendar::ics::Event;
use refit_inventory::did_you_mean;
use refit_names::PersonName;
use std::collections::BTreeSet;

/// Refuses an empty calendar of somebody who is neither an engineer nor a user: it would look like free days.
pub(crate) async fn calendar_of_somebody(
    app: &App,
    person: Option<&PersonName>,
    events: &[Event],
) -> Answer<()> {
    let Some(person) = person.filter(|_| events.is_empty()) else { return Ok(()) };
    let engineers = app.store.engineers().await?.into_iter().map(|engineer| engineer.name);
    let users = app.store.users().await?.into_iter().map(|user| user.name);
    let known: BTreeSet<PersonName> = engineers.chain(users).collect();
    if known.contains(person) {
        return Ok(());
    }
    let meant = did_you_mean(person.as_str(), known.iter().map(PersonName::as_str));
    Err(Refusal::Misnamed { what: "person", key: person.to_string(), meant }.into())
}

//! Reasons in words.

use crate::PlanInput;
use crate::attempt::Attempt;
use crate::board::{Board, Job};
use crate::candidates::Placed;
use crate::schedule::{Held, Placement};
use crate::times::moment;
use crate::waves::wave_name;
use refit_names::{HostName, counted};
use refit_plan::Plan;
use std::collections::BTreeMap;

/// Minutes, with one decimal when they are not whole: sums of them can be checked by eye.
fn minutes(ms: i64) -> String {
    if ms % 60_000 == 0 {
        (ms / 60_000).to_string()
    } else {
        let tenths = (ms + 5_999) / 6_000;
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

/// A duration, in words.
pub(crate) fn span(ms: i64) -> String {
    refit_names::span(u64::try_from(ms).unwrap_or(0))
}

/// Why a host starts when it starts.
pub(crate) fn held<'a>(
    input: &'a PlanInput,
    board: &mut Board<'a>,
    (host, job): (&Placed<'a>, &Job),
    place: &Placement,
    (wave, release): (usize, i64),
) -> String {
    let site = board.sites[job.site];
    let mut text = match place.held {
        Held::Wave if wave > 0 && place.start == release => {
            format!("as soon as {} was watched long enough", wave_name(wave - 1))
        }
        Held::Wave => "as soon as it can".to_owned(),
        Held::Staging => format!("its content is at site {site} by then"),
        Held::Window => match place.span.window {
            Some(at) => format!("window {} opens then", board.times.windows[at].name),
            None => "nothing keeps it".to_owned(),
        },
        Held::Parallel => match board.parallel {
            1 => "1 host is down before".to_owned(),
            many => format!("{many} hosts are down at once before"),
        },
        Held::Site => {
            let most = board.down_at_once[job.site];
            format!("site {site} has its {most} hosts down at once before")
        }
        Held::People => "who knows it is free then".to_owned(),
        Held::Cheaper => "in working hours, which delays nobody".to_owned(),
    };
    let opens_late = matches!(place.held, Held::Window);
    let until = if opens_late { place.start } else { release };
    if let Some(freeze) = board.times.frozen(host.record, (release, until)) {
        text = format!("behind freeze {}; {text}", freeze.name);
    }
    if let Some(pin) = input.demands.pins.iter().find(|pin| pin.host == host.record.name) {
        text = format!("pinned to {}; {text}", pin.when);
    }
    text
}

/// Why there is no time for a host, with the arithmetic.
pub(crate) fn no_time(
    input: &PlanInput,
    board: &mut Board<'_>,
    number: usize,
    host: &Placed<'_>,
) -> String {
    let job = board.jobs[number];
    let validation = crate::board::ms(input.demands.validation_ms);
    let needs = format!(
        "it needs {} + {} undo + {} validation = {} min",
        minutes(crate::board::ms(host.p95_ms)),
        minutes(job.undo),
        minutes(validation),
        minutes(job.busy.max(1) + job.undo),
    );
    let mut longest: BTreeMap<Option<usize>, i64> = BTreeMap::new();
    for span in board.spans(&job).iter() {
        let length = longest.entry(span.window).or_default();
        *length = (*length).max(span.closes - span.first);
    }
    if longest.is_empty() {
        return shut(input, board, host);
    }
    if longest.values().all(|length| *length < job.need()) {
        let name = |at: &Option<usize>| {
            at.map_or_else(
                || "time".to_owned(),
                |at| format!("window `{}`", board.times.windows[at].name),
            )
        };
        let each =
            longest.iter().map(|(at, length)| format!("{} is {} min", name(at), minutes(*length)));
        return format!("{}; {needs}", each.collect::<Vec<_>>().join(", "));
    }
    if let Some(crew) = job.crew {
        let stretch = |person: &usize| match &board.people[*person].hours {
            None => i64::MAX,
            Some(hours) => hours.iter().map(|hours| hours.until - hours.from).max().unwrap_or(0),
        };
        let most = board.crews[crew].iter().map(stretch).max().unwrap_or(0);
        if most < job.busy {
            return format!(
                "who knows it works {} min on end at most; it needs {} + {} validation = {} min",
                minutes(most),
                minutes(crate::board::ms(host.p95_ms)),
                minutes(validation),
                minutes(job.busy),
            );
        }
    }
    format!("there is no room for it until {}; {needs}", moment(board.times.until))
}

/// Why none of a host's windows is open at all.
fn shut(input: &PlanInput, board: &mut Board<'_>, host: &Placed<'_>) -> String {
    let until = moment(board.times.until);
    let freezes = input.surroundings.calendar.freezes().iter();
    let (site, role, product) = (&host.record.site, &host.record.role, &input.product);
    let covering = freezes
        .filter(|freeze| freeze.until > input.now && freeze.scope.covers(site, role, product));
    let names: Vec<_> = covering.map(|freeze| format!("`{}`", freeze.name)).collect();
    if names.is_empty() {
        format!("none of its windows is open until {until}")
    } else {
        format!("freezes {} leave none of its windows open until {until}", names.join(", "))
    }
}

/// What the whole plan comes to, a line each.
pub(crate) fn remarks(attempt: &Attempt<'_>) -> Vec<String> {
    let Some(finish) = attempt.finish.filter(|_| attempt.board.is_some()) else {
        return Vec::new();
    };
    let mut remarks = vec![format!("expected to end at {:.0}", moment(finish))];
    if let (Some(bound), Some(board)) = (attempt.bound, &attempt.board) {
        let now = board.times.now;
        let over = finish.saturating_sub(bound);
        #[expect(clippy::cast_precision_loss, reason = "a per cent number for people")]
        let share = over as f64 * 100.0 / (bound.saturating_sub(now)).max(1) as f64;
        let earliest = moment(bound);
        remarks.push(if over == 0 {
            "no plan of these waves ends earlier (proven)".to_owned()
        } else {
            format!("no plan of these waves ends before {earliest} (proven); this one is {share:.2} % longer")
        });
    }
    remarks
}

/// Hosts that a line names; tables have the others.
const HOSTS_NAMED: usize = 5;

/// How many hosts, and the first few of them by name.
pub(crate) fn hosts<'a>(
    all: impl IntoIterator<Item = &'a HostName, IntoIter: ExactSizeIterator>,
) -> String {
    let all = all.into_iter();
    let count = all.len();
    let named: Vec<&str> = all.take(HOSTS_NAMED).map(HostName::as_str).collect();
    let more = match count - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} ({}{more})", counted(count, "host"), named.join(", "))
}

/// What people must know of hosts that no agent saw.
pub(crate) fn stated(plan: &Plan) -> Option<String> {
    (!plan.stated.is_empty()).then(|| {
        let hosts = hosts(&plan.stated);
        format!("{hosts}: build only stated; nothing is prepared before agents saw the same")
    })
}

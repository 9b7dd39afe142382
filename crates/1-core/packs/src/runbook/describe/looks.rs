//! Checks, evidence and probes in words.

use super::{all, span, value, words};
use crate::runbook::{
    CheckClock, CheckCommand, CheckFilesUnlocked, CheckMemory, CheckOs, CheckPorts,
    CheckProcessesGone, EndSignal, EvidenceConfig, EvidenceErrors, EvidenceLogs, FreeSpace, Probe,
    ShareProbe, Value,
};
use refit_names::ByteSize;

pub(super) fn disk(percent: u32, extra: ByteSize, volumes: &[FreeSpace]) -> String {
    let mut parts = vec!["what the pack needs and one backup".to_owned()];
    if percent > 0 {
        parts.push(format!("{percent} % of the product's folder"));
    }
    if extra.0 > 0 {
        parts.push(extra.to_string());
    }
    let more = volumes.iter().map(|one| format!("; {} on {}", one.free, value(&one.path)));
    format!("room for {}{}", parts.join(", "), more.collect::<String>())
}

pub(super) fn memory(terms: &CheckMemory) -> String {
    let parts = [(terms.total, "in all"), (terms.available, "available")];
    let parts = parts.iter().filter(|(size, _)| size.0 > 0);
    let parts: Vec<_> = parts.map(|(size, what)| format!("{size} {what}")).collect();
    format!("memory of {}", parts.join(" and "))
}

pub(super) fn os(terms: &CheckOs) -> String {
    let sets = [
        ("system", &terms.os),
        ("release", &terms.release),
        ("architecture", &terms.arch),
        ("kernel", &terms.kernel),
    ];
    let sets = sets.iter().filter(|(_, set)| !set.is_empty());
    let parts: Vec<_> =
        sets.map(|(what, set)| format!("{what} {}", all(set.iter(), " or "))).collect();
    parts.join(", ")
}

pub(super) fn clock(terms: &CheckClock) -> String {
    let by = match &terms.server {
        Some(server) => format!("the time server {}", value(server)),
        None => "the host's own time service".to_owned(),
    };
    format!("that the clock is at most {} off, by {by}", span(terms.skew_ms))
}

pub(super) fn ports(terms: &CheckPorts) -> String {
    let sets = [("somebody", &terms.listening), ("nobody", &terms.free)];
    let sets = sets.iter().filter(|(_, ports)| !ports.is_empty());
    let parts = sets.map(|(who, ports)| format!("{who} listens on {}", values(ports)));
    format!("that {}", parts.collect::<Vec<_>>().join(" and "))
}

pub(super) fn files_unlocked(terms: &CheckFilesUnlocked) -> String {
    let what = match &terms.paths[..] {
        [] => "the installed release and the data".to_owned(),
        some => values(some),
    };
    format!("that nobody holds {what}; waits {} at most", span(terms.wait_ms))
}

pub(super) fn processes_gone(terms: &CheckProcessesGone) -> String {
    let wait = span(terms.wait_ms);
    let end = match (terms.end, terms.signal) {
        (false, _) => "names what stays and ends nothing".to_owned(),
        (true, EndSignal::Kill) => "kills what stays".to_owned(),
        (true, signal) => format!(
            "asks what stays to end (SIG{}), and kills it after {}",
            format!("{signal:?}").to_uppercase(),
            span(terms.end_wait_ms)
        ),
    };
    format!(
        "that no process runs from the product's folder any more; waits {wait} at most, then {end}"
    )
}

pub(super) fn command(terms: &CheckCommand) -> String {
    let limit = match (terms.at_least, terms.at_most) {
        (Some(least), Some(most)) => format!(" with a number from {least} to {most}"),
        (Some(least), None) => format!(" with a number of at least {least}"),
        (None, Some(most)) => format!(" with a number of at most {most}"),
        (None, None) => String::new(),
    };
    format!("that {} ends well{limit}", words(&terms.run))
}

pub(super) fn logs(terms: &EvidenceLogs) -> String {
    let paths = terms.paths.iter().map(ToString::to_string);
    let mut parts: Vec<String> = paths.chain(terms.files.iter().map(value)).collect();
    parts.extend(terms.units.iter().map(|unit| format!("the journal of {unit}")));
    if terms.system {
        parts.push("the system's whole journal".to_owned());
    }
    if parts.is_empty() {
        parts.push("the journal of the product's services".to_owned());
    }
    let clear = if terms.clear { ", then empties them" } else { "" };
    format!("keeps the logs: {}{clear}", parts.join(", "))
}

pub(super) fn errors(terms: &EvidenceErrors) -> String {
    let mut places: Vec<String> = terms.files.iter().map(value).collect();
    match (terms.system, &terms.units[..]) {
        (true, []) => places.push("the system's journal".to_owned()),
        (true, units) => places.push(format!("the journal of {}", units.join(", "))),
        (false, _) => {}
    }
    format!(
        "counts errors in {}; from the second look at `{}` on, at most {} more than before",
        places.join(", "),
        terms.name,
        terms.allow
    )
}

pub(super) fn config(terms: &EvidenceConfig) -> String {
    let files = terms.files.iter().map(value);
    let parts = files.chain(terms.commands.values().map(words)).collect::<Vec<_>>().join(", ");
    let changed =
        if terms.unchanged { "fails where something changed" } else { "shows what changed" };
    format!("keeps {parts}; {changed} since the first look at `{}`", terms.name)
}

/// What a probe proves.
pub(super) fn probed(probe: &Probe) -> String {
    let host = |host: &Option<Value>| host.as_ref().map_or("127.0.0.1".to_owned(), value);
    match probe {
        Probe::Tcp { port, host: at } => {
            format!("{}:{} accepts connections", host(at), value(port))
        }
        Probe::Http { port, host: at, path, status, contains } => {
            let with = contains.as_ref().map_or(String::new(), |text| format!(" with `{text}`"));
            format!("http://{}:{}{path} answers {status}{with}", host(at), value(port))
        }
        Probe::Command { run } => format!("{} ends well", words(run)),
        Probe::Sql(sql) => {
            let answer = match (&sql.expect, &sql.contains) {
                (Some(is), _) => format!("`{}`", value(is)),
                (None, Some(has)) => format!("something with `{}`", value(has)),
                (None, None) => "anything".to_owned(),
            };
            format!("{} says {answer} to `{}`", value(&sql.url), sql.query)
        }
        Probe::Share(terms) => share(terms, &host(&terms.host)),
        Probe::PrintQueue(terms) => {
            let page = if terms.print { ", and a page comes out" } else { "" };
            format!("print queue {} on {} takes jobs{page}", value(&terms.queue), host(&terms.host))
        }
    }
}

fn share(terms: &ShareProbe, host: &str) -> String {
    let user = terms.user.as_ref().map_or(String::new(), |user| format!(" as {}", value(user)));
    let read = match &terms.read {
        Some(file) => format!("{} can be read", value(file)),
        None => "can be listed".to_owned(),
    };
    let write = if terms.write { ", and a file written and removed" } else { "" };
    format!("on //{host}/{}{user} {read}{write}", value(&terms.share))
}

fn values(values: &[Value]) -> String {
    values.iter().map(value).collect::<Vec<_>>().join(", ")
}

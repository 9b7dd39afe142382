//! What a step does, in words for people.

use super::{Command, Phase, Probe, RebootPolicy, Runbook, Step, StepKind, Value};
use std::fmt::Write as _;

impl StepKind {
    /// What the step does, as the rest of a sentence that begins with "it".
    #[must_use]
    pub fn describe(&self) -> String {
        if let Some(asked) = self.question() {
            let silence = match asked.default() {
                Some(default) => format!("then goes on with {default}"),
                None => "then fails".to_owned(),
            };
            return format!(
                "asks the {}: {} ({}); waits {} at most, {silence}",
                asked.ask(),
                asked.text(),
                asked.answers(),
                span(asked.within_ms())
            );
        }
        let units = match self.units() {
            [] => "the product's services".to_owned(),
            some => some.join(", "),
        };
        match self {
            Self::ServiceStop { .. } => format!("stops {units}"),
            Self::ServiceStart { ready, .. } => {
                let ready = ready
                    .as_ref()
                    .map_or(String::new(), |probe| format!(" and waits until {}", probed(probe)));
                format!("starts {units}{ready}")
            }
            Self::ServiceHold(terms) => {
                let more = terms.commands.keys().map(ToString::to_string);
                let all: Vec<String> = terms.units.iter().cloned().chain(more).collect();
                format!("stops and disables {} until the end", all.join(", "))
            }
            Self::ServiceDisable { .. } => format!("keeps a boot from starting {units}"),
            Self::ServiceEnable { .. } => format!("lets a boot start {units}"),
            Self::InstallStage {} => "lays the new release beside the old one".to_owned(),
            Self::InstallSwitch {} => "exchanges the releases".to_owned(),
            Self::BackupAhead {} => "saves the unit's files while the product runs".to_owned(),
            Self::BackupTake {} => "saves files and databases of one moment".to_owned(),
            Self::BackupVerify {} => "reads the backup back".to_owned(),
            Self::MachineReboot { policy, within_ms } => {
                let when = match policy {
                    RebootPolicy::Never => "never",
                    RebootPolicy::IfNeeded => "if something asks for it",
                    RebootPolicy::Always => "always",
                };
                format!("restarts the machine, {when}, and waits {} at most", span(*within_ms))
            }
            Self::Test { name, probe, for_ms } => {
                let watch = match for_ms {
                    0 => String::new(),
                    ms => format!(", at every look for {}", span(*ms)),
                };
                format!("tests `{name}`: {}{watch}", probed(probe))
            }
            Self::ScriptRun { run, undo, .. } => {
                let back = undo
                    .as_ref()
                    .map_or(String::new(), |undo| format!("; taken back by {}", words(undo)));
                format!("runs {}{back}", words(run))
            }
            Self::TrafficClose { close, .. } => format!("closes the service with {}", words(close)),
            Self::TrafficOpen { open } => {
                format!("lets clients in with {}; no way back from here", words(open))
            }
            Self::DatabaseMigrate { run } => format!("changes the databases with {}", words(run)),
            Self::EvidenceCommand { run } => format!("keeps what {} says", words(run)),
            Self::ClusterDrain(terms) => format!("drains the node with {}", words(&terms.drain)),
            Self::ServiceRelease {} => "brings back what is held, before the leg ends".to_owned(),
            Self::ClusterResume {} => "puts the node back into service".to_owned(),
            other => plainly(other),
        }
    }
}

/// Kinds whose name says it; their commands follow.
fn plainly(kind: &StepKind) -> String {
    let name = kind.name();
    let mut text = match name.split_once('.') {
        Some(("check", what)) => format!("checks {}", what.replace('-', " ")),
        Some(("evidence", what)) => format!("keeps {}", what.replace('-', " ")),
        Some(("install", what)) => format!("installs {}", what.replace('-', " ")),
        Some(("backup", what)) => format!("backup: {what}"),
        Some(("machine", what)) => format!("{what}s"),
        _ => name.to_owned(),
    };
    for command in kind.commands() {
        let _ = write!(text, " with {}", words(command));
    }
    for probe in kind.probes() {
        let _ = write!(text, " until {}", probed(probe));
    }
    text
}

fn words(command: &Command) -> String {
    format!("`{}`", command.0.join(" "))
}

fn value(value: &Value) -> String {
    match value {
        Value::Param { param } => format!("<{param}>"),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    }
}

fn probed(probe: &Probe) -> String {
    let host = |host: &Option<Value>| host.as_ref().map_or("127.0.0.1".to_owned(), value);
    match probe {
        Probe::Tcp { port, host: at } => {
            format!("{}:{} accepts connections", host(at), value(port))
        }
        Probe::Http { port, host: at, path, status, .. } => {
            format!("http://{}:{}{path} answers {status}", host(at), value(port))
        }
        Probe::Command { run } => format!("{} ends well", words(run)),
        other => {
            let name = serde_json::to_value(other).ok();
            let name = name.as_ref().and_then(|v| v.as_object()?.keys().next().cloned());
            format!("{} is as expected", name.unwrap_or_default())
        }
    }
}

fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms / 1_000),
        _ => format!("{} min", ms / 60_000),
    }
}

impl Runbook {
    /// The longest that a phase waits for people, and that its other steps may take, in milliseconds.
    #[must_use]
    pub fn limits(&self, phase: Phase) -> (u64, u64) {
        let steps = self.steps.iter().filter(|step| step.phase == phase);
        steps.fold((0, 0), |(people, work), step: &Step| match step.kind.question() {
            Some(asked) => (people + asked.within_ms(), work),
            None => (people, work + step.timeout_ms * (u64::from(step.retries) + 1)),
        })
    }
}

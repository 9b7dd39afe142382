//! What a step does, in words for people.

mod looks;

use super::{
    Command, ConfigFiles, InPlace, Packages, Phase, RebootPolicy, Runbook, Step, StepKind, Value,
};
use looks::probed;
use refit_names::span;

impl StepKind {
    /// What the step does, as the rest of a sentence that begins with "it".
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::CheckDisk { percent_of_product, extra, volumes } => {
                format!("checks {}", looks::disk(*percent_of_product, *extra, volumes))
            }
            Self::CheckMemory(terms) => format!("checks {}", looks::memory(terms)),
            Self::CheckPrivilege(terms) => {
                format!("checks that the agent has {}", all(terms.privileges.iter(), ", "))
            }
            Self::CheckOs(terms) => format!("checks {}", looks::os(terms)),
            Self::CheckClock(terms) => format!("checks {}", looks::clock(terms)),
            Self::CheckRebootPending {} => {
                "checks that no restart of the machine is pending".to_owned()
            }
            Self::CheckBackupAge(terms) => format!(
                "checks that Refit's newest backup is at most {} old, whole and of the installed build",
                span(terms.within_ms)
            ),
            Self::CheckPorts(terms) => format!("checks {}", looks::ports(terms)),
            Self::CheckFilesUnlocked(terms) => format!("checks {}", looks::files_unlocked(terms)),
            Self::CheckBuild {} => "checks which build is installed".to_owned(),
            Self::CheckProcessesGone(terms) => format!("checks {}", looks::processes_gone(terms)),
            Self::CheckCommand(terms) => format!("checks {}", looks::command(terms)),
            Self::EvidenceLogs(terms) => looks::logs(terms),
            Self::EvidenceErrors(terms) => looks::errors(terms),
            Self::EvidenceConfig(terms) => looks::config(terms),
            Self::EvidenceCommand { run } => format!("keeps what {} says", words(run)),
            Self::Test { name, probe, for_ms } => {
                let watch = match for_ms {
                    0 => String::new(),
                    ms => format!(", at every look for {}", span(*ms)),
                };
                format!("tests `{name}`: {}{watch}", probed(probe))
            }
            Self::PeopleConfirm(_)
            | Self::PeopleFillIn(_)
            | Self::PeopleUpload(_)
            | Self::EvidenceUpload(_)
            | Self::PeopleDecide(_) => self.asks(),
            _ => self.changes(),
        }
    }

    /// Steps that ask people.
    fn asks(&self) -> String {
        let Some(asked) = self.question() else { return self.name().to_owned() };
        let silence = match asked.default() {
            Some(default) => format!("then goes on with {default}"),
            None => "then fails".to_owned(),
        };
        format!(
            "asks the {}: {} ({}); waits {} at most, {silence}",
            asked.ask(),
            asked.text(),
            asked.answers(),
            span(asked.within_ms())
        )
    }

    /// Steps that change something, or save it from a change.
    fn changes(&self) -> String {
        match self {
            Self::InstallStage {} => "lays the new release beside the old one".to_owned(),
            Self::InstallSwitch {} => "exchanges the releases".to_owned(),
            Self::InstallInPlace(terms) => in_place(terms),
            Self::InstallPackages(terms) => packages(terms),
            Self::InstallRemove(terms) => {
                let back = terms.backup.as_ref();
                let back = back.map_or("", |_| ", with files and databases of before");
                format!("puts back what the last pack replaced{back}")
            }
            Self::ScriptRun { run, undo, .. } => {
                let back = undo
                    .as_ref()
                    .map_or(String::new(), |undo| format!("; taken back by {}", words(undo)));
                format!("runs {}{back}", words(run))
            }
            Self::DatabaseMigrate { run } => format!("changes the databases with {}", words(run)),
            Self::TrafficClose { close, .. } => format!("closes the service with {}", words(close)),
            Self::TrafficOpen { open } => {
                format!("lets clients in with {}; no way back from here", words(open))
            }
            Self::BackupAhead {} => "saves the unit's files while the product runs".to_owned(),
            Self::BackupTake {} => "saves files and databases of one moment".to_owned(),
            Self::BackupVerify {} => "reads the backup back".to_owned(),
            Self::BackupRequire(terms) => {
                let covers = match terms.covers.len() {
                    0 => String::new(),
                    _ => format!(" and covers {}", all(terms.covers.iter(), ", ")),
                };
                let (run, age) = (words(&terms.run), span(terms.within_ms));
                format!("lets {run} prove that a backup by others is at most {age} old{covers}")
            }
            _ => self.services(),
        }
    }

    /// Steps with services, the machine and its cluster.
    fn services(&self) -> String {
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
                let held: Vec<String> = terms.units.iter().cloned().chain(more).collect();
                let those = if terms.if_present { " (those that the host has)" } else { "" };
                format!("stops and disables {}{those} until the end", held.join(", "))
            }
            Self::ServiceRelease {} => "brings back what is held, before the leg ends".to_owned(),
            Self::ServiceDisable { .. } => format!("keeps a boot from starting {units}"),
            Self::ServiceEnable { .. } => format!("lets a boot start {units}"),
            Self::MachineReboot { policy, within_ms } => {
                let when = match policy {
                    RebootPolicy::Never => "never",
                    RebootPolicy::IfNeeded => "if something asks for it",
                    RebootPolicy::Always => "always",
                };
                format!("restarts the machine, {when}, and waits {} at most", span(*within_ms))
            }
            Self::MachineWait(terms) => {
                let least = (terms.for_ms > 0).then(|| format!("{} at least", span(terms.for_ms)));
                let until = terms.until.as_ref().map(|probe| format!("until {}", probed(probe)));
                let parts: Vec<_> = least.into_iter().chain(until).collect();
                format!("waits {}", parts.join(", and "))
            }
            Self::ClusterDrain(terms) => format!(
                "drains the node with {} and waits until {}; at the end {} puts it back",
                words(&terms.drain),
                probed(&terms.drained),
                words(&terms.resume)
            ),
            Self::ClusterResume {} => "puts the node back into service".to_owned(),
            other => other.name().to_owned(),
        }
    }
}

fn in_place(terms: &InPlace) -> String {
    let config = match terms.config.len() {
        0 => String::new(),
        _ => format!("; keeps {} where the host changed it", terms.config.join(", ")),
    };
    let folder = value(&terms.into);
    let folder = if folder == "." { "the product's folder".to_owned() } else { folder };
    format!("exchanges what differs in {folder}, file by file{config}")
}

fn packages(terms: &Packages) -> String {
    let which = if terms.only_installed { " that the host has" } else { "" };
    let files = match terms.config_files {
        ConfigFiles::KeepLocal => "changed configuration stays",
        ConfigFiles::TakeNew => "the packages' configuration is taken",
    };
    let still = if terms.hold_services { "; services are not started by them" } else { "" };
    let also: String = terms.also.iter().map(|path| format!(", {}", value(path))).collect();
    format!(
        "installs the carried packages{which} from `{}`: {files}{still}; keeps every replaced file{also} for the way back",
        terms.debs
    )
}

fn words(command: &Command) -> String {
    format!("`{}`", command.0.join(" "))
}

fn all<'a>(names: impl Iterator<Item = &'a String>, between: &str) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(between)
}

fn value(value: &Value) -> String {
    match value {
        Value::Param { param } => format!("<{param}>"),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
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

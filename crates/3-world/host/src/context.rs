//! What a step gets to do its work: the leg, the product, and ways to touch the host.

mod unit;

use crate::{
    command::{Run, last_lines},
    engine::StageRelease,
    error::StepError,
    in_place,
    journal::StepLog,
    layout::Layout,
    machine::Machine,
    pending, probe,
    process::ORDER_MARK,
    product::ProductConfig,
    service::{Service, parameter_environment},
    user::User,
};
use refit_ambient::Clock;
use refit_backup::Meter;
use refit_inventory::ServiceState;
use refit_names::{BuildId, Digest, ParameterName, StepId};
use refit_packs::{
    record::PackRecord,
    runbook::{Command, EXIT_REBOOT_NEEDED, Probe, Step, StepKind, Value},
};
use refit_plan::OrderKey;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) use unit::restored_key;

/// One look must not take as long as a step.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// Everything that one deed of one step gets.
pub(crate) struct Context<'a> {
    pub(crate) order: &'a OrderKey,
    pub(crate) leg: u32,
    pub(crate) from: &'a BuildId,
    pub(crate) to: &'a BuildId,
    pub(crate) record: &'a PackRecord,
    pub(crate) step: &'a Step,
    pub(crate) attempt: u32,
    /// Steps of this leg whose apply was begun.
    pub(crate) begun: &'a BTreeSet<StepId>,
    pub(crate) product: &'a ProductConfig,
    pub(crate) values: &'a BTreeMap<ParameterName, String>,
    pub(crate) secrets: &'a [String],
    pub(crate) layout: &'a Layout,
    pub(crate) state: &'a Path,
    pub(crate) mark: &'a str,
    pub(crate) service: &'a dyn Service,
    pub(crate) log: &'a dyn StepLog,
    pub(crate) releases: &'a dyn StageRelease,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) machine: &'a dyn Machine,
    /// Counts the bytes of the step.
    pub(crate) meter: &'a Meter,
    /// Nothing may be changed, not even where the runbook says so.
    pub(crate) only_measures: bool,
    /// The leg was taken back.
    pub(crate) taken_back: bool,
}

impl Context<'_> {
    /// Longest time for one try of the step.
    pub(crate) const fn limit(&self) -> Duration {
        Duration::from_millis(self.step.timeout_ms)
    }

    /// A command of the runbook, ready to run: below the new release, with the leg's environment.
    pub(crate) fn run(&self, command: &Command) -> Result<Run, StepError> {
        let release = self.layout.release(self.to);
        let below = self.release_with(command, &release);
        let staged = below.is_dir();
        if !staged && !self.only_measures {
            return Err(StepError::NotStaged { path: release });
        }
        // What only measures may come before the release does.
        let folder = if staged { below.clone() } else { self.layout.root().to_owned() };
        let mut environment = parameter_environment(self.values);
        let text = |path: &Path| path.display().to_string();
        environment.extend([
            ("REFIT_PRODUCT".to_owned(), self.product.name.to_string()),
            ("REFIT_ROOT".to_owned(), text(self.layout.root())),
            ("REFIT_RELEASE".to_owned(), text(&release)),
            ("REFIT_RELEASE_OLD".to_owned(), text(&self.layout.release(self.from))),
            ("REFIT_FROM".to_owned(), self.from.to_string()),
            ("REFIT_TO".to_owned(), self.to.to_string()),
            (ORDER_MARK.to_owned(), self.mark.to_owned()),
        ]);
        if in_place::place_terms(&self.record.runbook).is_some() {
            environment.insert("REFIT_INTO".to_owned(), text(&self.product_folder()?));
        }
        Ok(Run {
            argv: command.0.clone(),
            folder,
            below,
            environment,
            user: self.product.user.clone(),
            secrets: self.secrets.to_vec(),
        })
    }

    /// Where the command's program lies: below the new release. On the way back a script may have removed that: then below the old one.
    /// The procedure of a removal is that of the build which goes, so its commands lie there first.
    fn release_with(&self, command: &Command, release: &Path) -> PathBuf {
        let program = command.0.first().filter(|program| program.contains('/'));
        let holds = |folder: &Path| {
            program.map_or_else(|| folder.to_owned(), |name| folder.join(name)).exists()
        };
        let old = self.layout.release(self.from);
        let removes = self.record.runbook.removal().is_some();
        let is_old = holds(&old) && (removes || self.taken_back && !holds(release));
        if is_old { old } else { release.to_owned() }
    }

    /// Runs a command of the step to its end; what it said when it ended with a code that the step accepts.
    pub(crate) fn succeed(&self, command: &Command) -> Result<String, StepError> {
        self.succeed_as(&self.run(command)?)
    }

    /// As [`Context::succeed`], for commands that start something which is to stay: it does not belong to the order.
    pub(crate) fn succeed_apart(&self, command: &Command) -> Result<String, StepError> {
        let mut run = self.run(command)?;
        run.environment.remove(ORDER_MARK);
        self.succeed_as(&run)
    }

    fn succeed_as(&self, run: &Run) -> Result<String, StepError> {
        let ended = run.end(self.limit())?;
        let code = ended.code.and_then(|code| u32::try_from(code).ok());
        let accept = &self.step.accept;
        // A program of Linux ends with eight bits: of 3010 its last eight are seen.
        let restart = accept.contains(&EXIT_REBOOT_NEEDED)
            && (code == Some(EXIT_REBOOT_NEEDED) || code == Some(EXIT_REBOOT_NEEDED & 0xff));
        if restart {
            let by = format!("step `{}` ended with exit code {EXIT_REBOOT_NEEDED}", self.step.id);
            self.log.remember(self.order, &self.restart_key()?, &by)?;
            return Ok(format!(
                "{}\ndone; the machine needs a restart (exit code {EXIT_REBOOT_NEEDED})",
                ended.output.trim_end()
            ));
        }
        if code.is_some_and(|code| accept.contains(&code)) {
            return Ok(ended.output);
        }
        let codes: Vec<String> = accept.iter().map(ToString::to_string).collect();
        let (command, said) = (run.text(), last_lines(&ended.output));
        let expected = format!("exit code {}", codes.join(" or "));
        Err(StepError::ExitCode { command, status: ended.status, expected, said })
    }

    /// A wish for a restart is of one boot: the next one fulfils it.
    fn restart_key(&self) -> Result<String, StepError> {
        Ok(format!("leg{}/restart-needed/{}", self.leg, self.machine.boot_id()?))
    }

    /// Why the machine needs a restart, if it does.
    pub(crate) fn restart_reasons(&self) -> Result<Vec<String>, StepError> {
        let path = Path::new("/proc/sys/kernel/osrelease");
        let running = fs::read_to_string(path).map_err(StepError::io("read", path))?;
        let mut reasons = pending::reasons(Path::new("/"), &running);
        reasons.extend(self.log.recall(self.order, &self.restart_key()?)?);
        Ok(reasons)
    }

    /// Which processes belong to the product's own service while it runs, for looks that must not wait until it is stopped.
    /// A deed of an order knows of none: by then the service has ended.
    pub(crate) fn of_running_service(&self) -> Result<impl Fn(i32) -> bool, StepError> {
        let runs = self.only_measures && self.service.state()? != ServiceState::Stopped;
        let service = self.service;
        Ok(move |pid| runs && service.owns(pid).unwrap_or(true))
    }

    pub(crate) fn user(&self) -> Result<Option<User>, StepError> {
        self.product.user.as_deref().map(User::find).transpose()
    }

    pub(crate) fn value(&self, name: &ParameterName) -> Result<&str, StepError> {
        let missing = || StepError::NoValue { parameter: name.to_string() };
        self.values.get(name).map(String::as_str).ok_or_else(missing)
    }

    pub(crate) fn text(&self, value: &Value) -> Result<String, StepError> {
        Ok(match value {
            Value::Param { param } => self.value(param)?.to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
        })
    }

    fn target(&self, host: Option<&Value>, port: &Value) -> Result<(String, u16), StepError> {
        let host = host.map_or_else(|| Ok("127.0.0.1".to_owned()), |host| self.text(host))?;
        Ok((host, self.port(port)?))
    }

    pub(crate) fn port(&self, port: &Value) -> Result<u16, StepError> {
        let text = self.text(port)?;
        let bad = || StepError::BadValue {
            what: "port",
            found: text.clone(),
            expected: "a number from 1 to 65535",
        };
        text.parse().ok().filter(|port| *port > 0).ok_or_else(bad)
    }

    /// Looks once; the answer is a line for people.
    pub(crate) fn probe(&self, what: &Probe) -> Result<String, StepError> {
        let limit = self.limit().min(LOOK_LIMIT);
        match what {
            Probe::Tcp { port, host } => {
                let (host, port) = self.target(host.as_ref(), port)?;
                probe::tcp(&host, port, limit)?;
                Ok(format!("{host}:{port} accepts connections"))
            }
            Probe::Http { port, host, path, status, contains } => {
                let (host, port) = self.target(host.as_ref(), port)?;
                let expected = probe::Expected { status: *status, contains: contains.as_deref() };
                probe::http(&host, port, path, &expected, limit)
            }
            Probe::Command { run } => {
                let output = self.run(run)?.succeed(self.limit())?;
                Ok(last_lines(&output))
            }
            Probe::Sql(terms) => probe::sql::look(self, terms, self.limit()),
            Probe::Share(terms) => probe::share::look(self, terms, self.limit()),
            Probe::PrintQueue(terms) => probe::print_queue::look(self, terms, self.limit()),
        }
    }

    /// Whether the runbook exchanges the link before this step.
    pub(crate) fn after_switch(&self) -> bool {
        let before = self.record.runbook.steps.iter().take_while(|step| step.id != self.step.id);
        before.into_iter().any(|step| step.kind.exchanges())
    }

    /// The folder that the product runs from: its root, or the one that it is installed into.
    pub(crate) fn product_folder(&self) -> Result<PathBuf, StepError> {
        let root = self.layout.root();
        Ok(match in_place::place_terms(&self.record.runbook) {
            Some(terms) => root.join(self.text(&terms.into)?),
            None => root.to_owned(),
        })
    }

    /// Names the order in what steps keep beside the product.
    pub(crate) fn key_of_order(&self) -> String {
        format!("{}.{}.", self.order.rollout, self.order.generation)
    }

    /// Names the leg in what steps keep beside the product.
    pub(crate) fn key_of_leg(&self) -> String {
        format!("{}leg{}", self.key_of_order(), self.leg)
    }

    fn key(&self, what: &str) -> String {
        step_key(self.leg, &self.step.id, what)
    }

    /// Keeps what was seen before the step's first try; later tries see what the step itself did.
    pub(crate) fn remember(&self, what: &str, value: &str) -> Result<String, StepError> {
        Ok(self.log.remember(self.order, &self.key(what), value)?)
    }

    pub(crate) fn recall(&self, what: &str) -> Result<Option<String>, StepError> {
        Ok(self.log.recall(self.order, &self.key(what))?)
    }

    /// What another step of the leg kept.
    pub(crate) fn recall_of(&self, step: &StepId, what: &str) -> Result<Option<String>, StepError> {
        Ok(self.log.recall(self.order, &format!("leg{}/{step}/{what}", self.leg))?)
    }

    /// Where evidence of this leg is kept; what configuration and logs hold is for the agent's own user only.
    pub(crate) fn evidence(&self) -> Result<PathBuf, StepError> {
        let folder = self.evidence_of(&self.step.id);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&folder).map_err(StepError::io("make folder", &folder))?;
        Ok(folder)
    }

    /// Where evidence of a step of this leg is kept, if it kept any.
    pub(crate) fn evidence_of(&self, step: &StepId) -> PathBuf {
        let order = format!("{}.{}", self.order.rollout, self.order.generation);
        let folder = self.state.join("evidence").join(order).join(format!("leg{}", self.leg));
        folder.join(step.as_str())
    }

    /// The first step of the runbook whose kind is wanted.
    pub(crate) fn first_of(&self, wanted: impl Fn(&StepKind) -> bool) -> Option<&StepId> {
        let steps = &self.record.runbook.steps;
        steps.iter().find(|step| wanted(&step.kind)).map(|step| &step.id)
    }

    /// The product's service ended by itself, and what it said last.
    pub(crate) fn ended_by_itself(&self, when: &str) -> StepError {
        let words = self.service.last_words().map(|words| self.redacted(&words));
        let words = words.map(|words| format!("; it said: {words}")).unwrap_or_default();
        let found = format!("stopped by itself{when}{words}");
        let service = self.product.name.to_string();
        StepError::Service { service, expected: "running", found }
    }

    /// A text without the values that are never shown.
    pub(crate) fn redacted(&self, text: &str) -> String {
        crate::command::redacted(text, self.secrets)
    }
}

/// Whether a step stops the product's own services.
pub(crate) fn stops_product(kind: &StepKind) -> bool {
    matches!(kind, StepKind::ServiceStop { units } if units.is_empty())
}

/// What a release's tree looked like when it was staged; measured now if nobody looked then.
pub(crate) fn release_digest(
    log: &dyn StepLog,
    order: &OrderKey,
    layout: &Layout,
    build: &BuildId,
) -> Result<Digest, StepError> {
    let key = format!("tree/{build}");
    if let Some(known) = log.recall(order, &key)?.and_then(|text| Digest::parse(&text).ok()) {
        return Ok(known);
    }
    let found = layout.look_of(build)?;
    log.remember(order, &key, &found.to_string())?;
    Ok(found)
}

/// Where it is kept what a step saw.
pub(crate) fn step_key(leg: u32, step: &StepId, what: &str) -> String {
    format!("leg{leg}/{step}/{what}")
}

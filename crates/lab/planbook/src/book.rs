//! What a script has said so far, and the answers.

use crate::line::{BadLine, Line};
use jiff::Timestamp;
use refit_calendar::{Calendar, Freeze, Scope, Window};
use refit_inventory::{ClusterRecord, EngineerRecord, HostRecord, SiteRecord};
use refit_names::{Coded as _, Generation, HostName, Percent, TimeClass, counted};
use refit_packs::manifest::Estimate;
use refit_plan::{Advance, Pin, PinnedTo, Plan, diff};
use refit_plan_check::{CheckInput, judge};
use refit_planner::{
    Begun, Candidate, Measured, PlanError, PlanInput, PlanReport, RollbackInput, Shape,
    Surroundings, plan, rollback,
};
use refit_risk::RiskScore;
use refit_testkit::{PRODUCT, catalog, host, lit, pack};
use std::collections::{BTreeMap, BTreeSet};

const MINUTE: u64 = 60_000;

/// A notebook: records in any order, then questions.
#[derive(Debug)]
pub struct Book {
    input: PlanInput,
    windows: Vec<Window>,
    freezes: Vec<Freeze>,
    last: Option<Plan>,
}

impl Default for Book {
    fn default() -> Self {
        let shape = Shape {
            shares: [10, 30, 60].into_iter().filter_map(|share| Percent::new(share).ok()).collect(),
            goal: Percent::new(80).unwrap_or(Percent::HUNDRED),
            soak_ms: 0,
            timeout_ms: 72 * 60 * MINUTE,
            parallel: 4,
            advance: Advance::Automatic,
        };
        let input = PlanInput {
            rollout: lit("sp2"),
            generation: Generation::FIRST,
            parent: None,
            author: lit("planner"),
            now: Timestamp::UNIX_EPOCH,
            product: lit(PRODUCT),
            target: lit("sp2"),
            wanted: BTreeSet::new(),
            hosts: Vec::new(),
            catalog: catalog(Vec::new()),
            parts: BTreeSet::new(),
            estimates: BTreeMap::new(),
            history: BTreeMap::new(),
            shape,
            failure_budget: 1,
            approvals_needed: 1,
            surroundings: Surroundings::default(),
            demands: refit_planner::Demands::default(),
            begun: None,
        };
        Self { input, windows: Vec::new(), freezes: Vec::new(), last: None }
    }
}

impl Book {
    /// Takes one line; the answer, empty for records.
    ///
    /// # Errors
    /// [`BadLine`] when it is not understood.
    pub fn tell(&mut self, line: &Line) -> Result<String, BadLine> {
        let silent = |()| String::new();
        match line.verb.as_str() {
            "now" => {
                self.input.now = line.read(line.name()?)?;
                Ok(String::new())
            }
            "pack" => self.pack(line).map(silent),
            "window" => self.window(line),
            "freeze" => self.freeze(line),
            "thaw" => {
                self.freezes.retain(|freeze| Some(freeze.name.as_str()) != line.name().ok());
                Ok(self.calendar())
            }
            "site" | "cluster" | "engineer" => self.surrounding(line).map(silent),
            "host" | "hosts" => self.hosts(line),
            "waves" => self.waves(line).map(silent),
            "history" => self.history(line).map(silent),
            "pin" | "unpin" => self.pin(line).map(silent),
            "emergency" => {
                self.input.demands.emergency = Some(line.words.join(" "));
                Ok(String::new())
            }
            "calm" => {
                self.input.demands.emergency = None;
                Ok(String::new())
            }
            "plan" => Ok(self.plan(|plan, _| plan.describe())),
            "summary" => Ok(self.plan(summary)),
            "fits?" => self.fits(line),
            "begun" => self.begun(line).map(silent),
            "replan" => Ok(self.replan()),
            "why" => self.why(line),
            "rollback" => self.rollback(line),
            other => Err(line.wrong(format!("there is no command `{other}`"))),
        }
    }

    fn pack(&mut self, line: &Line) -> Result<(), BadLine> {
        let from: Vec<String> = line.list("from")?;
        let from: Vec<&str> = from.iter().map(String::as_str).collect();
        let summary = pack(&from, line.name()?);
        let minutes = |key| line.need::<u64>(key).map(|minutes| minutes * MINUTE);
        let estimate = Estimate {
            p50_ms: minutes("p50")?,
            p95_ms: minutes("p95")?,
            undo_p95_ms: minutes("undo")?,
        };
        self.input.estimates.insert(summary.record_digest, estimate);
        self.input.catalog.packs.push(summary);
        Ok(())
    }

    fn window(&mut self, line: &Line) -> Result<String, BadLine> {
        let class = match line.text("class") {
            Some("working-hours") => TimeClass::WorkingHours,
            Some("weekend") => TimeClass::Weekend,
            Some("out-of-hours") => TimeClass::OutOfHours,
            other => return Err(line.wrong(format!("class is {other:?}"))),
        };
        self.windows.push(Window {
            name: line.read(line.name()?)?,
            about: String::new(),
            zone: line.text("zone").unwrap_or("UTC").to_owned(),
            starts: line.need("starts")?,
            // A rule has `=` of its own; the first pair took what stands before it.
            rule: line.text("rule").map(str::to_owned),
            minutes: line.need("minutes")?,
            class,
            except: BTreeSet::new(),
            extra: BTreeSet::new(),
        });
        Ok(self.calendar())
    }

    fn freeze(&mut self, line: &Line) -> Result<String, BadLine> {
        self.freezes.push(Freeze {
            name: line.name()?.to_owned(),
            from: line.need("from")?,
            until: line.need("until")?,
            scope: Scope::default(),
            reason: "agreed".to_owned(),
        });
        Ok(self.calendar())
    }

    fn calendar(&mut self) -> String {
        match Calendar::new(self.windows.clone(), self.freezes.clone()) {
            Ok(calendar) => {
                self.input.surroundings.calendar = calendar;
                String::new()
            }
            Err(errors) => format!("refused [{}]: {errors}", errors.code()),
        }
    }

    fn surrounding(&mut self, line: &Line) -> Result<(), BadLine> {
        let around = &mut self.input.surroundings;
        match line.verb.as_str() {
            "site" => around.sites.push(SiteRecord {
                name: line.read(line.name()?)?,
                zone: line.text("zone").unwrap_or("UTC").to_owned(),
                bandwidth: line.get::<u64>("line")?.map(refit_names::ByteSize),
                down_at_once: line.get("down")?,
            }),
            "cluster" => around.clusters.push(ClusterRecord {
                name: line.name()?.to_owned(),
                down_at_once: line.need("down")?,
                order: line.list("order")?,
                members_max: line.get("members")?,
            }),
            _ => around.engineers.push(EngineerRecord {
                name: line.read(line.name()?)?,
                skills: line.list("skills")?,
                sites: line.list("sites")?,
                available: line.list("windows")?,
                hosts_at_once: line.get("hosts")?.unwrap_or(1),
            }),
        }
        Ok(())
    }

    fn hosts(&mut self, line: &Line) -> Result<String, BadLine> {
        let name = line.name()?;
        let names: Vec<String> = match (line.verb.as_str(), line.get::<usize>("count")?) {
            ("hosts", Some(count)) => (1..=count).map(|n| format!("{name}-{n:03}")).collect(),
            ("hosts", None) => return Err(line.wrong("`count=` is missing")),
            _ => vec![name.to_owned()],
        };
        let class = line.text("class").map(|class| match class {
            "working-hours" => TimeClass::WorkingHours,
            "weekend" => TimeClass::Weekend,
            _ => TimeClass::OutOfHours,
        });
        for name in &names {
            let record = HostRecord {
                site: line.need("site")?,
                role: line.need("role")?,
                windows: line.list("windows")?,
                time_class: class,
                tier: line.get("tier")?.unwrap_or(0),
                cluster: line.get("cluster")?,
                after: line.list("after")?,
                ..host(name, self.input.now).at_build(&line.need::<String>("build")?).record()
            };
            let risk = RiskScore { score: line.need("risk")?, reasons: Vec::new() };
            self.input.hosts.push(Candidate { record, risk, reachable: true });
        }
        Ok(if names.len() > 1 { format!("{} hosts", names.len()) } else { String::new() })
    }

    fn waves(&mut self, line: &Line) -> Result<(), BadLine> {
        let shares: Vec<u8> = line.list("shares")?;
        if !shares.is_empty() {
            let percent =
                |share| Percent::new(share).map_err(|error| line.wrong(error.to_string()));
            self.input.shape.shares = shares.into_iter().map(percent).collect::<Result<_, _>>()?;
        }
        if let Some(hours) = line.get::<u64>("soak")? {
            self.input.shape.soak_ms = hours * 60 * MINUTE;
        }
        self.input.shape.parallel = line.get("parallel")?.unwrap_or(self.input.shape.parallel);
        if let Some(minutes) = line.get::<u64>("validation")? {
            self.input.demands.validation_ms = minutes * MINUTE;
        }
        Ok(())
    }

    fn history(&mut self, line: &Line) -> Result<(), BadLine> {
        let to: String = line.need("to")?;
        let found = self.input.catalog.packs.iter().find(|pack| pack.to.as_str() == to);
        let digest =
            found.ok_or_else(|| line.wrong(format!("no pack leads to `{to}`")))?.record_digest;
        let measured = Measured {
            runs: line.need("runs")?,
            p50_ms: line.need::<u64>("p50")? * MINUTE,
            p95_ms: line.need::<u64>("p95")? * MINUTE,
            ..Measured::default()
        };
        self.input.history.insert((digest, line.read(line.name()?)?), measured);
        Ok(())
    }

    fn pin(&mut self, line: &Line) -> Result<(), BadLine> {
        let host: HostName = line.read(line.name()?)?;
        if line.verb == "unpin" {
            self.input.demands.pins.retain(|pin| pin.host != host);
            return Ok(());
        }
        let when = match (line.get("on")?, line.get("at")?) {
            (Some(day), _) => PinnedTo::Day(day),
            (_, Some(at)) => PinnedTo::Opening(at),
            _ => return Err(line.wrong("`on=` or `at=` is missing")),
        };
        self.input.demands.pins.push(Pin { host, when });
        Ok(())
    }

    fn judged(&self, made: &Plan) -> String {
        let hosts: Vec<HostRecord> =
            self.input.hosts.iter().map(|host| host.record.clone()).collect();
        let around = &self.input.surroundings;
        let findings = judge(&CheckInput {
            plan: made,
            hosts: &hosts,
            catalog: &self.input.catalog,
            calendar: Some(&around.calendar),
            sites: &around.sites,
            clusters: &around.clusters,
            engineers: &around.engineers,
            pins: &self.input.demands.pins,
            shares: &self.input.shape.shares,
            parent: self.input.begun.as_ref().map(|begun| &begun.plan),
        });
        if findings.is_empty() {
            return "second judge: nothing found".to_owned();
        }
        let lines = findings
            .iter()
            .map(|one| format!("second judge OBJECTS: {:?}: {}", one.rule, one.text));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn plan(&mut self, show: impl Fn(&Plan, &PlanReport) -> String) -> String {
        match plan(&self.input) {
            Ok((made, report)) => {
                let mut lines = vec![show(&made, &report).trim_end().to_owned()];
                lines.extend(report.remarks.iter().map(|line| format!("planner: {line}")));
                lines.push(self.judged(&made));
                self.last = Some(made);
                lines.join("\n")
            }
            Err(error) => refused(&error),
        }
    }

    fn fits(&self, line: &Line) -> Result<String, BadLine> {
        let mut asked = self.input.clone();
        asked.demands.deadline = Some(line.read(line.name()?)?);
        Ok(match plan(&asked) {
            Ok((made, report)) => {
                let finish = report.finish.map_or_else(String::new, |at| format!(": ends at {at}"));
                format!("yes{finish}\n{}", self.judged(&made))
            }
            Err(error) => refused(&error),
        })
    }

    fn begun(&mut self, line: &Line) -> Result<(), BadLine> {
        let Some(plan) = self.last.clone() else { return Err(line.wrong("there is no plan yet")) };
        let mut hosts = self.input.begun.take().map_or_else(BTreeSet::new, |begun| begun.hosts);
        for name in &line.words {
            hosts.insert(line.read(name)?);
        }
        self.input.begun = Some(Begun { plan, hosts });
        Ok(())
    }

    fn replan(&mut self) -> String {
        let Some(before) = self.last.clone() else { return "there is no plan yet".to_owned() };
        if let Some(begun) = &mut self.input.begun {
            begun.plan = before.clone();
        }
        self.input.parent = before.hash().ok();
        self.input.generation = before.generation.next();
        let told = self.plan(|made, _| {
            let changes: Vec<_> = diff(&before, made).iter().map(ToString::to_string).collect();
            let (old, new) = (before.generation, made.generation);
            format!("generation {old} → {new}: {} changes\n{}", changes.len(), changes.join("\n"))
        });
        told.trim_end().to_owned()
    }

    fn why(&self, line: &Line) -> Result<String, BadLine> {
        let Some(made) = &self.last else { return Err(line.wrong("there is no plan yet")) };
        let name = line.name()?;
        if let Some(host) = made.excluded.iter().find(|host| host.host.as_str() == name) {
            return Ok(format!("left out: {}", host.because));
        }
        let found = made.hosts().find(|(_, host)| host.host.as_str() == name);
        let Some((wave, host)) = found else { return Ok("it was not asked for".to_owned()) };
        let when =
            host.slot.as_ref().map_or_else(|| "as its wave runs".to_owned(), ToString::to_string);
        Ok(format!("{}: {when}\nbecause {}", wave.name, host.because))
    }

    fn rollback(&self, line: &Line) -> Result<String, BadLine> {
        let Some(made) = &self.last else { return Err(line.wrong("there is no plan yet")) };
        let wave = line.read(line.name()?)?;
        let ways = BTreeMap::new();
        let back =
            rollback(&RollbackInput { around: &self.input, plan: made, wave: &wave, ways: &ways });
        Ok(back.map_or_else(|| format!("there is no wave `{wave}`"), |back| back.describe()))
    }
}

fn refused(error: &PlanError) -> String {
    format!("no plan [{}]: {error}", error.code())
}

/// Waves in a line each.
fn summary(made: &Plan, _: &PlanReport) -> String {
    let mut lines = vec![format!("{} to {}", counted(made.hosts().count(), "host"), made.target)];
    for wave in &made.waves {
        let times = wave.starts_at().zip(wave.ends_at());
        let times =
            times.map_or_else(String::new, |(from, until)| format!(", {from} until {until}"));
        let risks = wave.hosts.iter().map(|host| host.risk);
        let (low, high) = (risks.clone().min().unwrap_or(0), risks.max().unwrap_or(0));
        lines.push(format!(
            "{}: {}, risk {low} to {high}{times}",
            wave.name,
            counted(wave.hosts.len(), "host")
        ));
    }
    let out = made.excluded.iter().map(|host| format!("left out {}: {}", host.host, host.because));
    lines.extend(out);
    lines.join("\n")
}

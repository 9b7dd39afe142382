//! Scenario `web-postgresql`: buildbot masters that are upgraded twice; the last one is made to fail and taken back.

use crate::{
    checks,
    control::Control,
    image,
    lab::{Lab, packs, runbook, together},
    machine::{Machine, copy},
    masters::{self, FIRST_BUILD},
    scenario::{Campaign, Scenario},
    tally::Tally,
    wheels,
};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Builds with packs, in the order of the path.
const PACKED: [&str; 2] = ["4.0.4", "4.3.0"];
/// What people say of the hosts: the one that will fail has the most hanging on it, so it comes last.
const FLEET: &str = "\
ci1,lab,web-application,application-owner,low,canary,
ci2,lab,web-application,application-owner,medium,,
ci3,lab,web-application,application-owner,high,,
";

/// The scenario.
pub(crate) struct Web {
    /// The host with PostgreSQL.
    pub(crate) database: Machine,
    /// Hosts with a master each; the last is the one that is made to fail.
    pub(crate) masters: Vec<Machine>,
}

impl Web {
    pub(crate) fn new(folder: &Path) -> Self {
        let host = |name, last_byte| Machine::new(folder, &image::SERVER, name, last_byte);
        Self {
            database: host("db1", 11),
            masters: vec![host("ci1", 12), host("ci2", 13), host("ci3", 14)],
        }
    }
}

impl Scenario for Web {
    fn name(&self) -> &'static str {
        "web-postgresql"
    }

    fn role(&self) -> &'static str {
        "web-application"
    }

    fn hosts(&self) -> Vec<&Machine> {
        // A master that stops writes so to its database: that one goes last.
        self.masters.iter().chain([&self.database]).collect()
    }

    fn campaign(&self) -> Campaign {
        Campaign {
            rollout: "buildbot-4-3",
            product: "buildbot",
            first: FIRST_BUILD,
            target: "4.3.0",
            shape: &[
                "--share",
                "33",
                "--share",
                "67",
                "--goal",
                "50",
                "--soak",
                "1s",
                "--parallel",
                "2",
                "--failure-budget",
                "1",
            ],
        }
    }

    fn lay_out(&self, lab: &Lab) -> Result<()> {
        self.database.mask("haproxy.service")?;
        masters::configure_database(&self.database)?;
        for master in &self.masters {
            master.mask("haproxy.service")?;
            masters::lay_out(lab, &self.database, master)?;
        }
        Ok(())
    }

    fn install(&self, _: &Lab) -> Result<()> {
        masters::make_role(&self.database)?;
        together(&self.masters, |master| masters::install(&self.database, master))
    }

    fn packs(&self, lab: &Lab) -> Result<Vec<PathBuf>> {
        PACKED.iter().map(|build| put_together(lab, build)).collect()
    }

    fn agent(&self, _: &Lab, host: &Machine) -> Option<String> {
        let is_master = self.masters.iter().any(|master| master.name == host.name);
        is_master.then(|| {
            format!(
                "[[product]]\nname = \"buildbot\"\nroot = \"{}\"\n\n[product.service]\nkind = \"systemd\"\nunits = [\"buildbot.service\"]\n\n\
                 [product.parameters]\nport = \"{}\"\n\n[product.secrets]\ndatabase-url = \"{}\"\n",
                masters::ROOT,
                masters::PORT,
                masters::database_url(&self.database, host)
            )
        })
    }

    fn fleet(&self) -> &'static str {
        FLEET
    }

    fn arrange(&self, _: &Lab, _: &Control) -> Result<()> {
        let failing = self.masters.last().context("the lab has no master")?;
        masters::obstruct(&self.database, failing)
    }

    fn check(&self, lab: &Lab, view: &Value, tally: &Tally) {
        checks::report(self, view, tally);
        checks::hosts(lab, self, tally);
    }
}

/// The folder in which the pack of `build` was put together.
pub(crate) fn pack_folder(lab: &Lab, build: &str) -> PathBuf {
    lab.work.join("packs").join(build)
}

/// The shipped runbook with its scripts, the product's own migration, and the released wheels.
fn put_together(lab: &Lab, build: &str) -> Result<PathBuf> {
    let folder = pack_folder(lab, build);
    fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
    let ours = packs().join(build);
    for file in ["pack.yaml", "README.md"] {
        copy(&ours.join(file), &folder.join(file))?;
    }
    let shipped = runbook("web-postgresql");
    copy(&shipped.join("runbook.yaml"), &folder.join("runbook.yaml"))?;
    copy(&packs().join("shared/payload"), &folder.join("payload"))?;
    let requirements = ours.join("requirements.txt");
    copy(&requirements, &folder.join("payload/requirements.txt"))?;
    copy(&wheels::provide(&lab.cache, build, &requirements)?, &folder.join("payload/wheels"))?;
    Ok(folder)
}

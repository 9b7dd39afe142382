//! Scenario `operating-system`: Debian's security updates for all that two servers have; an owner's test refuses them on the second.

use crate::{
    control::Control,
    debs::Wanted,
    image,
    lab::{Lab, together},
    machine::Machine,
    masters::psql,
    packages::{PROOF, Packaged, usual_backup},
    scenario::{Campaign, Scenario},
    snapshot,
    tally::Tally,
    walk,
};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const SHORT: Duration = Duration::from_secs(60);
const PRODUCT: Packaged = Packaged {
    product: "debian",
    runbook: "operating-system",
    first: "12-main",
    target: "12-security",
    data: "data",
    recipe: &image::SERVER,
    // Applications come with packs of their own.
    wanted: Wanted::AllBut(&["postgresql-15", "postgresql-common", "haproxy"]),
};
const FLEET: &str = "\
os1,lab,operating-system,application-owner,low,canary,
os2,lab,operating-system,application-owner,high,,
";
const SERVES: &str = "#!/bin/sh\nexec su postgres -s /bin/sh -c 'cd / && psql -X -A -t -c \"select text from kept\"'\n";
/// An owner whose application was certified with one version of a library.
const CERTIFIED: &str = "\
#!/bin/sh
now=$(dpkg-query --show --showformat='${Version}' libssl3)
was=$(cat /etc/refit/certified)
[ \"$now\" = \"$was\" ] || { echo \"certified with libssl3 $was, found $now\" >&2; exit 1; }
";

/// The scenario.
pub(crate) struct OperatingSystem {
    hosts: [Machine; 2],
}

impl OperatingSystem {
    pub(crate) fn new(folder: &Path) -> Self {
        let host = |name, last_byte| Machine::new(folder, &image::SERVER, name, last_byte);
        Self { hosts: [host("os1", 41), host("os2", 42)] }
    }

    fn before(lab: &Lab, host: &Machine) -> PathBuf {
        lab.work.join(format!("{}.disk.before", host.name))
    }
}

impl Scenario for OperatingSystem {
    fn name(&self) -> &'static str {
        "operating-system"
    }

    fn role(&self) -> &'static str {
        "operating-system"
    }

    fn hosts(&self) -> Vec<&Machine> {
        self.hosts.iter().collect()
    }

    fn campaign(&self) -> Campaign {
        Campaign {
            rollout: "debian-service-pack",
            product: PRODUCT.product,
            first: PRODUCT.first,
            target: PRODUCT.target,
            // Both at once: waves are rehearsed by the masters.
            shape: &[
                "--share",
                "100",
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

    fn lay_out(&self, _: &Lab) -> Result<()> {
        for host in &self.hosts {
            host.mask("haproxy.service")?;
            PRODUCT.lay_out(host)?;
            host.write("srv/debian/data/note", "kept\n")?;
            host.write("etc/refit/tests.d/database", SERVES)?;
        }
        Ok(())
    }

    fn install(&self, _: &Lab) -> Result<()> {
        together(&self.hosts, |host| {
            host.done(&["chmod", "755", "/etc/refit/tests.d/database"], SHORT)?;
            psql(
                host,
                "postgres",
                "create table kept (text text); insert into kept values ('from before')",
            )?;
            usual_backup(host, "/etc /var/lib/dpkg", "\"system\"")
        })
    }

    fn packs(&self, lab: &Lab) -> Result<Vec<PathBuf>> {
        Ok(vec![PRODUCT.pack(lab)?])
    }

    fn agent(&self, _: &Lab, _: &Machine) -> Option<String> {
        let product = PRODUCT.agent(&["postgresql@15-main.service"]);
        Some(format!("{product}[product.parameters]\nbackup-proof = \"{PROOF}\"\n"))
    }

    fn fleet(&self) -> &'static str {
        FLEET
    }

    fn arrange(&self, lab: &Lab, _: &Control) -> Result<()> {
        let [_, failing] = &self.hosts;
        failing.write("etc/refit/tests.d/certified", CERTIFIED)?;
        let script = "chmod 755 /etc/refit/tests.d/certified; dpkg-query --show --showformat='${Version}' libssl3 >/etc/refit/certified";
        failing.done(&["sh", "-c", script], SHORT)?;
        together(&self.hosts, |host| Ok(fs::write(Self::before(lab, host), snapshot::disk(host)?)?))
    }

    fn check(&self, lab: &Lab, view: &Value, tally: &Tally) {
        for (host, state) in self.hosts.iter().zip(["succeeded", "rolled-back"]) {
            let name = host.name;
            let told = walk::told(view, name);
            let cause = told.as_ref().map(|(_, cause)| cause.clone()).unwrap_or_default();
            tally.same(
                &format!("{name}: the server says {state}"),
                &state.to_owned(),
                told.map(|(state, _)| state),
            );
            let disk = snapshot::disk(host).unwrap_or_default();
            if state == "rolled-back" {
                let outcome = cause.contains("certified with libssl3").then_some(());
                let outcome = outcome.with_context(|| format!("the cause is {cause}"));
                tally.check(&format!("{name}: the cause is what the owner's test said"), outcome);
                let before = fs::read_to_string(Self::before(lab, host)).unwrap_or_default();
                tally.check(
                    &format!("{name}: packages, programs, configuration and dpkg's records are byte for byte those from before"),
                    snapshot::same(&before, &disk),
                );
            } else {
                let carried = snapshot::carried_are_there(&PRODUCT.carried(lab), &disk);
                let count = carried.as_ref().copied().unwrap_or_default();
                tally.check(
                    &format!("{name}: {count} carried packages are installed"),
                    carried.map(drop),
                );
                let found = host.reboots();
                tally.same(
                    &format!("{name}: was restarted before, and after because it was needed"),
                    &2,
                    found,
                );
            }
            let kept = host
                .done(&["/etc/refit/tests.d/database"], SHORT)
                .map(|text| text.trim().to_owned());
            tally.same(
                &format!("{name}: its database answers with what was in it"),
                &"from before".to_owned(),
                kept,
            );
            tally.same(
                &format!("{name}: dpkg has nothing half done"),
                &String::new(),
                host.done(&["dpkg", "--audit"], SHORT),
            );
        }
    }
}

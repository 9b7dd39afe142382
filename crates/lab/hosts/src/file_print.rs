//! Scenario `file-print`: two servers with Samba and CUPS; on the second the home share breaks with the newer Samba, so it is taken back.

use crate::{
    control::Control,
    debs::Wanted,
    image,
    lab::{Lab, together},
    machine::Machine,
    packages::{PROOF, Packaged, usual_backup},
    process::until,
    scenario::{Campaign, Scenario},
    snapshot,
    talk::say,
    tally::Tally,
    walk,
};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const SHORT: Duration = Duration::from_secs(60);
const USER: &str = "clerk";
/// Its network leads nowhere else, so the password guards nothing.
const PASSWORD: &str = "lab";
const PAPER: &str = "/var/spool/office.paper";
/// What `service.hold` has in the runbook and this image has too.
const HELD: [&str; 5] =
    ["cron.service", "atd.service", "quota.service", "nut-server.service", "nut-monitor.service"];

const PRODUCT: Packaged = Packaged {
    product: "file-print",
    runbook: "file-print",
    first: "12-updates",
    target: "12-security",
    data: "shares",
    recipe: &image::FILE_PRINT,
    wanted: Wanted::Of(&["samba"]),
};
const FLEET: &str = "\
fp1,lab,file-print,application-owner,low,canary,
fp2,lab,file-print,application-owner,high,,
";
const SMB_CONF: &str = "\
[global]
workgroup = LAB
server role = standalone server
disable netbios = yes
log file = /var/log/samba/log.%m
[homes]
path = /srv/file-print/shares/%S
valid users = %S
read only = no
";
/// A printer that cannot run out of paper.
const PRINTER: &str = "\
#!/bin/sh
[ $# -gt 0 ] || { echo 'direct paper \"Unknown\" \"a tray\"'; exit 0; }
if [ -n \"${6:-}\" ]; then cat \"$6\"; else cat; fi >>\"${DEVICE_URI#paper:}\"
";
/// A site's own module, as vendors sell them: made for one version of Samba, and refusing to work with another.
const SITE_MODULE: &str = "\
#!/bin/sh
version=$(dpkg-query --show --showformat='${Version}' samba)
case $version in *deb12u2) ;; *) echo \"not certified for Samba $version\" >&2; exit 1 ;; esac
";

/// The scenario.
pub(crate) struct FilePrint {
    hosts: [Machine; 2],
}

impl FilePrint {
    pub(crate) fn new(folder: &Path) -> Self {
        let host = |name, last_byte| Machine::new(folder, &image::FILE_PRINT, name, last_byte);
        Self { hosts: [host("fp1", 21), host("fp2", 22)] }
    }

    fn before(lab: &Lab, host: &Machine, what: &str) -> PathBuf {
        lab.work.join(format!("{}.{what}.before", host.name))
    }

    fn look(&self, lab: &Lab, host: &Machine, is_taken_back: bool, tally: &Tally) {
        let name = host.name;
        let check =
            |what: &str, outcome: Result<()>| tally.check(&format!("{name}: {what}"), outcome);
        let disk = snapshot::disk(host).unwrap_or_default();
        if is_taken_back {
            let before = fs::read_to_string(Self::before(lab, host, "disk")).unwrap_or_default();
            check(
                "packages, programs, configuration and dpkg's records are byte for byte those from before",
                snapshot::same(&before, &disk),
            );
        } else {
            check(
                "Samba's packages are those of the pack",
                snapshot::carried_are_there(&PRODUCT.carried(lab), &disk).map(drop),
            );
            check("smbd runs from the new files", runs_installed(host));
        }
        check("the home share reads and writes over SMB from another host", self.share_works(host));
        check("a page comes out of the queue", print(host));
        let held = snapshot::units(host, &HELD).and_then(|now| {
            snapshot::same(&fs::read_to_string(Self::before(lab, host, "units"))?, &now)
        });
        check("what was held runs and is enabled as before", held);
        check("was restarted before and after the change", reboots(host));
        check("shares, queues and addresses are kept as evidence", evidence(host));
    }

    /// Reads what was there before, and writes something new, from the other host.
    fn share_works(&self, host: &Machine) -> Result<()> {
        let other = self.hosts.iter().find(|other| other.name != host.name).context("no other")?;
        let commands = "get letter.txt /tmp/letter.txt; put /etc/hostname from-outside.txt; rm from-outside.txt";
        let share = format!("//{}/{USER}", host.address);
        let login = format!("{USER}%{PASSWORD}");
        other.done(&["smbclient", &share, "--user", &login, "--command", commands], SHORT)?;
        let text = other.done(&["cat", "/tmp/letter.txt"], SHORT)?;
        ensure!(text == letter(host), "expected {:?}, found {text:?}", letter(host));
        Ok(())
    }
}

impl Scenario for FilePrint {
    fn name(&self) -> &'static str {
        "file-print"
    }

    fn role(&self) -> &'static str {
        "file-print"
    }

    fn hosts(&self) -> Vec<&Machine> {
        self.hosts.iter().collect()
    }

    fn campaign(&self) -> Campaign {
        Campaign {
            rollout: "samba-service-pack",
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
            PRODUCT.lay_out(host)?;
            host.write("etc/samba/smb.conf", SMB_CONF)?;
            host.write(&format!("srv/file-print/shares/{USER}/letter.txt"), &letter(host))?;
            host.write("usr/lib/cups/backend/paper", PRINTER)?;
            // Where the kernel lets nobody end a whole control group, systemd would wait a minute and a half for its second process.
            host.write(
                "etc/systemd/system/nut-monitor.service.d/lab.conf",
                "[Service]\nTimeoutStopSec=3\n",
            )?;
            host.write("etc/nut/nut.conf", "MODE=standalone\n")?;
            host.write("etc/nut/ups.conf", "[rack]\ndriver = dummy-ups\nport = rack.dev\n")?;
            host.write("etc/nut/rack.dev", "ups.status: OL\nbattery.charge: 100\n")?;
            host.write("etc/nut/upsd.users", "[monitor]\npassword = lab\nupsmon primary\n")?;
            host.write(
                "etc/nut/upsmon.conf",
                "MONITOR rack@localhost 1 monitor lab primary\nSHUTDOWNCMD /bin/true\n",
            )?;
        }
        Ok(())
    }

    fn install(&self, _: &Lab) -> Result<()> {
        together(&self.hosts, |host| {
            let script = format!(
                "set -eu; useradd --home-dir /srv/file-print/shares/{USER} --shell /usr/sbin/nologin {USER}; \
                 chown -R {USER}: /srv/file-print/shares/{USER}; printf '{PASSWORD}\\n{PASSWORD}\\n' | smbpasswd -s -a {USER}; \
                 chmod 700 /usr/lib/cups/backend/paper; lpadmin -p office -E -v paper:{PAPER} -m raw; \
                 systemctl restart cups.service"
            );
            // Restarted, because CUPS writes a new queue to its file only half a minute later, or when it ends.
            host.done(&["sh", "-c", &script], SHORT)?;
            usual_backup(
                host,
                "/srv/file-print/shares /etc /var/lib/samba",
                "\"shares\",\"system\"",
            )?;
            until(&format!("a page comes out of {}", host.name), SHORT, || print(host).map(Some))?;
            Ok(())
        })?;
        for host in &self.hosts {
            self.share_works(host)?;
            say(&format!("{}: Samba and CUPS serve", host.name));
        }
        Ok(())
    }

    fn packs(&self, lab: &Lab) -> Result<Vec<PathBuf>> {
        Ok(vec![PRODUCT.pack(lab)?])
    }

    fn agent(&self, _: &Lab, _: &Machine) -> Option<String> {
        let product = PRODUCT.agent(&["smbd.service", "cups.service"]);
        Some(format!(
            "{product}[product.parameters]\nhome-share = \"{USER}\"\nhome-user = \"{USER}\"\nhome-file = \"letter.txt\"\nqueue = \"office\"\n\
             backup-proof = \"{PROOF}\"\n\n[product.secrets]\nhome-password = \"{PASSWORD}\"\n"
        ))
    }

    fn fleet(&self) -> &'static str {
        FLEET
    }

    fn answer(&self, lab: &Lab, step: &str) -> Option<Vec<String>> {
        match step {
            "ready" => Some(vec!["--yes".to_owned()]),
            "vendor-updates" => {
                let page = lab.work.join("vendor-updates.txt");
                fs::write(&page, "no firmware: a machine of the lab has none\n").ok()?;
                Some(vec!["--upload".to_owned(), page.display().to_string()])
            }
            _ => None,
        }
    }

    fn arrange(&self, lab: &Lab, _: &Control) -> Result<()> {
        let [_, failing] = &self.hosts;
        failing.write("usr/local/sbin/site-module", SITE_MODULE)?;
        failing.done(&["chmod", "755", "/usr/local/sbin/site-module"], SHORT)?;
        let conf =
            format!("{SMB_CONF}preexec = /usr/local/sbin/site-module\npreexec close = yes\n");
        failing.write("etc/samba/smb.conf", &conf)?;
        failing.done(&["smbcontrol", "smbd", "reload-config"], SHORT)?;
        together(&self.hosts, |host| {
            fs::write(Self::before(lab, host, "disk"), snapshot::disk(host)?)?;
            let units = snapshot::units(host, &HELD)?;
            say(&format!("{}: {}", host.name, units.trim().replace('\n', ", ")));
            fs::write(Self::before(lab, host, "units"), units)?;
            Ok(())
        })
    }

    fn check(&self, lab: &Lab, view: &Value, tally: &Tally) {
        for (host, state) in self.hosts.iter().zip(["succeeded", "rolled-back"]) {
            let told = walk::told(view, host.name);
            let cause = told.as_ref().map(|(_, cause)| cause.clone()).unwrap_or_default();
            let what = format!("{}: the server says {state}", host.name);
            tally.same(&what, &state.to_owned(), told.map(|(state, _)| state));
            if state == "rolled-back" {
                let named = cause.contains("home-after") || cause.contains("clerk");
                let outcome = named.then_some(()).with_context(|| format!("the cause is {cause}"));
                tally.check(
                    &format!("{}: the cause names the test of the share", host.name),
                    outcome,
                );
            }
            self.look(lab, host, state == "rolled-back", tally);
        }
    }
}

fn letter(host: &Machine) -> String {
    format!("written before the service pack, kept on {}\n", host.name)
}

/// Prints a page with a mark of its own and waits until it lies in the tray.
fn print(host: &Machine) -> Result<()> {
    let script = format!(
        "set -eu; mark=\"page $(date +%s%N)\"; echo \"$mark\" | lp -d office -s -; \
         for i in $(seq 100); do if grep -q \"$mark\" {PAPER} 2>/dev/null; then exit 0; fi; sleep 0.1; done; lpstat -t >&2; exit 1"
    );
    host.done(&["sh", "-c", &script], SHORT).map(drop)
}

/// No process of Samba holds a file that is gone.
fn runs_installed(host: &Machine) -> Result<()> {
    let script = "pids=$(pidof smbd) || exit 1; for pid in $pids; do ! grep -q '(deleted)' /proc/$pid/maps || { grep -m3 '(deleted)' /proc/$pid/maps; exit 1; }; done";
    host.done(&["sh", "-c", script], SHORT).map(drop)
}

fn reboots(host: &Machine) -> Result<()> {
    let found = host.reboots()?;
    ensure!(found >= 2, "expected at least 2, found {found}");
    Ok(())
}

fn evidence(host: &Machine) -> Result<()> {
    let script = "set -eu; cd /var/lib/refit-agent/evidence; for text in 'server role = standalone server' 'device for office' 10.213.77; do \
                  grep -rqF \"$text\" . || { echo \"nothing kept has: $text\" >&2; find . -type f | head -40 >&2; exit 1; }; done";
    host.done(&["sh", "-c", script], SHORT).map(drop)
}

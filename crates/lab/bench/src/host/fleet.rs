//! A server and agents, worked with the commands that users type: a campaign of six small steps.

use super::done;
use crate::child::{Measured, programs};
use anyhow::{Context, Result, bail};
use refit_testkit::free_port;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PACK: &str = include_str!("../../scripts/host/pack.yaml");
const RUNBOOK: &str = include_str!("../../scripts/host/runbook.yaml");
const README: &str = "# Stone 1100\n";
/// One person each: nobody may do the work of two.
const RIGHTS: [&str; 6] =
    ["planner", "approver", "preparer", "authoriser", "configurer", "deployer"];
const STARTS_WITHIN: Duration = Duration::from_secs(120);

/// Everything that runs; it ends when this goes.
pub(super) struct Fleet {
    dir: PathBuf,
    programs: PathBuf,
    address: String,
    running: Vec<Measured>,
}

impl Fleet {
    /// A repository with one pack, a server, and `hosts` hosts with the build before it.
    pub(super) fn start(dir: &Path, hosts: u32, payload: &[u8]) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port());
        let (programs, running) = (programs()?, Vec::new());
        let mut new = Self { dir: dir.to_path_buf(), programs, address, running };
        fs::create_dir_all(dir.join("pack/payload"))?;
        for (name, text) in [("pack.yaml", PACK), ("runbook.yaml", RUNBOOK), ("README.md", README)]
        {
            fs::write(dir.join("pack").join(name), text)?;
        }
        fs::write(dir.join("pack/payload/payload"), payload)?;
        for words in [
            "pack build pack --out stone.refit",
            "repo init repo --keys keys",
            "repo publish repo --keys keys stone.refit",
        ] {
            done(new.refit("admin", words).env_remove("REFIT_SERVER"))?;
        }
        new.serve()?;
        for right in RIGHTS {
            let token =
                done(&mut new.refit("admin", &format!("user add {right} --right {right}")))?;
            fs::write(dir.join(format!("{right}.token")), token)?;
        }
        for number in 0..hosts {
            new.add_host(&format!("h{number:03}"), payload)?;
        }
        new.until("every agent has reported", |fleet| {
            let listed = done(&mut fleet.refit("planner", "fleet list --json"))?;
            Ok(listed.matches("\"services\": \"running\"").count() == hosts as usize)
        })?;
        Ok(new)
    }

    /// One campaign, from its plan to its end.
    pub(super) fn upgrade(&self) -> Result<()> {
        for (person, words) in [
            (
                "planner",
                "create spring --product stone --target 1100 --share 100 --goal 0 --soak 1s",
            ),
            ("planner", "plan spring"),
            ("approver", "agree spring --yes"),
            ("preparer", "prepare spring --wait"),
            ("authoriser", "authorise spring --yes"),
            ("configurer", "configure spring"),
            ("deployer", "deploy spring --wait"),
        ] {
            done(&mut self.refit(person, &format!("rollout {words}")))?;
        }
        Ok(())
    }

    /// Hosts that have the new build, what was there saved, and their service running.
    pub(super) fn upgraded(&self) -> Result<usize> {
        let mut count = 0;
        for entry in fs::read_dir(self.dir.join("hosts"))? {
            let home = entry?.path();
            let put = home.join("root/current/payload").is_file();
            let runs = home.join("root/running").exists();
            let saved = fs::read_dir(home.join("state/backups/stone"))?.next().is_some();
            count += usize::from(put && runs && saved);
        }
        Ok(count)
    }

    /// CPU seconds that all of them and their children used so far.
    pub(super) fn cpu_seconds(&self) -> Result<f64> {
        self.running.iter().map(Measured::cpu_seconds_with_children).sum()
    }

    fn refit(&self, person: &str, words: &str) -> Command {
        let token = match person {
            "admin" => self.dir.join("server/admin.token"),
            _ => self.dir.join(format!("{person}.token")),
        };
        let mut command = Command::new(self.programs.join("refit"));
        command.args(words.split(' ')).current_dir(&self.dir).env("REFIT_TOKEN_FILE", token);
        command.env("REFIT_SERVER", format!("https://{}", self.address));
        command.env("REFIT_CA", self.dir.join("server/ca.pem"));
        command
    }

    fn serve(&mut self) -> Result<()> {
        let repository = format!("file://{}/repo", self.dir.display());
        let words = format!(
            "server --state server --listen {} --repository-metadata {repository}/metadata/ \
             --repository-targets {repository}/targets/ --repository-root repo/metadata/1.root.json",
            self.address
        );
        let mut command = self.refit("admin", &words);
        self.keep(&mut command, "server.log")?;
        self.until("the server answers", |fleet| {
            Ok(done(&mut fleet.refit("admin", "user list")).is_ok())
        })
    }

    fn add_host(&mut self, name: &str, payload: &[u8]) -> Result<()> {
        let home = self.dir.join("hosts").join(name);
        let root = home.join("root");
        fs::create_dir_all(root.join("releases/1000"))?;
        fs::create_dir(root.join("data"))?;
        symlink("releases/1000", root.join("current"))?;
        fs::write(root.join("data/ledger"), payload)?;
        fs::write(root.join("running"), "")?;
        let config = format!(
            "[[product]]\nname = \"stone\"\nroot = {root:?}\n[product.service]\nkind = \"commands\"\n\
             start = [\"touch\", \"running\"]\nstop = [\"rm\", \"running\"]\n\
             status = [\"sh\", \"-c\", \"test -e running || exit 3\"]\n"
        );
        let (state, file) = (home.join("state"), home.join("agent.toml"));
        fs::write(&file, config)?;
        let token = format!("fleet token --site north --role app --host {name}");
        let token = done(&mut self.refit("admin", &token))?;
        let agent = self.programs.join("refit-agent");
        let mut enrol = Command::new(&agent);
        enrol.args(["enroll", "--server", &format!("https://{}", self.address), "--host", name]);
        done(enrol.args(["--token", token.trim(), "--state"]).arg(&state))?;
        let mut run = Command::new(&agent);
        run.arg("run").arg("--state").arg(&state).arg("--config").arg(&file);
        self.keep(&mut run, &format!("{name}.log"))
    }

    fn keep(&mut self, command: &mut Command, log: &str) -> Result<()> {
        let log = fs::File::create(self.dir.join(log))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.running.push(Measured::start(command)?);
        Ok(())
    }

    fn until(&self, what: &str, is_so: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + STARTS_WITHIN;
        while !is_so(self).context(what.to_owned())? {
            if Instant::now() > deadline {
                bail!("late: {what}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}

//! The real programs outside the hosts: a signed repository, the control server, and the commands that people type.

use crate::{
    lab::{Lab, at_once},
    network::OUTSIDE,
    process::{Said, done, run, tail, until},
    talk::say,
};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// People, by role; each has one right, so that duties are apart.
pub(crate) const PEOPLE: [&str; 7] = [
    "planner",
    "approver",
    "preparer",
    "authoriser",
    "configurer",
    "deployer",
    "application-owner",
];

const PORT: u16 = 7443;
/// Compressing thirty megabytes of wheels in a debug build.
const BUILD_LIMIT: Duration = Duration::from_secs(300);
const START_LIMIT: Duration = Duration::from_secs(120);
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// The control server with all that is needed to speak with it.
#[derive(Debug)]
pub(crate) struct Control {
    refit: PathBuf,
    work: PathBuf,
    server: Child,
}

/// Builds the packs of the chosen scenarios and a signed repository from them, with the commands that authors type.
pub(crate) fn publish(lab: &Lab, refit: &Path) -> Result<()> {
    let built = lab.work.join("built");
    at_once(
        lab.scenarios(),
        |scenario| scenario.name(),
        |scenario| {
            for folder in scenario.packs(lab)? {
                let mut build = Command::new(refit);
                build.args(["pack", "build"]).arg(&folder).arg("--out").arg(&built);
                let digest = done(&mut build, BUILD_LIMIT)?;
                say(&format!("pack built: {}", digest.trim()));
            }
            Ok(())
        },
    )?;
    let (repository, keys) = (lab.work.join("repository"), lab.work.join("keys"));
    done(
        Command::new(refit).args(["repo", "init"]).arg(&repository).arg("--keys").arg(&keys),
        COMMAND_LIMIT,
    )?;
    let mut publish = Command::new(refit);
    publish.args(["repo", "publish"]).arg(&repository).arg("--keys").arg(&keys);
    for entry in fs::read_dir(&built).context("failed to list the built packs")? {
        publish.arg(entry?.path());
    }
    done(&mut publish, BUILD_LIMIT).map(drop)
}

impl Control {
    /// Starts the server on the lab's network and makes an account for each of [`PEOPLE`].
    pub(crate) fn start(lab: &Lab, refit: &Path) -> Result<Self> {
        let log_path = lab.work.join("server.log");
        let log = File::create(&log_path).context("failed to open the server's log")?;
        let repository = lab.work.join("repository");
        let url = |folder: &str| format!("file://{}/", repository.join(folder).display());
        let server = Command::new(refit)
            .args([
                "server",
                "--listen",
                &format!("{OUTSIDE}:{PORT}"),
                "--name",
                &OUTSIDE.to_string(),
                "--state",
            ])
            .arg(lab.work.join("server"))
            .args([
                "--repository-metadata",
                &url("metadata"),
                "--repository-targets",
                &url("targets"),
                "--repository-root",
            ])
            .arg(repository.join("metadata/1.root.json"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("failed to start {}", refit.display()))?;
        let mut control = Self { refit: refit.to_owned(), work: lab.work.clone(), server };
        control.wait_ready(&log_path)?;
        say(&format!("control server at {}, log {}", Self::url(), log_path.display()));
        let tokens = control.work.join("tokens");
        fs::create_dir_all(&tokens).context("failed to make the folder for tokens")?;
        fs::copy(control.state().join("admin.token"), tokens.join("admin"))
            .context("failed to read admin.token")?;
        for person in PEOPLE {
            let made = control.json("admin", &["user", "add", person, "--right", person])?;
            let token = made["token"].as_str().with_context(|| format!("no token in {made}"))?;
            fs::write(tokens.join(person), token).context("failed to keep a token")?;
        }
        control.json("planner", &["updates", "list", "--refresh"])?;
        Ok(control)
    }

    /// Where the hosts reach it.
    pub(crate) fn url() -> String {
        format!("https://{OUTSIDE}:{PORT}")
    }

    /// The server's folder.
    pub(crate) fn state(&self) -> PathBuf {
        self.work.join("server")
    }

    /// A command as `person` types it, with what it printed as JSON.
    pub(crate) fn json(&self, person: &str, words: &[&str]) -> Result<Value> {
        let said = self.run(person, words)?;
        if !said.status.success() {
            bail!(
                "`refit {}` as {person} ended with {}:\n{}{}",
                words.join(" "),
                said.status,
                tail(&said.stdout),
                tail(&said.stderr)
            );
        }
        serde_json::from_str(&said.stdout).with_context(|| {
            format!("`refit {}` printed no JSON:\n{}", words.join(" "), tail(&said.stdout))
        })
    }

    /// A command as `person` types it; its exit code is the caller's business.
    pub(crate) fn run(&self, person: &str, words: &[&str]) -> Result<Said> {
        let mut command = Command::new(&self.refit);
        command
            .env("REFIT_SERVER", Self::url())
            .env("REFIT_CA", self.state().join("ca.pem"))
            .env("REFIT_TOKEN_FILE", self.work.join("tokens").join(person))
            .env("NO_PROXY", "*")
            .arg("--json")
            .args(words);
        run(&mut command, COMMAND_LIMIT)
    }

    /// Ends the server as an operator does and waits for it.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let pid = i32::try_from(self.server.id()).ok().and_then(rustix::process::Pid::from_raw);
        if self.server.try_wait()?.is_none()
            && let Some(pid) = pid
        {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)
                .context("failed to end the server")?;
        }
        until("end of the server", Duration::from_secs(30), || Ok(self.server.try_wait()?))
            .map(drop)
    }

    fn wait_ready(&mut self, log: &Path) -> Result<()> {
        let (token, url) = (self.state().join("admin.token"), format!("{}/readyz", Self::url()));
        let ca = self.state().join("ca.pem");
        until("the control server is ready", START_LIMIT, || {
            if let Some(status) = self.server.try_wait()? {
                let text = fs::read_to_string(log).unwrap_or_default();
                // Waiting longer would not help.
                return Ok(Some(Err(anyhow::anyhow!(
                    "the control server ended with {status}:\n{}",
                    tail(&text)
                ))));
            }
            if !token.exists() || !ca.exists() {
                return Ok(None);
            }
            let said = run(
                Command::new("curl")
                    .args([
                        "--silent",
                        "--fail",
                        "--noproxy",
                        "*",
                        "--max-time",
                        "5",
                        &url,
                        "--cacert",
                    ])
                    .arg(&ca),
                COMMAND_LIMIT,
            )?;
            Ok(said.status.success().then_some(Ok(())))
        })?
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // The last resort after a failure; `stop` has already waited in the good case.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

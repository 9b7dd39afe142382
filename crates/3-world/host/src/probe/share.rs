//! A share over SMB, with `smbclient`: the password travels in its environment, never among its arguments.

use super::failed;
use crate::{
    command::{Run, last_lines},
    context::Context,
    error::StepError,
};
use refit_packs::runbook::{ShareProbe, Value};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

pub(crate) fn look(
    context: &Context<'_>,
    probe: &ShareProbe,
    limit: Duration,
) -> Result<String, StepError> {
    let share = Share::of(context, probe, limit)?;
    let scratch = Scratch::new(context)?;
    let target = &share.target;
    let mut seen = vec![];
    match &probe.read {
        Some(file) => {
            let file = context.text(file)?;
            let local = scratch.0.join("read");
            share.ask(
                &format!("get {} {}", quoted(&file)?, quoted(&local.display().to_string())?),
                &file,
            )?;
            let content = fs::read(&local).map_err(StepError::io("read", &local))?;
            if let Some(part) = &probe.contains {
                let part = context.text(part)?;
                if !String::from_utf8_lossy(&content).contains(&part) {
                    let expected = format!("a file with `{part}`");
                    return Err(failed(
                        &format!("{target}/{file}"),
                        &expected,
                        format!("{} bytes without it", content.len()),
                    ));
                }
            }
            seen.push(format!("read {} bytes of {file}", content.len()));
        }
        None => {
            let listed = share.ask("ls", "its folder")?;
            seen.push(format!("listed {} lines", listed.lines().count()));
        }
    }
    if probe.write {
        seen.push(write(context, &share, &scratch.0)?);
    }
    Ok(format!("{target}: {}", seen.join(", ")))
}

/// Writes a file of its own name, reads it back and deletes it; it is deleted also when it cannot be read.
fn write(context: &Context<'_>, share: &Share, scratch: &Path) -> Result<String, StepError> {
    let name = format!("refit-probe-{}-{}.tmp", context.step.id, std::process::id());
    let (local, back) = (scratch.join("write"), scratch.join("back"));
    let content = format!("written by refit at {}\n", context.clock.now());
    fs::write(&local, &content).map_err(StepError::io("write", &local))?;
    let path = |path: &Path| quoted(&path.display().to_string());
    share.ask(&format!("put {} {}", path(&local)?, quoted(&name)?), &name)?;
    let read = share.ask(&format!("get {} {}", quoted(&name)?, path(&back)?), &name);
    share.ask(&format!("del {}", quoted(&name)?), &name)?;
    read?;
    let found = fs::read_to_string(&back).map_err(StepError::io("read", &back))?;
    if found != content {
        return Err(failed(
            &format!("{}/{name}", share.target),
            "what was written",
            format!("{} bytes of another content", found.len()),
        ));
    }
    Ok("wrote, read back and deleted a file".to_owned())
}

/// Words of `smbclient` stand in quotes; it knows no way to write a quote in them.
fn quoted(text: &str) -> Result<String, StepError> {
    if text.contains('"') || text.contains(char::is_control) {
        let (what, found) = ("path on a share", text.to_owned());
        return Err(StepError::BadValue { what, found, expected: "a path without quotes" });
    }
    Ok(format!("\"{text}\""))
}

/// How the share is reached.
struct Share {
    target: String,
    run: Run,
    limit: Duration,
}

impl Share {
    fn of(context: &Context<'_>, probe: &ShareProbe, limit: Duration) -> Result<Self, StepError> {
        let text = |value: &Option<Value>, default: &str| {
            value.as_ref().map_or_else(|| Ok(default.to_owned()), |value| context.text(value))
        };
        let host = text(&probe.host, "127.0.0.1")?;
        let share = context.text(&probe.share)?;
        let target = format!("//{host}/{share}");
        let seconds = limit.as_secs().clamp(1, 3600).to_string();
        let mut words =
            vec!["smbclient".to_owned(), target.clone(), "--timeout".to_owned(), seconds];
        if let Some(port) = &probe.port {
            words.extend(["--port".to_owned(), context.port(port)?.to_string()]);
        }
        let mut run = Run::of_host(&[]);
        run.secrets = context.secrets.to_vec();
        match &probe.user {
            Some(user) => words.extend(["--user".to_owned(), context.text(user)?]),
            None => words.push("--no-pass".to_owned()),
        }
        if let Some(password) = &probe.password {
            run.environment.insert("PASSWD".to_owned(), context.value(password)?.to_owned());
        }
        run.argv = words;
        Ok(Self { target, run, limit })
    }

    /// One command of the client; what it said.
    fn ask(&self, command: &str, about: &str) -> Result<String, StepError> {
        let mut run = self.run.clone();
        run.argv.extend(["--command".to_owned(), command.to_owned()]);
        let ended = run.end(self.limit)?;
        // Some versions end well although the server refused.
        if ended.code == Some(0) && !ended.output.contains("NT_STATUS_") {
            return Ok(ended.output);
        }
        let verb = command.split(' ').next().unwrap_or(command);
        let target = format!("{} {verb} {about}", self.target);
        Err(failed(
            &target,
            "an answer of the share",
            format!("{}: {}", ended.status, last_lines(&ended.output)),
        ))
    }
}

/// A folder that goes with the probe.
struct Scratch(PathBuf);

impl Scratch {
    fn new(context: &Context<'_>) -> Result<Self, StepError> {
        let name = format!("share-{}-{}", context.step.id, std::process::id());
        let folder = context.state.join("scratch").join(name);
        fs::create_dir_all(&folder).map_err(StepError::io("make folder", &folder))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "failed to remove what a probe left");
        }
    }
}

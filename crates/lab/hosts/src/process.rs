//! Commands on this machine: with a time limit, output kept, failure told with all that is known.

use anyhow::{Context as _, Result, bail};
use std::{
    io::Read,
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Lines of output that an error quotes.
const QUOTED_LINES: usize = 25;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes every wait of the lab end soon with an error, so that cleaning up can start.
pub(crate) fn interrupt() {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// Lets commands run again: cleaning up needs them.
pub(crate) fn forget_interrupt() {
    INTERRUPTED.store(false, Ordering::SeqCst);
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` to its end; its exit code is the caller's business.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Said> {
    let name = describe(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start {name}"))?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let status = wait(&mut child, limit, &name)?;
    let text = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
    Ok(Said { status, stdout: text(stdout), stderr: text(stderr) })
}

/// As [`run`], where every exit code but 0 is a failure; answers with standard output.
pub(crate) fn done(command: &mut Command, limit: Duration) -> Result<String> {
    let name = describe(command);
    let said = run(command, limit)?;
    if !said.status.success() {
        bail!("{name} ended with {}:\n{}{}", said.status, tail(&said.stdout), tail(&said.stderr));
    }
    Ok(said.stdout)
}

/// Waits until `ready` answers with something.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    let mut last;
    loop {
        match ready() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => last = None,
            Err(error) => last = Some(error),
        }
        if INTERRUPTED.load(Ordering::SeqCst) {
            bail!("interrupted while waiting for {what}");
        }
        if started.elapsed() > limit {
            let seconds = limit.as_secs();
            let late = format!("{what}: not within {seconds} s");
            return Err(last.map_or_else(
                || anyhow::anyhow!(late.clone()),
                |error| error.context(late.clone()),
            ));
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn wait(child: &mut Child, limit: Duration, name: &str) -> Result<ExitStatus> {
    let ended = until(name, limit, || Ok(child.try_wait()?));
    if ended.is_err() {
        // It may have ended meanwhile; then there is nothing to kill.
        let _ = child.kill();
        let _ = child.wait();
    }
    ended
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    let text = words.join(" ");
    if text.len() > 300 {
        format!("{}…", text.chars().take(300).collect::<String>())
    } else {
        text
    }
}

/// The last lines of a text.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(QUOTED_LINES)..]
        .iter()
        .map(|line| format!("  {line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn failure_quotes_what_the_command_said() {
        let error =
            done(&mut sh("echo out; echo why >&2; exit 3"), Duration::from_secs(10)).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.contains("exit status: 3") && text.contains("why") && text.contains("out"),
            "{text}"
        );
    }

    #[test]
    fn command_over_its_limit_is_ended_and_named() {
        let started = Instant::now();
        let error = run(&mut sh("exec sleep 30"), Duration::from_millis(200)).unwrap_err();
        assert!(format!("{error:#}").contains("exec sleep 30"), "{error:#}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn wait_tells_the_last_reason() {
        let error =
            until::<()>("a host", Duration::from_millis(60), || bail!("no route")).unwrap_err();
        assert!(format!("{error:#}").contains("no route"), "{error:#}");
    }
}

//! Runs one command: clean environment, process group of its own, limit in time and in output.

mod watched;

use crate::{
    error::StepError,
    process::{self, ORDER_MARK},
    user::User,
};
use rustix::process::Signal;
use std::{
    collections::BTreeMap,
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use watched::{Watched, failed};

/// The end of the output is kept: what went wrong stands there.
const OUTPUT_BYTES_MAX: usize = 64 << 10;
/// What of it stands in an error: some lines that a person reads.
const SAID_BYTES_MAX: usize = 1 << 10;
/// A command that was asked to stop may take back what it holds.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// A killed process leaves at once unless the kernel is stuck.
const KILL_GRACE: Duration = Duration::from_secs(3600);
/// What a command left running may hold its output open; what it says later is nobody's.
const OUTPUT_GRACE: Duration = Duration::from_millis(300);
/// How often what a command left running is looked for; most leave nothing.
const LEFT_EVERY: Duration = Duration::from_millis(20);
/// A busy program passes within milliseconds; one that somebody really writes is an error.
const BUSY_WAIT: Duration = Duration::from_secs(2);
/// Where programs are looked up when the agent itself has no `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command that is ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) argv: Vec<String>,
    pub(crate) folder: PathBuf,
    /// A program with a `/` lies below this folder.
    pub(crate) below: PathBuf,
    pub(crate) environment: BTreeMap<String, String>,
    /// By name: looked up when it runs, for users come and go.
    pub(crate) user: Option<String>,
    /// Values that must not be seen in what it says.
    pub(crate) secrets: Vec<String>,
}

/// How a command ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) status: String,
    pub(crate) output: String,
}

impl Run {
    /// A program of the host, with nothing of the product in its environment.
    pub(crate) fn of_host(words: &[&str]) -> Self {
        Self {
            argv: words.iter().map(|word| (*word).to_owned()).collect(),
            folder: PathBuf::from("/"),
            below: PathBuf::from("/"),
            environment: BTreeMap::new(),
            user: None,
            secrets: vec![],
        }
    }

    /// The command with environment and user, not started. Its standard input is empty.
    pub(crate) fn command(&self) -> Result<Command, StepError> {
        let (program, arguments) = self.argv.split_first().ok_or(StepError::EmptyCommand)?;
        let path = std::env::var("PATH").unwrap_or_else(|_| PATH.to_owned());
        let program = if program.contains('/') {
            self.below.join(program)
        } else {
            // With a cleared environment the standard library would not look in this PATH.
            let found = std::env::split_paths(&path).map(|folder| folder.join(program));
            found.into_iter().find(|file| file.is_file()).unwrap_or_else(|| PathBuf::from(program))
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command.env_clear().env("PATH", path).env("LANG", "C.UTF-8").env("LC_ALL", "C.UTF-8");
        if let Some(name) = &self.user {
            let user = User::find(name)?;
            command.env("HOME", &user.home).env("USER", &user.name).env("LOGNAME", &user.name);
            if let Some(ids) = user.change_to() {
                command.uid(ids.uid).gid(ids.gid);
            }
        }
        command.envs(&self.environment).process_group(0);
        Ok(command)
    }

    /// Starts it. A program that was just written is busy while another thread's child, which inherited the writer's
    /// handle, has not begun its own program; that passes within milliseconds.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<Child, StepError> {
        let deadline = Instant::now() + BUSY_WAIT;
        loop {
            match command.spawn() {
                Err(error)
                    if error.kind() == io::ErrorKind::ExecutableFileBusy
                        && Instant::now() < deadline =>
                {
                    thread::sleep(Duration::from_millis(5));
                }
                spawned => {
                    return spawned.map_err(StepError::io("start", Path::new(&self.text())));
                }
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        self.redacted(&self.argv.join(" "))
    }

    fn redacted(&self, text: &str) -> String {
        redacted(text, &self.secrets)
    }

    /// Runs it to its end; a command that ends badly is no error here.
    pub(crate) fn end(&self, limit: Duration) -> Result<Ended, StepError> {
        let begun = Instant::now();
        let mut watched = Watched::start(self)?;
        let mut ended = watched.until_end(limit).map_err(failed(self))?;
        let late = !ended;
        for (signal, grace) in [(Signal::TERM, TERM_GRACE), (Signal::KILL, KILL_GRACE)] {
            if !ended {
                watched.signal(signal);
                ended = watched.until_end(grace).map_err(failed(self))?;
            }
        }
        if !ended {
            return Err(failed(self)(io::Error::other("it does not end although it was killed")));
        }
        watched.until_silent(OUTPUT_GRACE).map_err(failed(self))?;
        let (status, output) = watched.take().map_err(failed(self))?;
        let output = self.redacted(&output);
        let left = self.left_running(if late { Instant::now() } else { begun + limit })?;
        if late {
            let (command, said) = (self.text(), last_lines(&output));
            return Err(StepError::TimedOut { command, limit_ms: limit.as_millis(), said });
        }
        if let Some(list) = left {
            let (command, limit_ms) = (self.text(), limit.as_millis());
            return Err(StepError::LeftRunning { command, limit_ms, list });
        }
        let text = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => status.to_string(),
        };
        Ok(Ended { code: status.code(), status: text, output })
    }

    /// A command whose work goes on in a process that left it has not ended: what carries the order's mark is waited for
    /// until `deadline`, then ended, wherever it went. The answer names what had to be ended.
    fn left_running(&self, deadline: Instant) -> Result<Option<String>, StepError> {
        let Some(mark) = self.environment.get(ORDER_MARK) else { return Ok(None) };
        let mut left = process::marked_by(ORDER_MARK, mark)?;
        while !left.is_empty() && Instant::now() < deadline {
            thread::sleep(LEFT_EVERY);
            left = process::marked_by(ORDER_MARK, mark)?;
        }
        if left.is_empty() {
            return Ok(None);
        }
        let list = self.redacted(&process::list(&left));
        process::end_marked(ORDER_MARK, mark)?;
        Ok(Some(list))
    }

    /// Runs it; only exit code 0 is well.
    pub(crate) fn succeed(&self, limit: Duration) -> Result<String, StepError> {
        let ended = self.end(limit)?;
        if ended.code == Some(0) {
            return Ok(ended.output);
        }
        let (command, said) = (self.text(), last_lines(&ended.output));
        Err(StepError::Command { command, status: ended.status, said })
    }
}

/// A text with each secret as `***`.
pub(crate) fn redacted(text: &str, secrets: &[String]) -> String {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
}

/// The end of an output in one line, for people.
pub(crate) fn last_lines(output: &str) -> String {
    let from = output.len().saturating_sub(SAID_BYTES_MAX);
    let from = (from..=output.len()).find(|at| output.is_char_boundary(*at)).unwrap_or(0);
    let text = output[from..].trim().replace('\n', " | ");
    if text.is_empty() { "nothing".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str) -> Run {
        Run {
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            folder: "/".into(),
            below: "/".into(),
            environment: BTreeMap::from([("REFIT_X".to_owned(), "y".to_owned())]),
            user: None,
            secrets: vec!["hunter2".to_owned()],
        }
    }

    #[test]
    fn environment_is_clean_and_secrets_are_not_seen() {
        let output = run("env; echo pass hunter2").succeed(Duration::from_secs(10)).unwrap();
        assert!(output.contains("REFIT_X=y") && !output.contains("CARGO"), "{output}");
        assert!(output.contains("pass ***"), "{output}");
    }

    #[test]
    fn failure_tells_code_and_last_words() {
        let error =
            run("echo first; echo last >&2; exit 3").succeed(Duration::from_secs(10)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit code 3") && text.contains("last"), "{text}");
    }

    #[test]
    fn late_command_is_killed_with_its_children() {
        let begun = Instant::now();
        let error = run("sleep 300 & trap '' TERM; echo begun; sleep 300")
            .succeed(Duration::from_millis(200));
        assert!(matches!(error, Err(StepError::TimedOut { .. })), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn what_a_command_leaves_running_is_not_waited_for() {
        let begun = Instant::now();
        run("sleep 30 & echo done").succeed(Duration::from_secs(20)).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn what_a_command_leaves_running_is_not_ended_by_its_own_words() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spoke");
        let script = format!("(sleep 1; echo late && touch {}) & echo done", file.display());
        run(&script).succeed(Duration::from_secs(20)).unwrap();
        assert!(!file.exists());
        let deadline = Instant::now() + Duration::from_secs(60);
        while !file.exists() {
            assert!(Instant::now() < deadline, "it did not outlive its word");
            thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn both_outputs_are_heard_and_one_may_be_closed_early() {
        let output = run("echo out; exec >&-; sleep 0.1; echo err >&2")
            .succeed(Duration::from_secs(20))
            .unwrap();
        assert_eq!(output, "out\nerr\n");
    }

    /// As a step's command: marked, so that it is found wherever it goes.
    fn marked(script: &str, mark: &str) -> Run {
        let mut run = run(script);
        run.environment.insert(ORDER_MARK.to_owned(), mark.to_owned());
        run
    }

    #[test]
    fn command_that_forks_away_is_waited_for_and_then_ended_wherever_it_went() {
        let error = marked("setsid -f setsid -f sleep 600; echo gone", "test-forks#1")
            .succeed(Duration::from_millis(300))
            .unwrap_err();
        assert!(
            matches!(&error, StepError::LeftRunning { list, .. } if list.contains("sleep 600")),
            "{error}"
        );
        assert!(process::marked(ORDER_MARK, "test-forks#1").unwrap().is_empty());
        let begun = Instant::now();
        marked("setsid -f sleep 0.2; echo gone", "test-forks#2")
            .succeed(Duration::from_secs(20))
            .unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(150), "its work was not waited for");
    }

    #[test]
    fn late_command_is_ended_also_where_it_left_its_group() {
        let error = marked("setsid sleep 600 & setsid -f sleep 600; sleep 600", "test-late#1")
            .succeed(Duration::from_millis(300));
        assert!(matches!(error, Err(StepError::TimedOut { .. })), "{error:?}");
        assert!(process::marked(ORDER_MARK, "test-late#1").unwrap().is_empty());
    }

    #[test]
    fn gigabyte_of_output_is_read_and_its_end_kept_in_little_memory() {
        let peak = || {
            let text = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        let before = peak();
        let output = run("head -c 1073741824 /dev/zero | tr '\\0' x; echo; echo the end")
            .succeed(Duration::from_secs(300))
            .unwrap();
        assert!(output.len() <= OUTPUT_BYTES_MAX && output.ends_with("the end\n"));
        assert!(peak() - before < 64 << 10, "{} KiB more", peak() - before);
    }

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let output = run("i=0; while [ $i -lt 9000 ]; do echo 0123456789$i; i=$((i+1)); done")
            .succeed(Duration::from_secs(60))
            .unwrap();
        assert!(output.len() <= OUTPUT_BYTES_MAX && output.ends_with("01234567898999\n"));
    }
}

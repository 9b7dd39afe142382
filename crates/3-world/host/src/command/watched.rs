//! A command that runs: what it says and its end come to the thread that waits for it.

use super::{OUTPUT_BYTES_MAX, Run};
use crate::error::StepError;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, kill_process_group},
};
use std::{
    collections::VecDeque,
    fs::File,
    io::{self, PipeReader, Read as _},
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
    process::{ExitStatus, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

pub(super) struct Watched {
    group: Option<Pid>,
    /// Standard output and standard error, each until it is closed.
    streams: Vec<File>,
    /// Nothing is ever written to it: it is closed when the command ended.
    end: Option<PipeReader>,
    waiter: JoinHandle<io::Result<ExitStatus>>,
    /// The last bytes that came.
    tail: VecDeque<u8>,
}

impl Watched {
    pub(super) fn start(run: &Run) -> Result<Self, StepError> {
        let mut command = run.command()?;
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (end, open_until_end) = io::pipe().map_err(failed(run))?;
        let mut child = run.spawn(&mut command)?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (said, told) = (child.stdout.take(), child.stderr.take());
        let streams = said.map(OwnedFd::from).into_iter().chain(told.map(OwnedFd::from));
        let waiter = thread::spawn(move || {
            let status = child.wait();
            drop(open_until_end);
            status
        });
        let (streams, end) = (streams.map(File::from).collect(), Some(end));
        Ok(Self { group, streams, end, waiter, tail: VecDeque::new() })
    }

    /// The group may be gone in this very moment.
    pub(super) fn signal(&self, signal: Signal) {
        let _ = self.group.map(|group| kill_process_group(group, signal));
    }

    /// Listens until the command ended, at most for `limit`. Whether it ended.
    pub(super) fn until_end(&mut self, limit: Duration) -> io::Result<bool> {
        self.listen(limit, |this| this.end.is_none())
    }

    /// Listens until nobody can say anything any more, at most for `limit`.
    pub(super) fn until_silent(&mut self, limit: Duration) -> io::Result<()> {
        self.listen(limit, |this| this.streams.is_empty()).map(drop)
    }

    /// How a command ended that did, and what it said. What it left running may go on to speak: a closed pipe would end it.
    pub(super) fn take(mut self) -> io::Result<(ExitStatus, String)> {
        for mut stream in self.streams {
            thread::spawn(move || io::copy(&mut stream, &mut io::sink()));
        }
        let said = String::from_utf8_lossy(self.tail.make_contiguous()).into_owned();
        let lost = |_| io::Error::other("its end was not seen");
        let status = self.waiter.join().map_err(lost)??;
        Ok((status, said))
    }

    fn listen(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> io::Result<bool> {
        let deadline = Instant::now() + limit;
        let mut buffer = vec![0; OUTPUT_BYTES_MAX];
        while !done(self) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.hear(left, &mut buffer)?;
        }
        Ok(true)
    }

    /// Waits for the next word or the end, and takes it.
    fn hear(&mut self, limit: Duration, buffer: &mut [u8]) -> io::Result<()> {
        let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
        let all = self.streams.iter().map(|stream| stream.as_fd());
        let all = all.chain(self.end.iter().map(|end| end.as_fd()));
        let mut all: Vec<_> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match poll(&mut all, Some(&limit)) {
            Err(rustix::io::Errno::INTR) => return Ok(()),
            polled => polled?,
        };
        let mut ready = all.iter().map(|fd| !fd.revents().is_empty()).collect::<Vec<_>>();
        if self.end.is_some() && ready.pop() == Some(true) {
            self.end = None;
        }
        let mut ready = ready.into_iter();
        let tail = &mut self.tail;
        self.streams.retain_mut(|stream| {
            ready.next() != Some(true)
                || stream.read(buffer).is_ok_and(|count| keep(tail, &buffer[..count]))
        });
        Ok(())
    }
}

/// Keeps the end of what was said; false when there was nothing more.
fn keep(tail: &mut VecDeque<u8>, said: &[u8]) -> bool {
    tail.extend(said);
    tail.drain(..tail.len().saturating_sub(OUTPUT_BYTES_MAX));
    !said.is_empty()
}

pub(super) fn failed(run: &Run) -> impl FnOnce(io::Error) -> StepError {
    StepError::io("wait for", Path::new(&run.text()))
}

//! A print queue over IPP: it exists and takes jobs; a page is printed and awaited where that is asked for.

use super::{
    failed,
    ipp::{
        Answer, CANCEL_JOB, GET_JOB, GET_PRINTER, NOT_FOUND, PRINT_JOB, Request, SUCCESS_BELOW,
        post,
    },
    tcp,
};
use crate::{context::Context, error::StepError};
use refit_packs::runbook::PrintQueueProbe;
use std::{
    thread,
    time::{Duration, Instant},
};

const PORT: u16 = 631;
/// How often a job is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// One exchange with a print server.
const TALK_LIMIT: Duration = Duration::from_secs(10);
const USER: &str = "refit";

const STOPPED: i32 = 5;
const JOB_CANCELED: i32 = 7;
const JOB_ABORTED: i32 = 8;
const JOB_COMPLETED: i32 = 9;

/// A queue that was found.
struct Queue {
    host: String,
    port: u16,
    path: String,
    uri: String,
    user: String,
    target: String,
}

/// `limit` is that of the whole step: a page takes its time.
pub(crate) fn look(
    context: &Context<'_>,
    probe: &PrintQueueProbe,
    limit: Duration,
) -> Result<String, StepError> {
    let queue = Queue::of(context, probe)?;
    let names = ["printer-is-accepting-jobs", "printer-state", "printer-state-reasons"];
    let seen =
        queue.ask(Request::new(GET_PRINTER, &queue.uri, &queue.user).asking(&names).whole())?;
    let expected = "a queue that exists and takes jobs";
    if seen.status == NOT_FOUND {
        return Err(failed(&queue.target, expected, "no such queue"));
    }
    queue.succeeded(&seen, expected)?;
    let reasons = seen.texts("printer-state-reasons");
    if seen.number("printer-is-accepting-jobs") != Some(1) {
        return Err(failed(
            &queue.target,
            expected,
            format!("a queue that refuses jobs ({reasons})"),
        ));
    }
    if seen.number("printer-state") == Some(STOPPED) {
        return Err(failed(
            &queue.target,
            expected,
            format!("a queue that is stopped ({reasons})"),
        ));
    }
    let note = format!("{} takes jobs", queue.target);
    if !probe.print {
        return Ok(note);
    }
    Ok(format!("{note}; {}", print(context, &queue, limit)?))
}

fn print(context: &Context<'_>, queue: &Queue, limit: Duration) -> Result<String, StepError> {
    let begun = Instant::now();
    let name = format!("refit test page of {}", context.step.id);
    let page = format!("{name}\n\n{}\n", context.clock.now());
    let request = Request::new(PRINT_JOB, &queue.uri, &queue.user);
    // The server finds out by itself what it is; a queue without filters takes it as it is.
    let sent = queue.ask(request.document(&name, "application/octet-stream", page.as_bytes()))?;
    let expected = "a printed page";
    queue.succeeded(&sent, expected)?;
    let no_id = || failed(&queue.target, expected, "an answer without a job");
    let id = sent.number("job-id").ok_or_else(no_id)?;
    loop {
        let ask = Request::new(GET_JOB, &queue.uri, &queue.user).job(id);
        let job = queue.ask(ask.asking(&["job-state", "job-state-reasons"]).whole())?;
        queue.succeeded(&job, expected)?;
        let (state, reasons) = (job.number("job-state"), job.texts("job-state-reasons"));
        match state {
            Some(JOB_COMPLETED) => {
                return Ok(format!("job {id} printed after {} ms", begun.elapsed().as_millis()));
            }
            Some(JOB_CANCELED) => {
                return Err(failed(
                    &queue.target,
                    expected,
                    format!("job {id} canceled ({reasons})"),
                ));
            }
            Some(JOB_ABORTED) => {
                return Err(failed(
                    &queue.target,
                    expected,
                    format!("job {id} aborted ({reasons})"),
                ));
            }
            _ if begun.elapsed() >= limit => {
                // A page that comes out days later would frighten people.
                let _ =
                    queue.ask(Request::new(CANCEL_JOB, &queue.uri, &queue.user).job(id).whole());
                let found = format!(
                    "job {id} in state {} after {} ms ({reasons})",
                    state.unwrap_or(0),
                    limit.as_millis()
                );
                return Err(failed(&queue.target, expected, found));
            }
            _ => thread::sleep(LOOK_EVERY),
        }
    }
}

impl Queue {
    fn of(context: &Context<'_>, probe: &PrintQueueProbe) -> Result<Self, StepError> {
        let name = context.text(&probe.queue)?;
        let plain =
            |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '#' | '?' | '%' | '"' | '\\');
        if name.is_empty() || name.len() > 127 || !name.chars().all(plain) {
            let expected = "the name of a queue, without blanks, `/` and `#`";
            return Err(StepError::BadValue { what: "print queue", found: name, expected });
        }
        let host = probe
            .host
            .as_ref()
            .map_or_else(|| Ok("127.0.0.1".to_owned()), |host| context.text(host))?;
        let port = probe.port.as_ref().map_or(Ok(PORT), |port| context.port(port))?;
        let path = format!("/printers/{name}");
        let user = probe.user.as_ref().map_or(USER, |user| user.as_str()).to_owned();
        let uri = format!("ipp://{host}:{port}{path}");
        Ok(Self {
            target: format!("print queue {name} of {host}:{port}"),
            host,
            port,
            path,
            uri,
            user,
        })
    }

    fn ask(&self, body: Vec<u8>) -> Result<Answer, StepError> {
        let mut stream = tcp(&self.host, self.port, TALK_LIMIT)?;
        // CUPS refuses names that are not its own.
        let host = if self.host == "127.0.0.1" { "localhost" } else { &self.host };
        post(&mut stream, &format!("{host}:{}", self.port), &self.path, &body, TALK_LIMIT)
            .map_err(|found| failed(&self.target, "an answer over IPP", found))
    }

    fn succeeded(&self, answer: &Answer, expected: &str) -> Result<(), StepError> {
        if answer.status < SUCCESS_BELOW {
            return Ok(());
        }
        let found =
            format!("IPP status 0x{:04x} {}", answer.status, answer.texts("status-message"));
        Err(failed(&self.target, expected, found.trim_end()))
    }
}

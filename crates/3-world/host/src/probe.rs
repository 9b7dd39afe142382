//! One look at a service from outside, on a connection of its own.

mod ipp;
pub(crate) mod print_queue;
pub(crate) mod share;
pub(crate) mod sql;

use crate::error::StepError;
use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

/// A page that proves that a service works is small; more is not read.
const BODY_BYTES_MAX: u64 = 1 << 20;

fn failed(target: &str, expected: &str, found: impl ToString) -> StepError {
    let (target, expected) = (target.to_owned(), expected.to_owned());
    StepError::Probe { target, expected, found: found.to_string() }
}

/// Connects.
pub(crate) fn tcp(host: &str, port: u16, limit: Duration) -> Result<TcpStream, StepError> {
    let target = format!("tcp {host}:{port}");
    let expected = "an accepted connection";
    let addresses =
        (host, port).to_socket_addrs().map_err(|error| failed(&target, expected, error))?;
    let mut last = "no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, limit.max(Duration::from_millis(1))) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.to_string(),
        }
    }
    Err(failed(&target, expected, last))
}

/// What a GET ought to answer.
pub(crate) struct Expected<'a> {
    pub(crate) status: u16,
    pub(crate) contains: Option<&'a str>,
}

/// Gets a page with HTTP/1.0, so that the answer ends with the connection, and judges it.
pub(crate) fn http(
    host: &str,
    port: u16,
    path: &str,
    wanted: &Expected<'_>,
    limit: Duration,
) -> Result<String, StepError> {
    let target = format!("GET http://{host}:{port}{path}");
    if path.chars().any(|c| c.is_control() || c == ' ') {
        let expected = "a path without blanks";
        return Err(StepError::BadValue {
            what: "path of a probe",
            found: path.to_owned(),
            expected,
        });
    }
    let begun = Instant::now();
    let mut stream = tcp(host, port, limit)?;
    let text = match &wanted.contains {
        Some(text) => format!("status {} with `{text}`", wanted.status),
        None => format!("status {}", wanted.status),
    };
    let answer =
        ask(&mut stream, host, path, limit).map_err(|error| failed(&target, &text, error))?;
    let head = answer.lines().next().unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|word| word.parse::<u16>().ok());
    if !head.starts_with("HTTP/1.") || status != Some(wanted.status) {
        return Err(failed(&target, &text, format!("`{head}`")));
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    if let Some(part) = wanted.contains
        && !body.contains(part)
    {
        return Err(failed(&target, &text, format!("status {} without it", wanted.status)));
    }
    Ok(format!("{target}: {text} in {} ms", begun.elapsed().as_millis()))
}

fn ask(stream: &mut TcpStream, host: &str, path: &str, limit: Duration) -> std::io::Result<String> {
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: refit-agent\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = vec![];
    stream.take(BODY_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::TcpListener, thread};

    fn serve(answer: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        port
    }

    #[test]
    fn answer_is_judged_by_status_and_text() {
        let limit = Duration::from_secs(5);
        let good = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbuild 200";
        let wanted = |status, contains| Expected { status, contains };
        assert!(http("127.0.0.1", serve(good), "/x?y", &wanted(200, Some("200")), limit).is_ok());
        for (status, contains) in [(204, None), (200, Some("OK"))] {
            let error = http("127.0.0.1", serve(good), "/", &wanted(status, contains), limit);
            assert!(matches!(error, Err(StepError::Probe { .. })), "{error:?}");
        }
        let error =
            http("127.0.0.1", serve("220 smtp"), "/", &wanted(200, None), limit).unwrap_err();
        assert!(error.to_string().contains("220 smtp"), "{error}");
    }
}

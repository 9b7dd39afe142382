//! What of the Internet Printing Protocol (RFC 8011) a probe needs: one request, one answer, over one HTTP connection.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

/// An answer of a few attributes is small; more is not read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
const VERSION: [u8; 2] = [1, 1];

pub(super) const PRINT_JOB: u16 = 0x0002;
pub(super) const CANCEL_JOB: u16 = 0x0008;
pub(super) const GET_JOB: u16 = 0x0009;
pub(super) const GET_PRINTER: u16 = 0x000b;
/// Answers below it are of success.
pub(super) const SUCCESS_BELOW: u16 = 0x0100;
pub(super) const NOT_FOUND: u16 = 0x0406;

const OPERATION: u8 = 0x01;
const END: u8 = 0x03;
/// Tags below it begin a group of attributes.
const VALUES_FROM: u8 = 0x10;
const INTEGER: u8 = 0x21;
const BOOLEAN: u8 = 0x22;
const ENUM: u8 = 0x23;
const NAME: u8 = 0x42;
const KEYWORD: u8 = 0x44;
const URI: u8 = 0x45;
const CHARSET: u8 = 0x47;
const LANGUAGE: u8 = 0x48;
const MIME: u8 = 0x49;

/// A request as it travels.
pub(super) struct Request(Vec<u8>);

impl Request {
    pub(super) fn new(operation: u16, printer: &str, user: &str) -> Self {
        let mut bytes = VERSION.to_vec();
        bytes.extend(operation.to_be_bytes());
        bytes.extend(1_u32.to_be_bytes());
        bytes.push(OPERATION);
        let mut request = Self(bytes);
        request.add(CHARSET, "attributes-charset", b"utf-8");
        request.add(LANGUAGE, "attributes-natural-language", b"en");
        request.add(URI, "printer-uri", printer.as_bytes());
        request.add(NAME, "requesting-user-name", user.as_bytes());
        request
    }

    fn add(&mut self, tag: u8, name: &str, value: &[u8]) {
        self.0.push(tag);
        for part in [name.as_bytes(), value] {
            // Names are ours and values were checked for their length.
            let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
            self.0.extend(length.to_be_bytes());
            self.0.extend(&part[..usize::from(length)]);
        }
    }

    pub(super) fn job(mut self, id: i32) -> Self {
        self.add(INTEGER, "job-id", &id.to_be_bytes());
        self
    }

    pub(super) fn asking(mut self, names: &[&str]) -> Self {
        for (at, name) in names.iter().enumerate() {
            self.add(KEYWORD, if at == 0 { "requested-attributes" } else { "" }, name.as_bytes());
        }
        self
    }

    pub(super) fn document(mut self, job: &str, kind: &str, content: &[u8]) -> Vec<u8> {
        self.add(NAME, "job-name", job.as_bytes());
        self.add(MIME, "document-format", kind.as_bytes());
        self.0.push(END);
        self.0.extend(content);
        self.0
    }

    pub(super) fn whole(mut self) -> Vec<u8> {
        self.0.push(END);
        self.0
    }
}

/// What the printer answered.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    numbers: BTreeMap<String, i32>,
    texts: BTreeMap<String, Vec<String>>,
}

impl Answer {
    pub(super) fn number(&self, name: &str) -> Option<i32> {
        self.numbers.get(name).copied()
    }

    pub(super) fn texts(&self, name: &str) -> String {
        self.texts.get(name).map(|texts| texts.join(", ")).unwrap_or_default()
    }

    /// Reads an answer; none when it is cut short or no answer.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.get(8..)?;
        let mut answer = Self {
            status: u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?),
            ..Self::default()
        };
        let mut name = String::new();
        loop {
            let (tag, after) = rest.split_first()?;
            rest = after;
            if *tag == END {
                return Some(answer);
            }
            if *tag < VALUES_FROM {
                continue;
            }
            let (key, after) = counted(rest)?;
            let (value, after) = counted(after)?;
            rest = after;
            // Further values of an attribute have no name.
            if !key.is_empty() {
                name = String::from_utf8_lossy(key).into_owned();
            }
            match *tag {
                INTEGER | ENUM => drop(
                    answer.numbers.insert(name.clone(), i32::from_be_bytes(value.try_into().ok()?)),
                ),
                BOOLEAN => drop(answer.numbers.insert(name.clone(), i32::from(*value.first()?))),
                _ => {
                    let text = String::from_utf8_lossy(value).into_owned();
                    answer.texts.entry(name.clone()).or_default().push(text);
                }
            }
        }
    }
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?));
    Some((bytes.get(2..2 + length)?, bytes.get(2 + length..)?))
}

/// Posts a request. What no printer would answer is an error in words.
pub(super) fn post(
    stream: &mut TcpStream,
    host: &str,
    path: &str,
    body: &[u8],
    limit: Duration,
) -> Result<Answer, String> {
    let answered = exchange(stream, host, path, body, limit).map_err(|error| error.to_string())?;
    let split =
        answered.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no answer of HTTP")?;
    let (head, body) =
        (String::from_utf8_lossy(&answered[..split]).into_owned(), &answered[split + 4..]);
    let first = head.lines().next().unwrap_or_default();
    if first.split(' ').nth(1) != Some("200") {
        return Err(format!("`{first}`"));
    }
    let chunked = head.lines().any(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("transfer-encoding:") && line.contains("chunked")
    });
    let body =
        if chunked { unchunked(body).ok_or("an answer that is cut short")? } else { body.to_vec() };
    Answer::read(&body).ok_or_else(|| "an answer that is not of IPP".to_owned())
}

fn exchange(
    stream: &mut TcpStream,
    host: &str,
    path: &str,
    body: &[u8],
    limit: Duration,
) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: refit-agent\r\nContent-Type: application/ipp\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = vec![];
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(answer)
}

fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut whole = vec![];
    loop {
        let line = bytes.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(&bytes[..line]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        bytes = bytes.get(line + 2..)?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend(bytes.get(..size)?);
        bytes = bytes.get(size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a printer would answer.
    pub(crate) fn answer(status: u16, attributes: &[(u8, &str, &[u8])]) -> Vec<u8> {
        let mut request = Request(vec![1, 1]);
        request.0.extend(status.to_be_bytes());
        request.0.extend(1_u32.to_be_bytes());
        request.0.push(0x04);
        for (tag, name, value) in attributes {
            request.add(*tag, name, value);
        }
        request.whole()
    }

    #[test]
    fn answers_are_read_and_those_cut_short_are_none() {
        let bytes = answer(
            0,
            &[
                (BOOLEAN, "printer-is-accepting-jobs", &[1]),
                (ENUM, "printer-state", &5_i32.to_be_bytes()),
                (KEYWORD, "printer-state-reasons", b"paused"),
                (KEYWORD, "", b"media-empty"),
            ],
        );
        let read = Answer::read(&bytes).unwrap();
        assert_eq!(read.number("printer-is-accepting-jobs"), Some(1));
        assert_eq!(read.number("printer-state"), Some(5));
        assert_eq!(read.texts("printer-state-reasons"), "paused, media-empty");
        for length in 0..bytes.len() {
            assert!(Answer::read(&bytes[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(unchunked(b"3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n").unwrap(), b"abcde");
        assert!(unchunked(b"5\r\nab").is_none());
    }
}

//! A header and a row per host, separated by `,` or `;`. No value has a line break, so every row can be told from the next.

use super::{Place, REQUIRED, Source};
use ::csv::{ReaderBuilder, StringRecord};
use refit_inventory::{HostField, Said};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Reads all rows; faults of rows are in the source, a header that cannot be used is an error.
pub(super) fn read(text: &str, said: &Said) -> Result<Source, String> {
    let mut source = Source::default();
    let header = text.lines().next().unwrap_or_default();
    let delimiter = delimiter(header);
    let text = without_open_quotes(text, &mut source);
    let mut reader = ReaderBuilder::new();
    reader.flexible(true).has_headers(false).delimiter(delimiter).trim(::csv::Trim::All);
    let mut reader = reader.from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let columns = match reader.read_record(&mut record) {
        Ok(true) => columns(&record)?,
        _ => {
            return Err(
                "row 1: no header, expected columns name, site, role and some more".to_owned()
            );
        }
    };
    source.fields = columns.iter().copied().collect();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => row(&mut source, &record, line_of(&text, &record), (&columns, said)),
            Err(error) => {
                let line = error.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(0));
                source.fault(&Place::row(line), format_args!(": {error}"));
            }
        }
    }
    if source.hosts.is_empty() && source.faults.is_empty() {
        return Err("it has a header and no rows".to_owned());
    }
    Ok(source)
}

/// The one of the two that the header has more of.
fn delimiter(header: &str) -> u8 {
    let count = |wanted| header.chars().filter(|c| *c == wanted).count();
    if count(';') > count(',') { b';' } else { b',' }
}

/// A line with an open quote would swallow all that follow: it is a fault of its own and left out.
fn without_open_quotes<'a>(text: &'a str, source: &mut Source) -> Cow<'a, str> {
    let open = |line: &str| line.bytes().filter(|byte| *byte == b'"').count() % 2 == 1;
    if !text.lines().any(open) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len());
    for (at, line) in text.lines().enumerate() {
        if open(line) {
            source.fault(&Place::row(at + 1), ": a quote is opened and not closed in this row");
        } else {
            kept.push_str(line);
        }
        kept.push('\n');
    }
    Cow::Owned(kept)
}

fn columns(header: &StringRecord) -> Result<Vec<HostField>, String> {
    let (mut columns, mut faults, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (at, name) in header.iter().enumerate() {
        match HostField::parse(name) {
            Ok(field) if seen.insert(field) => columns.push(field),
            Ok(field) => faults.push(format!("row 1, column {}: `{field}` comes twice", at + 1)),
            Err(what) => faults.push(format!("row 1, column {}: {what}", at + 1)),
        }
    }
    let missing = REQUIRED.iter().filter(|field| !seen.contains(*field));
    faults.extend(missing.map(|field| format!("row 1: column `{field}` is missing")));
    if faults.is_empty() { Ok(columns) } else { Err(faults.join("\n  ")) }
}

/// The line that a record begins in; the reader counts from the empty lines before it.
fn line_of(text: &str, record: &StringRecord) -> usize {
    let Some(at) = record.position() else { return 0 };
    let start = usize::try_from(at.byte()).unwrap_or(usize::MAX);
    let before = text.as_bytes().get(start..).unwrap_or_default();
    let skipped = before.iter().take_while(|byte| byte.is_ascii_whitespace());
    let empty = skipped.filter(|byte| **byte == b'\n').count();
    usize::try_from(at.line()).unwrap_or(usize::MAX).saturating_add(empty)
}

fn row(
    source: &mut Source,
    record: &StringRecord,
    line: usize,
    (columns, said): (&[HostField], &Said),
) {
    if record.iter().all(str::is_empty) {
        return;
    }
    let place = Place::row(line);
    if record.len() != columns.len() {
        let text = format!(
            ": {} fields, expected {}{}",
            record.len(),
            columns.len(),
            half(record, columns)
        );
        source.fault(&place, text);
        if let Some(name) = columns.iter().position(|field| *field == HostField::Name) {
            source.assumed.extend(record.get(name).and_then(|name| name.parse().ok()));
        }
        return;
    }
    if record.iter().any(|cell| cell.contains('\n')) {
        source.fault(&place, ": a quote is opened and not closed in this row");
        return;
    }
    source.host(&place, columns.iter().copied().zip(record.iter()), said);
}

/// What a row with too few fields may be.
fn half(record: &StringRecord, columns: &[HostField]) -> String {
    if record.len() > columns.len() {
        return "; put quotes around a value with a separator in it".to_owned();
    }
    match columns.get(record.len()) {
        Some(next) => format!(": it ends before `{next}`"),
        None => String::new(),
    }
}

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
        Ok(true) => columns(&record, &mut source)?,
        _ => {
            return Err(
                "row 1: no header, expected columns name, site, role and some more".to_owned()
            );
        }
    };
    source.fields = columns.iter().flatten().copied().collect();
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

/// The fields of the columns. One that cannot be read is a fault, and its cells are passed over: the rows have faults of their own.
///
/// # Errors
/// Without the columns that every host needs no row can be judged.
fn columns(header: &StringRecord, source: &mut Source) -> Result<Vec<Option<HostField>>, String> {
    let (mut columns, mut faults, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (at, name) in header.iter().enumerate() {
        let field = match HostField::parse(name) {
            Ok(field) if seen.insert(field) => Ok(field),
            Ok(field) => Err(format!(", column {}: `{field}` comes twice", at + 1)),
            Err(what) => Err(format!(", column {}: {what}", at + 1)),
        };
        columns.push(field.as_ref().ok().copied());
        faults.extend(field.err());
    }
    let missing: Vec<&HostField> = REQUIRED.iter().filter(|field| !seen.contains(*field)).collect();
    if missing.is_empty() {
        let header = Place::row(1);
        faults.iter().for_each(|fault| source.fault(&header, fault));
        return Ok(columns);
    }
    faults.extend(missing.into_iter().map(|field| format!(": column `{field}` is missing")));
    let faults: Vec<String> = faults.iter().map(|fault| format!("row 1{fault}")).collect();
    Err(faults.join("\n  "))
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
    (columns, said): (&[Option<HostField>], &Said),
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
        if let Some(name) = columns.iter().position(|field| *field == Some(HostField::Name)) {
            source.assumed.extend(record.get(name).and_then(|name| name.parse().ok()));
        }
        return;
    }
    if record.iter().any(|cell| cell.contains('\n')) {
        source.fault(&place, ": a quote is opened and not closed in this row");
        return;
    }
    let cells = columns.iter().zip(record.iter());
    source.host(&place, cells.filter_map(|(field, cell)| Some(((*field)?, cell))), said);
}

/// What a row with too few fields may be.
fn half(record: &StringRecord, columns: &[Option<HostField>]) -> String {
    if record.len() > columns.len() {
        return "; put quotes around a value with a separator in it".to_owned();
    }
    match columns.get(record.len()) {
        Some(Some(next)) => format!(": it ends before `{next}`"),
        _ => String::new(),
    }
}

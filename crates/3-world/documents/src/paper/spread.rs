//! The plan as a spreadsheet: sheets of servers, waves, risks and people; and as CSV, one server a line.

use super::PaperInput;
use super::text::{words, zone_name};
use jiff::Timestamp;
use refit_names::{BuildId, Coded, ErrorClass, PersonName};
use refit_plan::{PlannedHost, PlannedWave};
use rust_xlsxwriter::{
    Color, DocProperties, ExcelDateTime, Format, Table, TableColumn, TableStyle, Workbook,
    Worksheet, XlsxError,
};
use std::collections::BTreeMap;

/// Excel's own limit for the text of one cell.
const CELL_CHARS_MAX: usize = 32_000;

/// Widest column: a sentence.
const COLUMN_PIXELS_MAX: u32 = 460;

/// Why there is no spreadsheet.
#[derive(Debug, thiserror::Error)]
pub enum SpreadError {
    /// The writer of the format refused.
    #[error("failed to write the spreadsheet of rollout `{rollout}`")]
    Xlsx {
        /// The rollout.
        rollout: String,
        /// Why.
        #[source]
        source: Box<XlsxError>,
    },
}

impl Coded for SpreadError {
    fn code(&self) -> &'static str {
        "document.not-printable"
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::Permanent
    }
}

/// A value of a cell.
enum Value {
    Text(String),
    Number(f64),
    /// Local time on the wall of the document's zone.
    Moment(Option<Timestamp>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(super::text::clean(text, CELL_CHARS_MAX))
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}
impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(f64::from(number))
    }
}

/// A sheet before it is written.
struct Sheet {
    name: &'static str,
    heads: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

/// The workbook. The same input gives the same bytes.
///
/// # Errors
/// [`SpreadError`] when the format cannot hold it, as more than a million servers.
pub fn xlsx(input: &PaperInput) -> Result<Vec<u8>, SpreadError> {
    write(input).map_err(|source| SpreadError::Xlsx {
        rollout: input.plan.rollout.to_string(),
        source: Box::new(source),
    })
}

fn write(input: &PaperInput) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let made = ExcelDateTime::from_timestamp(input.plan.made_at.as_second())?;
    book.set_properties(
        &DocProperties::new()
            .set_title(format!("{}: {}", input.plan.rollout, input.plan.goal()))
            .set_author(input.plan.author.as_str())
            .set_subject(input.hash.to_string())
            .set_comment(format!("times in {}", zone_name(&input.zone)))
            .set_creation_datetime(&made),
    );
    for (number, sheet) in
        [servers(input), waves(input), risks(input), people(input)].iter().enumerate()
    {
        fill(book.add_worksheet(), sheet, number, input)?;
    }
    book.save_to_buffer()
}

fn fill(
    page: &mut Worksheet,
    sheet: &Sheet,
    number: usize,
    input: &PaperInput,
) -> Result<(), XlsxError> {
    page.set_name(sheet.name)?;
    let moment = Format::new().set_num_format("yyyy-mm-dd hh:mm");
    let head = Format::new().set_bold().set_font_color(Color::White).set_background_color(0x1d2733);
    for (column, name) in (0u16..).zip(&sheet.heads) {
        page.write_string_with_format(0, column, *name, &head)?;
    }
    for (row, values) in (1u32..).zip(&sheet.rows) {
        for (column, value) in (0u16..).zip(values) {
            match value {
                Value::Text(text) if text.is_empty() => continue,
                Value::Moment(None) => continue,
                // A string is never a formula, whatever it begins with.
                Value::Text(text) => page.write_string(row, column, text)?,
                Value::Number(number) => page.write_number(row, column, *number)?,
                Value::Moment(Some(at)) => {
                    page.write_datetime_with_format(row, column, local(*at, input)?, &moment)?
                }
            };
        }
    }
    page.set_freeze_panes(1, 1)?;
    if !sheet.rows.is_empty() {
        let last = u32::try_from(sheet.rows.len()).unwrap_or(u32::MAX);
        let width = u16::try_from(sheet.heads.len()).unwrap_or(1) - 1;
        let column = |name: &&str| TableColumn::new().set_header(*name).set_header_format(&head);
        let columns: Vec<TableColumn> = sheet.heads.iter().map(column).collect();
        let table = Table::new()
            .set_name(format!("{}_{}", sheet.name, number + 1))
            .set_columns(&columns)
            .set_style(TableStyle::Light1);
        page.add_table(0, 0, last, width, &table)?;
    }
    // Lines that wrap lie on each other in programs that keep the heights of rows as they find them.
    page.set_autofit_max_width(COLUMN_PIXELS_MAX).autofit();
    page.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0).set_repeat_rows(0, 0)?;
    page.set_footer(format!("&L{}  plan {}&R&P / &N", input.plan.rollout, input.hash));
    Ok(())
}

/// What a clock in the zone shows: spreadsheets know no zones.
fn local(at: Timestamp, input: &PaperInput) -> Result<ExcelDateTime, XlsxError> {
    let local = at.to_zoned(input.zone.clone());
    let number = |value: i8| u8::try_from(value).unwrap_or(0);
    let year = u16::try_from(local.year()).unwrap_or(1900);
    ExcelDateTime::from_ymd(year, number(local.month()), number(local.day()))?.and_hms(
        u16::from(number(local.hour())),
        number(local.minute()),
        u32::from(number(local.second())),
    )
}

fn servers(input: &PaperInput) -> Sheet {
    let heads = vec![
        "wave",
        "server",
        "site",
        "role",
        "risk",
        "criticality",
        "cluster",
        "owner",
        "path",
        "starts",
        "ends",
        "window",
        "opens",
        "closes",
        "kind of time",
        "people",
        "half done in, minutes",
        "19 of 20 done in, minutes",
        "validation, minutes",
        "back in, minutes",
        "why here",
    ];
    let rows = input.plan.hosts().map(|(wave, host)| server(input, wave, host)).collect();
    Sheet { name: "servers", heads, rows }
}

const CRITICALITY: [&str; 4] = ["low", "medium", "high", "critical"];

fn server(input: &PaperInput, wave: &PlannedWave, host: &PlannedHost) -> Vec<Value> {
    let note = input.note(&host.host);
    let slot = host.slot.as_ref();
    let builds = host.builds();
    let way: Vec<&str> = builds.iter().map(BuildId::as_str).collect();
    let minutes = |ms: u64| Value::Number((ms as f64 / 6_000.0).round() / 10.0);
    let criticality = note.and_then(|note| CRITICALITY.get(note.criticality)).copied();
    vec![
        wave.name.as_str().into(),
        host.host.as_str().into(),
        host.site.as_str().into(),
        host.role.as_str().into(),
        host.risk.into(),
        criticality.unwrap_or_default().into(),
        note.and_then(|note| note.cluster.as_deref()).unwrap_or_default().into(),
        note.and_then(|note| note.owner.as_ref()).map_or("", |owner| owner.as_str()).into(),
        way.join(" → ").into(),
        Value::Moment(slot.map(|slot| slot.starts_at)),
        Value::Moment(host.ends_at()),
        slot.map_or("", |slot| slot.opening.window.as_str()).into(),
        Value::Moment(slot.map(|slot| slot.opening.opens_at)),
        Value::Moment(slot.map(|slot| slot.opening.closes_at)),
        slot.map_or_else(String::new, |slot| words(&slot.class)).into(),
        slot.map_or_else(String::new, |slot| names(&slot.people)).into(),
        if host.p50_ms == 0 { "".into() } else { minutes(host.p50_ms) },
        minutes(host.p95_ms),
        minutes(host.validation_ms),
        minutes(host.undo_p95_ms),
        host.because.as_str().into(),
    ]
}

fn names<'a>(people: impl IntoIterator<Item = &'a PersonName>) -> String {
    people.into_iter().map(PersonName::as_str).collect::<Vec<_>>().join(", ")
}

fn waves(input: &PaperInput) -> Sheet {
    let heads = vec![
        "wave",
        "servers",
        "starts",
        "ends",
        "goal, %",
        "failures borne",
        "down at once",
        "watched, minutes",
        "waits at most, hours",
        "next one",
    ];
    let rows = input.plan.waves.iter().map(|wave| {
        vec![
            wave.name.as_str().into(),
            u32::try_from(wave.hosts.len()).unwrap_or(u32::MAX).into(),
            Value::Moment(wave.starts_at()),
            Value::Moment(wave.ends_at()),
            u32::from(wave.goal.get()).into(),
            wave.failure_budget.into(),
            wave.parallel.into(),
            Value::Number(wave.soak_ms as f64 / 60_000.0),
            Value::Number((wave.timeout_ms as f64 / 36_000.0).round() / 100.0),
            words(&format!("{:?}", wave.advance).to_lowercase()).into(),
        ]
    });
    Sheet { name: "waves", heads, rows: rows.collect() }
}

fn risks(input: &PaperInput) -> Sheet {
    let heads = vec![
        "server",
        "reason",
        "points",
        "what was found",
        "mitigation",
        "stated risk",
        "likelihood",
        "impact",
        "owner",
        "state",
    ];
    let scored = input.plan.hosts().flat_map(|(_, host)| {
        host.reasons.iter().map(|reason| {
            let mut row: Vec<Value> = vec![
                host.host.as_str().into(),
                reason.code.as_str().into(),
                reason.points.into(),
                reason.text.as_str().into(),
                reason.mitigation.as_str().into(),
            ];
            row.extend((0..5).map(|_| Value::from("")));
            row
        })
    });
    let stated = input.risks.iter().map(|risk| {
        let (likelihood, impact) = risk.left.unwrap_or((risk.likelihood, risk.impact));
        vec![
            risk.host.as_str().into(),
            "stated".into(),
            "".into(),
            risk.text.as_str().into(),
            risk.mitigation.as_str().into(),
            format!("R{}", risk.id).into(),
            u32::from(likelihood).into(),
            u32::from(impact).into(),
            risk.owner.as_ref().map_or("", |owner| owner.as_str()).into(),
            risk.state.as_str().into(),
        ]
    });
    Sheet { name: "risks", heads, rows: scored.chain(stated).collect() }
}

fn people(input: &PaperInput) -> Sheet {
    let heads = vec![
        "person",
        "server",
        "wave",
        "starts",
        "ends",
        "kind of time",
        "window",
        "site",
        "role",
    ];
    let mut slots: BTreeMap<(&PersonName, Timestamp, &str), Vec<Value>> = BTreeMap::new();
    for (wave, host) in input.plan.hosts() {
        let Some(slot) = &host.slot else { continue };
        for person in &slot.people {
            let row = vec![
                person.as_str().into(),
                host.host.as_str().into(),
                wave.name.as_str().into(),
                Value::Moment(Some(slot.starts_at)),
                Value::Moment(host.ends_at()),
                words(&slot.class).into(),
                slot.opening.window.as_str().into(),
                host.site.as_str().into(),
                host.role.as_str().into(),
            ];
            slots.insert((person, slot.starts_at, host.host.as_str()), row);
        }
    }
    Sheet { name: "people", heads, rows: slots.into_values().collect() }
}

/// One server a line, in the order of the plan; moments with their offset.
#[must_use]
pub fn csv(input: &PaperInput) -> String {
    let sheet = servers(input);
    let mut out = String::new();
    let line = |out: &mut String, cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    };
    line(&mut out, sheet.heads.iter().map(|head| (*head).to_owned()).collect());
    for row in sheet.rows {
        let cells = row.into_iter().map(|value| match value {
            Value::Text(text) => harmless(text),
            Value::Number(number) => number.to_string(),
            Value::Moment(None) => String::new(),
            Value::Moment(Some(at)) => {
                at.to_zoned(input.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
            }
        });
        line(&mut out, cells.collect());
    }
    out
}

/// Spreadsheets take a text for a formula when it begins like one: a quote before it keeps it a text.
fn harmless(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

/// RFC 4180.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_looks_like_a_formula_stays_text() {
        assert_eq!(harmless("=cmd|' /C calc'!A0".to_owned()), "'=cmd|' /C calc'!A0");
        assert_eq!(quoted("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
    }
}

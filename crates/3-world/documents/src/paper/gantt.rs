//! The chart of waves and windows over time.

use super::svg::{Anchor, FAINT, INK, LINE, Svg, WIDTH, fitted};
use super::text;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use refit_names::{TimeClass, counted};
use refit_plan::{Opening, Plan, PlannedHost, PlannedWave};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of one drawing: what fits on a page with its caption.
const ROWS_MAX: usize = 18;
const ROW: f64 = 26.0;
const LABELS: f64 = 290.0;
const HEAD: f64 = 42.0;
const SIZE: f64 = 15.0;

/// Steps of the axis, in hours.
const STEPS: [i64; 10] = [1, 2, 4, 6, 12, 24, 48, 168, 336, 672];

/// Most ticks that can be told apart.
const TICKS_MAX: i64 = 12;

struct Row {
    label: String,
    note: String,
    /// The window; none for a wave as a whole.
    open: Option<(Timestamp, Timestamp)>,
    busy: (Timestamp, Timestamp),
    /// Until when it is watched.
    watched: Option<Timestamp>,
    colour: &'static str,
    strong: bool,
}

/// The chart as one or more drawings of at most a page each; none when the plan has no times.
pub(crate) fn drawings(plan: &Plan, zone: &TimeZone) -> Vec<String> {
    let rows: Vec<Row> = plan.waves.iter().flat_map(rows_of).collect();
    let from = rows.iter().map(|row| row.open.map_or(row.busy.0, |open| open.0)).min();
    let to = rows
        .iter()
        .filter_map(|row| row.watched.max(row.open.map(|open| open.1)).max(Some(row.busy.1)))
        .max();
    let Some((from, to)) = from.zip(to) else { return Vec::new() };
    let axis = Axis::new(from, to, zone);
    rows.chunks(ROWS_MAX).map(|rows| draw(rows, &axis)).collect()
}

/// One row for the wave, one for each opening that its hosts stand in.
fn rows_of(wave: &PlannedWave) -> Vec<Row> {
    let Some(busy) = wave.starts_at().zip(wave.ends_at()) else { return Vec::new() };
    let soak = SignedDuration::from_millis(i64::try_from(wave.soak_ms).unwrap_or(i64::MAX));
    let mut rows = vec![Row {
        label: wave.name.to_string(),
        note: counted(wave.hosts.len(), "server"),
        open: None,
        busy,
        watched: busy.1.checked_add(soak).ok(),
        colour: INK,
        strong: true,
    }];
    let mut openings: BTreeMap<(Timestamp, String), (&Opening, Vec<&PlannedHost>)> =
        BTreeMap::new();
    for host in &wave.hosts {
        let Some(slot) = &host.slot else { continue };
        let key = (slot.opening.opens_at, slot.opening.window.to_string());
        openings.entry(key).or_insert_with(|| (&slot.opening, Vec::new())).1.push(host);
    }
    rows.extend(openings.into_values().filter_map(|(opening, hosts)| of_opening(opening, &hosts)));
    rows
}

fn of_opening(opening: &Opening, hosts: &[&PlannedHost]) -> Option<Row> {
    let slots = || hosts.iter().filter_map(|host| host.slot.as_ref());
    let start = slots().map(|slot| slot.starts_at).min()?;
    let end = hosts.iter().filter_map(|host| host.ends_at()).max()?;
    let people: BTreeSet<_> = slots().flat_map(|slot| &slot.people).collect();
    let who = match people.len() {
        0 => String::new(),
        1 => format!(", {}", text::list(people)),
        more => format!(", {more} people"),
    };
    Some(Row {
        label: format!("  {}", opening.window),
        note: format!("{}{who}", counted(hosts.len(), "server")),
        open: Some((opening.opens_at, opening.closes_at)),
        busy: (start, end),
        watched: None,
        colour: colour(slots().next()?.class),
        strong: false,
    })
}

/// What colour a time class has in every drawing.
pub(crate) const fn colour(class: TimeClass) -> &'static str {
    match class {
        TimeClass::WorkingHours => "#2f6fb0",
        TimeClass::OutOfHours => "#6b4ea0",
        TimeClass::Weekend => "#b4690e",
    }
}

struct Axis<'a> {
    from: Timestamp,
    to: Timestamp,
    zone: &'a TimeZone,
}

impl<'a> Axis<'a> {
    /// A little more than the rows need, so that no bar touches the edge.
    fn new(from: Timestamp, to: Timestamp, zone: &'a TimeZone) -> Self {
        let margin = SignedDuration::from_secs((to.as_second() - from.as_second()) / 40 + 600);
        Self {
            from: from.checked_sub(margin).unwrap_or(from),
            to: to.checked_add(margin).unwrap_or(to),
            zone,
        }
    }

    fn x(&self, at: Timestamp) -> f64 {
        let all = (self.to.as_second() - self.from.as_second()).max(1) as f64;
        let share = (at.as_second() - self.from.as_second()) as f64 / all;
        LABELS + share.clamp(0.0, 1.0) * (WIDTH - LABELS)
    }

    /// Round moments, few enough to be read: whole hours, days or weeks on the wall's clock.
    fn ticks(&self) -> Vec<Timestamp> {
        let hours = (self.to.as_second() - self.from.as_second()) / 3_600;
        let step = STEPS.iter().find(|step| hours / **step < TICKS_MAX).unwrap_or(&2_016);
        let midnight = self.from.to_zoned(self.zone.clone()).start_of_day();
        let Ok(mut at) = midnight else { return Vec::new() };
        let mut ticks = Vec::new();
        while at.timestamp() <= self.to {
            if at.timestamp() >= self.from {
                ticks.push(at.timestamp());
            }
            let next = if *step < 24 {
                at.checked_add(step.hours())
            } else {
                at.checked_add((step / 24).days())
            };
            let Ok(next) = next else { break };
            at = next;
        }
        ticks
    }

    fn label(&self, at: Timestamp) -> String {
        let local = at.to_zoned(self.zone.clone());
        let form = if local.hour() == 0 && local.minute() == 0 { "%-d %b" } else { "%H:%M" };
        local.strftime(form).to_string()
    }

    /// Saturdays and Sundays, where days can be told apart.
    fn weekends(&self) -> Vec<(Timestamp, Timestamp)> {
        let mut found = Vec::new();
        let Ok(mut day) = self.from.to_zoned(self.zone.clone()).start_of_day() else {
            return found;
        };
        while day.timestamp() < self.to {
            let Ok(next) = day.tomorrow() else { break };
            if matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
                found.push((day.timestamp(), next.timestamp()));
            }
            day = next;
        }
        found
    }
}

fn draw(rows: &[Row], axis: &Axis<'_>) -> String {
    let height = HEAD + rows.len() as f64 * ROW + 6.0;
    let mut svg = Svg::new(height);
    for (from, to) in axis.weekends() {
        let (x, end) = (axis.x(from), axis.x(to));
        svg.rect((x, HEAD - 8.0), (end - x, height - HEAD + 8.0), "#f1f3f5");
    }
    for tick in axis.ticks() {
        let x = axis.x(tick);
        svg.line((x, HEAD - 8.0), (x, height), LINE);
        // The last label must not leave the page.
        let anchor = if x > WIDTH - 40.0 { Anchor::End } else { Anchor::Middle };
        svg.text((x, HEAD - 14.0), (anchor, 14.0), FAINT, &axis.label(tick));
    }
    for (place, row) in rows.iter().enumerate() {
        draw_row(&mut svg, row, HEAD + place as f64 * ROW, axis);
    }
    svg.done()
}

fn draw_row(svg: &mut Svg, row: &Row, y: f64, axis: &Axis<'_>) {
    if row.strong {
        svg.line((0.0, y), (WIDTH, y), LINE);
    }
    let note = fitted(&row.note, 150.0, SIZE - 2.0);
    let fill = if row.strong { INK } else { FAINT };
    let indent = if row.strong { 0.0 } else { 12.0 };
    let label = fitted(row.label.trim(), LABELS - 165.0 - indent, SIZE);
    svg.text((indent, y + 18.0), (Anchor::Start, SIZE), fill, &label);
    svg.text((LABELS - 10.0, y + 18.0), (Anchor::End, SIZE - 2.0), FAINT, &note);
    let bar = |svg: &mut Svg, from, to, (top, height): (f64, f64), fill: &str| {
        let x = axis.x(from);
        // A bar that is too thin to see says nothing.
        svg.rect((x, y + top), ((axis.x(to) - x).max(2.5), height), fill);
    };
    if let Some(watched) = row.watched {
        bar(svg, row.busy.1, watched, (10.0, 6.0), "#b9c3cc");
    }
    if let Some((opens, closes)) = row.open {
        bar(svg, opens, closes, (6.0, 14.0), "#dfe5ea");
    }
    let shape = if row.strong { (9.0, 8.0) } else { (6.0, 14.0) };
    bar(svg, row.busy.0, row.busy.1, shape, row.colour);
}

//! What both documents say of risk: the matrix, the reasons with what lessens them, what people stated.

use super::builder::Builder;
use super::matrix::Matrix;
use super::text::list;
use super::{Cell, Form, PaperInput, RiskLine, Tone};
use refit_names::counted;
use refit_plan::PlannedHost;
use std::collections::{BTreeMap, BTreeSet};

/// Bands of the score: the same everywhere.
const BANDS: [(u32, &str); 4] =
    [(0, "0 to 19"), (20, "20 to 39"), (40, "40 to 59"), (60, "60 to 100")];

/// What the levels of criticality are called.
const CRITICALITY: [&str; 4] = ["low", "medium", "high", "critical"];

/// Servers with the highest score that are named.
const TOP: usize = 15;

/// The band of a score.
pub(crate) fn band(score: u32) -> usize {
    BANDS.iter().rposition(|(from, _)| score >= *from).unwrap_or(0)
}

/// The colour of a score.
pub(crate) fn tone(score: u32) -> Tone {
    [Tone::Good, Tone::Plain, Tone::Warn, Tone::Bad][band(score)]
}

/// The matrix of servers.
pub(crate) fn matrix(builder: &mut Builder, input: &PaperInput) {
    let bands: Vec<String> = BANDS.iter().map(|(_, name)| (*name).to_owned()).collect();
    let mut counts = vec![vec![0u32; BANDS.len()]; CRITICALITY.len()];
    for (_, host) in input.plan.hosts() {
        let level = criticality(input, host);
        counts[CRITICALITY.len() - 1 - level.min(CRITICALITY.len() - 1)][band(host.risk)] += 1;
    }
    let rows: Vec<String> = CRITICALITY.iter().rev().map(|name| (*name).to_owned()).collect();
    let show = |number: u32| if number == 0 { String::new() } else { number.to_string() };
    let svg = Matrix {
        rows: &rows,
        columns: &bands,
        row_title: "How much hangs on a server",
        column_title: "Score of the risk of changing it, of 100",
        cells: counts.into_iter().map(|row| row.into_iter().map(show).collect()).collect(),
    }
    .draw();
    builder.drawing(svg, "Servers by criticality and by the score of their risk.");
}

/// From what is known of the host, else from the reason in its score.
fn criticality(input: &PaperInput, host: &PlannedHost) -> usize {
    if let Some(note) = input.note(&host.host) {
        return note.criticality;
    }
    let reason = host.reasons.iter().find(|reason| reason.code.contains("critical"));
    let said = |level: &str| reason.is_some_and(|reason| reason.text.contains(level));
    CRITICALITY.iter().rposition(|level| said(level)).unwrap_or(1)
}

/// Every reason once, with what lessens it and how many servers it concerns.
pub(crate) fn reasons(builder: &mut Builder, input: &PaperInput) {
    let mut seen: BTreeMap<(&str, &str), (usize, u32, BTreeSet<&str>)> = BTreeMap::new();
    for (_, host) in input.plan.hosts() {
        for reason in &host.reasons {
            let key = (reason.code.as_str(), reason.mitigation.as_str());
            let (servers, points, texts) = seen.entry(key).or_default();
            *servers += 1;
            *points = (*points).max(reason.points);
            texts.insert(reason.text.as_str());
        }
    }
    let mut rows: Vec<_> = seen.into_iter().collect();
    rows.sort_by_key(|(key, (servers, points, _))| {
        (std::cmp::Reverse(*points), std::cmp::Reverse(*servers), *key)
    });
    let rows = rows.into_iter().map(|((code, mitigation), (servers, points, texts))| {
        let mut said: Vec<&str> = texts.iter().copied().take(3).collect();
        if texts.len() > said.len() {
            said.push("…");
        }
        let mitigation = if mitigation.is_empty() { "–" } else { mitigation };
        vec![code.into(), said.join("; ").into(), servers.into(), points.into(), mitigation.into()]
    });
    builder.table(
        &[
            ("reason", 1.2, Form::Name),
            ("what was found", 2.6, Form::Plain),
            ("servers", 0.7, Form::Number),
            ("points, at most", 0.8, Form::Number),
            ("mitigation", 2.8, Form::Faint),
        ],
        rows.collect(),
        "The plan carries no reasons behind its scores: it was made before scores were kept with plans.",
    );
}

/// The servers with the highest scores.
pub(crate) fn highest(builder: &mut Builder, input: &PaperInput) {
    let mut hosts: Vec<_> = input.plan.hosts().collect();
    hosts.sort_by_key(|(_, host)| (std::cmp::Reverse(host.risk), &host.host));
    let rows = hosts.iter().take(TOP).map(|(wave, host)| {
        let reasons: Vec<String> = host
            .reasons
            .iter()
            .take(4)
            .map(|reason| format!("{} (+{})", reason.text, reason.points))
            .collect();
        let said = if reasons.is_empty() { input.told(&host.because) } else { reasons.join("; ") };
        vec![
            host.host.as_str().into(),
            host.role.as_str().into(),
            Cell::from(host.risk).toned(tone(host.risk)),
            said.into(),
            wave.name.as_str().into(),
        ]
    });
    builder.table(
        &[
            ("server", 1.5, Form::Name),
            ("role", 1.2, Form::Plain),
            ("risk", 0.5, Form::Number),
            ("because", 3.6, Form::Faint),
            ("wave", 0.9, Form::Plain),
        ],
        rows.collect(),
        "No servers.",
    );
}

/// What people stated: matrix and table.
pub(crate) fn stated(builder: &mut Builder, input: &PaperInput) {
    if input.risks.is_empty() {
        builder.text("Nobody has stated a risk beyond those that follow from the facts above.");
        return;
    }
    let levels: Vec<String> = (1..=5).map(|level| level.to_string()).collect();
    let falling: Vec<String> = levels.iter().rev().cloned().collect();
    let mut cells = vec![vec![Vec::new(); 5]; 5];
    for risk in &input.risks {
        let (likelihood, impact) = risk.left.unwrap_or((risk.likelihood, risk.impact));
        let (row, column) = (5 - likelihood.clamp(1, 5), impact.clamp(1, 5) - 1);
        cells[usize::from(row)][usize::from(column)].push(format!("R{}", risk.id));
    }
    let join = |names: Vec<String>| names.join(" ");
    let svg = Matrix {
        rows: &falling,
        columns: &levels,
        row_title: "Likelihood",
        column_title: "Impact",
        cells: cells.into_iter().map(|row| row.into_iter().map(join).collect()).collect(),
    }
    .draw();
    builder.drawing(svg, "Stated risks by number, as they stand after what was done about them.");
    builder.table(
        &[
            ("risk", 0.5, Form::Name),
            ("server", 1.2, Form::Name),
            ("what may happen", 2.4, Form::Plain),
            ("before → now", 0.9, Form::Plain),
            ("mitigation", 2.4, Form::Faint),
            ("owner", 0.9, Form::Plain),
            ("state", 0.8, Form::Plain),
        ],
        input.risks.iter().map(stated_row).collect(),
        "",
    );
}

fn stated_row(risk: &RiskLine) -> Vec<Cell> {
    let product = |likelihood: u8, impact: u8| u32::from(likelihood) * u32::from(impact);
    let before = product(risk.likelihood, risk.impact);
    let now = risk.left.map_or(before, |(likelihood, impact)| product(likelihood, impact));
    let tone = match now {
        0..=5 => Tone::Good,
        6..=11 => Tone::Plain,
        12..=15 => Tone::Warn,
        _ => Tone::Bad,
    };
    vec![
        format!("R{}", risk.id).into(),
        risk.host.as_str().into(),
        risk.text.clone().into(),
        Cell::from(format!("{before} → {now}")).toned(tone),
        risk.mitigation.clone().into(),
        risk.owner.as_ref().map_or("–", |owner| owner.as_str()).into(),
        risk.state.clone().into(),
    ]
}

/// One sentence on how the scores lie.
pub(crate) fn sentence(input: &PaperInput) -> String {
    let mut counts = [0usize; 4];
    for (_, host) in input.plan.hosts() {
        counts[band(host.risk)] += 1;
    }
    let parts = BANDS.iter().zip(counts).filter(|(_, number)| *number > 0);
    let parts: Vec<String> = parts
        .map(|((_, name), number)| format!("{} at {name}", counted(number, "server")))
        .collect();
    format!("Scores of 100: {}.", list(parts))
}

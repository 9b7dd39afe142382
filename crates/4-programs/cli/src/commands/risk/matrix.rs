//! Stated risks by likelihood and impact.

use refit_names::{HostName, counted};
use refit_protocol::v1::RiskEntryView;
use refit_risk::Level;
use serde::Serialize;

/// Names that fit into a cell.
const NAMES_SHOWN: usize = 2;
/// A product of likelihood and impact from here on is high, and from there on medium.
const HIGH: u32 = 15;
const MEDIUM: u32 = 6;

/// The table.
#[derive(Debug, Serialize)]
pub(super) struct Matrix {
    /// Cells that hold risks, the most likely first.
    cells: Vec<Cell>,
    /// How many risks there are.
    risks: usize,
}

#[derive(Debug, Serialize)]
struct Cell {
    likelihood: Level,
    impact: Level,
    level: &'static str,
    risks: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    id: u64,
    host: HostName,
    text: String,
    status: &'static str,
}

impl Matrix {
    /// Puts risks where they stand now, or stood before anything was done.
    pub(super) fn of(entries: &[RiskEntryView], before: bool) -> Self {
        let mut cells = Vec::new();
        for likelihood in Level::all().rev() {
            for impact in Level::all() {
                let here = entries.iter().map(|view| &view.entry).filter(|entry| {
                    let exposure = if before { entry.exposure } else { entry.now() };
                    exposure.likelihood == likelihood && exposure.impact == impact
                });
                let risks: Vec<Entry> = here
                    .map(|entry| Entry {
                        id: entry.id,
                        host: entry.host.clone(),
                        text: entry.text.clone(),
                        status: entry.status.word(),
                    })
                    .collect();
                if !risks.is_empty() {
                    cells.push(Cell {
                        likelihood,
                        impact,
                        level: level(likelihood, impact),
                        risks,
                    });
                }
            }
        }
        Self { cells, risks: entries.len() }
    }

    /// As a grid: likelihood upwards, impact to the right; `!` high, `+` medium.
    pub(super) fn text(&self) -> String {
        let mut grid: Vec<Vec<String>> = Vec::new();
        for likelihood in Level::all().rev() {
            grid.push(Level::all().map(|impact| self.cell(likelihood, impact)).collect());
        }
        let width =
            grid.iter().flatten().map(|cell| cell.chars().count()).max().unwrap_or(0).max(6);
        let rule = format!("            +{}", format!("{}+", "-".repeat(width + 2)).repeat(5));
        let mut lines = vec![rule.clone()];
        for (row, likelihood) in grid.iter().zip(Level::all().rev()) {
            let label = if likelihood.get() == 3 { "likelihood" } else { "" };
            let cells: Vec<String> = row.iter().map(|cell| format!(" {cell:<width$} ")).collect();
            lines.push(format!("{label:>10} {likelihood}|{}|", cells.join("|")));
            lines.push(rule.clone());
        }
        let numbers: Vec<String> =
            Level::all().map(|impact| format!(" {impact:^width$} ")).collect();
        lines.push(format!("             {}", numbers.join(" ")));
        lines.push(format!("             {:^1$}", "impact", (width + 3) * 5));
        lines.push(format!(
            "{}; ! high (product from {HIGH}), + medium (from {MEDIUM})",
            counted(self.risks, "risk")
        ));
        lines.join("\n")
    }

    fn cell(&self, likelihood: Level, impact: Level) -> String {
        let mark = match level(likelihood, impact) {
            "high" => "!",
            "medium" => "+",
            _ => "·",
        };
        let here =
            self.cells.iter().find(|cell| cell.likelihood == likelihood && cell.impact == impact);
        let Some(cell) = here else { return mark.to_owned() };
        let mut names: Vec<String> = cell
            .risks
            .iter()
            .take(NAMES_SHOWN)
            .map(|risk| format!("#{} {}", risk.id, risk.host))
            .collect();
        if cell.risks.len() > NAMES_SHOWN {
            names.push(format!("{} more", cell.risks.len() - NAMES_SHOWN));
        }
        format!("{mark} {}", names.join(", "))
    }
}

fn level(likelihood: Level, impact: Level) -> &'static str {
    match u32::from(likelihood.get()) * u32::from(impact.get()) {
        HIGH.. => "high",
        MEDIUM.. => "medium",
        _ => "low",
    }
}

//! Risk matrices: how many servers, and which stated risks, stand where.

use super::svg::{Anchor, FAINT, INK, Svg, WIDTH};

const LEFT: f64 = 210.0;
const CELL: f64 = 62.0;
const HEAD: f64 = 34.0;

/// A grid of counts: rows from top to bottom as given, columns from left to right.
pub(crate) struct Matrix<'a> {
    pub(crate) rows: &'a [String],
    pub(crate) columns: &'a [String],
    pub(crate) row_title: &'a str,
    pub(crate) column_title: &'a str,
    /// What stands in a cell; empty for nothing.
    pub(crate) cells: Vec<Vec<String>>,
}

impl Matrix<'_> {
    /// The drawing. Colours go from the lower left, harmless, to the upper right.
    pub(crate) fn draw(&self) -> String {
        let height = HEAD + self.rows.len() as f64 * CELL + 62.0;
        let mut svg = Svg::new(height);
        let width = (WIDTH - LEFT) / self.columns.len().max(1) as f64;
        svg.text((0.0, 20.0), (Anchor::Start, 15.0), FAINT, self.row_title);
        for (row, label) in self.rows.iter().enumerate() {
            let y = HEAD + row as f64 * CELL;
            svg.text((LEFT - 14.0, y + CELL / 2.0 + 5.0), (Anchor::End, 16.0), INK, label);
            for column in 0..self.columns.len() {
                let x = LEFT + column as f64 * width;
                svg.rect((x + 1.5, y + 1.5), (width - 3.0, CELL - 3.0), self.colour(row, column));
                let text = self.cells.get(row).and_then(|cells| cells.get(column));
                let text = text.map_or("", String::as_str);
                let size = if text.chars().count() > 6 { 14.0 } else { 21.0 };
                let text = super::svg::fitted(text, width - 10.0, size);
                svg.text(
                    (x + width / 2.0, y + CELL / 2.0 + 7.0),
                    (Anchor::Middle, size),
                    INK,
                    &text,
                );
            }
        }
        let foot = HEAD + self.rows.len() as f64 * CELL;
        for (column, label) in self.columns.iter().enumerate() {
            let x = LEFT + (column as f64 + 0.5) * width;
            svg.text((x, foot + 22.0), (Anchor::Middle, 16.0), INK, label);
        }
        let middle = LEFT + (WIDTH - LEFT) / 2.0;
        svg.text((middle, foot + 48.0), (Anchor::Middle, 15.0), FAINT, self.column_title);
        svg.done()
    }

    fn colour(&self, row: usize, column: usize) -> &'static str {
        let high = (self.rows.len() - 1 - row) as f64 / (self.rows.len().max(2) - 1) as f64;
        let right = column as f64 / (self.columns.len().max(2) - 1) as f64;
        match high + right {
            sum if sum < 0.55 => "#d9efe2",
            sum if sum < 1.05 => "#f7efcf",
            sum if sum < 1.55 => "#f8dcc0",
            _ => "#f3c6c1",
        }
    }
}

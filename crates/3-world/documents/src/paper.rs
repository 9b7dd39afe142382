//! Documents that people agree on: one model of blocks, set as PDF by typst and as one HTML page, so that both say the same.

mod agenda;
mod approach;
mod builder;
mod gantt;
mod html;
mod input;
mod matrix;
mod plan_pages;
mod procedure;
mod project_plan;
mod readme;
mod risk;
mod simulation;
mod spread;
mod svg;
mod text;

pub use agenda::events;
pub use approach::approach;
pub use html::html;
pub use input::{
    EngineerNote, HostNote, KnownTrouble, PackNote, PaperInput, RiskLine, RollbackNote,
    RunbookNote, Standing,
};
pub use project_plan::project_plan;
pub use spread::{SpreadError, csv, xlsx};

use serde::Serialize;

/// A document: what stands on every page, and its blocks.
#[derive(Debug, Clone, Serialize)]
pub struct Paper {
    /// `Approach` or `Project plan`.
    pub(crate) kind: &'static str,
    pub(crate) title: String,
    pub(crate) subtitle: String,
    /// `draft …` or `agreed by …`.
    pub(crate) state: String,
    /// The same for the foot of each page.
    #[serde(rename = "short-state")]
    pub(crate) short_state: String,
    pub(crate) agreed: bool,
    pub(crate) landscape: bool,
    /// The plan's hash.
    pub(crate) plan: String,
    /// The day on which the plan was made.
    pub(crate) date: (i16, i8, i8),
    pub(crate) blocks: Vec<Block>,
}

/// One part of a page. Texts are data everywhere: no renderer takes markup from them. A head stands inside a text of others,
/// without a number.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "block", rename_all = "kebab-case")]
pub(crate) enum Block {
    Section { number: String, text: String, level: u8 },
    Head { text: String },
    Text { text: String },
    Note { tone: Tone, text: String },
    Facts { facts: Vec<(String, String)> },
    Figures { figures: Vec<(String, String)> },
    List { items: Vec<String> },
    Table { columns: Vec<Column>, rows: Vec<Vec<Cell>>, empty: String },
    Drawing { svg: String, wide: bool, caption: String },
    SignOff { lines: Vec<SignLine> },
    PageBreak,
}

/// A column of a table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Column {
    pub(crate) head: &'static str,
    /// Its share of the width.
    pub(crate) share: f64,
    pub(crate) form: Form,
}

/// How a column's cells are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    Plain,
    Number,
    Name,
    Faint,
}

/// A cell of a table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tone {
    Plain,
    Good,
    Warn,
    Bad,
}

/// A line to sign on.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SignLine {
    pub(crate) function: String,
    /// Who signed already, or who is to sign.
    pub(crate) name: String,
    pub(crate) done: bool,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text: text::clean(&text, text::CELL_CHARS_MAX), tone: Tone::Plain }
    }
}
impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}
impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Self::from(number.to_string())
    }
}
impl From<u32> for Cell {
    fn from(number: u32) -> Self {
        Self::from(number.to_string())
    }
}
impl Cell {
    pub(crate) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

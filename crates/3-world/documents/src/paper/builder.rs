//! Puts blocks together and numbers the sections.

use super::text::{clean, zone_name};
use super::{Block, Cell, Column, Form, Paper, PaperInput, SignLine, Tone, readme, text};
use refit_plan::Way;

/// Longest heading below a section.
pub(super) const HEAD_CHARS_MAX: usize = 120;
/// Longest item of a list.
pub(super) const ITEM_CHARS_MAX: usize = 600;
/// Longest paragraph: a read-me is shown as far as people read it.
pub(super) const TEXT_CHARS_MAX: usize = 1_600;

/// A paper in the making.
pub(crate) struct Builder {
    paper: Paper,
    section: u32,
    part: u32,
}

impl Builder {
    pub(crate) fn new(kind: &'static str, input: &PaperInput) -> Self {
        let plan = &input.plan;
        let date = plan.made_at.to_zoned(input.zone.clone()).date();
        let agreed = input.standing.agreed_by.len()
            >= usize::try_from(plan.approvals_needed.max(1)).unwrap_or(usize::MAX);
        let by = text::list(&input.standing.agreed_by);
        let state = match (agreed, input.standing.agreed_by.is_empty()) {
            (true, _) => format!("agreed by {by}"),
            (false, true) => "draft".to_owned(),
            (false, false) => format!(
                "draft, agreed by {by}, {} of {} approvals",
                input.standing.agreed_by.len(),
                plan.approvals_needed
            ),
        };
        let paper = Paper {
            kind,
            title: match plan.way() {
                Way::Forward => format!("{} to build {}", plan.product, plan.target),
                Way::Removal => text::capital(&plan.goal()),
            },
            subtitle: format!(
                "Rollout {}, plan generation {}, made by {} on {}; times in {}",
                plan.rollout,
                plan.generation,
                plan.author,
                text::moment(plan.made_at, &input.zone),
                zone_name(&input.zone)
            ),
            short_state: if agreed { clean(&state, 60) } else { "draft".to_owned() },
            state,
            agreed,
            landscape: kind == "Project plan",
            plan: input.hash.to_string(),
            date: (date.year(), date.month(), date.day()),
            blocks: Vec::new(),
        };
        Self { paper, section: 0, part: 0 }
    }

    pub(crate) fn section(&mut self, title: &str) -> &mut Self {
        self.section += 1;
        self.part = 0;
        let number = self.section.to_string();
        self.push(Block::Section { number, text: title.to_owned(), level: 1 })
    }

    pub(crate) fn part(&mut self, title: &str) -> &mut Self {
        self.part += 1;
        let number = format!("{}.{}", self.section, self.part);
        self.push(Block::Section { number, text: clean(title, HEAD_CHARS_MAX), level: 2 })
    }

    pub(crate) fn text(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.push(Block::Text { text: clean(text.as_ref(), TEXT_CHARS_MAX) })
    }

    /// A read-me in Markdown, as far as people read it.
    pub(crate) fn readme(&mut self, text: &str) -> &mut Self {
        let kept: String = text.chars().take(TEXT_CHARS_MAX).collect();
        self.paper.blocks.extend(readme::blocks(&kept));
        self
    }

    pub(crate) fn note(&mut self, tone: Tone, text: impl AsRef<str>) -> &mut Self {
        self.push(Block::Note { tone, text: clean(text.as_ref(), TEXT_CHARS_MAX) })
    }

    pub(crate) fn facts(&mut self, facts: Vec<(&str, String)>) -> &mut Self {
        let facts = facts.into_iter().map(|(what, value)| (what.to_owned(), clean(&value, 400)));
        self.push(Block::Facts { facts: facts.collect() })
    }

    pub(crate) fn figures(&mut self, figures: Vec<(String, &str)>) -> &mut Self {
        let figures = figures.into_iter().map(|(value, what)| (value, what.to_owned())).collect();
        self.push(Block::Figures { figures })
    }

    pub(crate) fn list(&mut self, items: impl IntoIterator<Item = String>) -> &mut Self {
        let items = items.into_iter().map(|item| clean(&item, ITEM_CHARS_MAX)).collect();
        self.push(Block::List { items })
    }

    /// A table, or `empty` as a sentence when it has no rows.
    pub(crate) fn table(
        &mut self,
        columns: &[(&'static str, f64, Form)],
        rows: Vec<Vec<Cell>>,
        empty: &str,
    ) -> &mut Self {
        let columns = columns.iter().map(|&(head, share, form)| Column { head, share, form });
        self.push(Block::Table { columns: columns.collect(), rows, empty: empty.to_owned() })
    }

    /// A drawing as wide as the page.
    pub(crate) fn wide_drawing(&mut self, svg: String, caption: &str) -> &mut Self {
        self.push(Block::Drawing { svg, wide: true, caption: caption.to_owned() })
    }

    /// A drawing that a page across need not be filled with.
    pub(crate) fn drawing(&mut self, svg: String, caption: &str) -> &mut Self {
        self.push(Block::Drawing { svg, wide: false, caption: caption.to_owned() })
    }

    pub(crate) fn sign_off(&mut self, lines: Vec<SignLine>) -> &mut Self {
        self.push(Block::SignOff { lines })
    }

    pub(crate) fn page_break(&mut self) -> &mut Self {
        self.push(Block::PageBreak)
    }

    pub(crate) fn done(self) -> Paper {
        self.paper
    }

    fn push(&mut self, block: Block) -> &mut Self {
        self.paper.blocks.push(block);
        self
    }
}

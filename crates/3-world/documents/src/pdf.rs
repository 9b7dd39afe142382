//! Pages, set by typst.

mod letters;
mod pages;
mod world;

use crate::certificate::{CertificateError, CertificateInput};
use crate::paper::{Block, Paper};
use pages::Pages;
use refit_names::{Coded, ErrorClass};
use typst::diag::SourceDiagnostic;
use typst::foundations::Smart;
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};
use world::{CERTIFICATE, DocumentWorld, PAPER, Template};

/// Compilations after which an unused part of typst's cache is dropped: shared parts of the certificates of one rollout
/// stay warm, and memory does not grow with every certificate.
const CACHE_AGE_MAX: usize = 5;

/// Why there are no pages.
#[derive(Debug, thiserror::Error)]
pub enum PdfError {
    /// The certificate itself cannot be written.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The typesetter refused.
    #[error("failed to {what} the pages of `{name}`: {found}")]
    Typeset {
        /// Set, or export.
        what: &'static str,
        /// The certificate.
        name: String,
        /// What typst says.
        found: String,
    },
}

impl Coded for PdfError {
    fn code(&self) -> &'static str {
        match self {
            Self::Certificate(error) => error.code(),
            Self::Typeset { .. } => "certificate.not-printable",
        }
    }
    fn class(&self) -> ErrorClass {
        ErrorClass::Permanent
    }
}

/// Sets the certificate as PDF/A-2b; drafts say that they are drafts.
///
/// Text with letters that the embedded fonts lack cannot be PDF/A: such a certificate becomes a plain PDF.
///
/// # Errors
/// [`PdfError`] when the typesetter refuses.
pub fn pdf(input: &CertificateInput) -> Result<Vec<u8>, PdfError> {
    let name = input.name();
    let pages = serde_json::to_vec(&Pages::of(input)?).map_err(CertificateError::Json)?;
    set(&CERTIFICATE, pages, &name)
}

/// Sets an approach document or a project plan as PDF/A-2b.
///
/// Letters that the embedded fonts lack stand as their numbers, and a note at the beginning says so.
///
/// # Errors
/// [`PdfError`] when the typesetter refuses.
pub fn paper_pdf(paper: &Paper) -> Result<Vec<u8>, PdfError> {
    let name = format!("{}: {}", paper.kind, paper.title);
    let wrong = |error: serde_json::Error| PdfError::Typeset {
        what: "write",
        name: name.clone(),
        found: error.to_string(),
    };
    let pages = serde_json::to_value(soft(paper)).map_err(wrong)?;
    let pages = serde_json::to_vec(&letters::readable(pages)).map_err(wrong)?;
    set(&PAPER, pages, &format!("{name}, plan {}", paper.plan))
}

/// Letters after which a long word in a cell may break: names of servers must not leave their column.
const WORD_CHARS_MAX: usize = 14;

/// The paper with places to break in the long words of its tables: pages are narrow, and no language breaks `srv-01.example.net`.
fn soft(paper: &Paper) -> Paper {
    let mut paper = paper.clone();
    for block in &mut paper.blocks {
        if let Block::Table { rows, .. } = block {
            rows.iter_mut().flatten().for_each(|cell| cell.text = breakable(&cell.text));
        }
    }
    paper
}

fn breakable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = 0;
    for c in text.chars() {
        out.push(c);
        run = if c.is_alphanumeric() { run + 1 } else { 0 };
        if matches!(c, '_' | '.' | '/' | '@') || run == WORD_CHARS_MAX {
            out.push('\u{200b}');
            run = 0;
        }
    }
    out
}

/// `name` tells documents apart: readers know a file by it again.
fn set(template: &'static Template, data: Vec<u8>, name: &str) -> Result<Vec<u8>, PdfError> {
    let world = DocumentWorld::new(template, data);
    let wrong = |what| {
        move |errors: Vec<SourceDiagnostic>| {
            let lines: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
            PdfError::Typeset { what, name: name.to_owned(), found: lines.join("; ") }
        }
    };
    let compiled = typst::compile::<PagedDocument>(&world).output;
    typst::comemo::evict(CACHE_AGE_MAX);
    let document = compiled.map_err(|errors| wrong("set")(errors.into_iter().collect()))?;
    let options = |standards| PdfOptions {
        ident: Smart::Custom(name.to_owned()),
        creator: Smart::Custom(Some("Refit".to_owned())),
        standards,
        // PDF/A-2b asks for no tags; without them the files are half as large.
        tagged: false,
        ..PdfOptions::default()
    };
    let archival = PdfStandards::new(&[PdfStandard::A_2b]).unwrap_or_default();
    typst_pdf::pdf(&document, &options(archival))
        .or_else(|_| typst_pdf::pdf(&document, &options(PdfStandards::default())))
        .map_err(|errors| wrong("export")(errors.into_iter().collect()))
}

//! What typst sees: one source, one data file, the embedded fonts. No files, no network, no clock.

use std::sync::LazyLock;
use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};
use typst_kit::fonts::FontStore;

/// What all documents share; built once, because fonts and standard library are the slow part.
struct Shared {
    library: LazyHash<Library>,
    fonts: FontStore,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let mut fonts = FontStore::new();
    fonts.extend(typst_kit::fonts::embedded());
    Shared { library: LazyHash::new(Library::default()), fonts }
});

/// Whether one of the embedded fonts has a letter. What is not drawn has none and needs none.
pub(super) fn has_letter(letter: char) -> bool {
    let fonts = SHARED.fonts.book();
    letter.is_ascii()
        || letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{feff}')
        || (0..)
            .map_while(|font| fonts.info(font))
            .any(|font| font.coverage.contains(letter.into()))
}

/// A source with the name under which it reads its data.
pub(super) struct Template {
    main: Source,
    data: FileId,
}

/// The pages of a certificate.
pub(super) static CERTIFICATE: LazyLock<Template> = LazyLock::new(|| Template {
    main: Source::new(file("/certificate.typ"), include_str!("certificate.typ").to_owned()),
    data: file("/certificate.json"),
});

/// The pages of an approach document or a project plan.
pub(super) static PAPER: LazyLock<Template> = LazyLock::new(|| Template {
    main: Source::new(file("/paper.typ"), include_str!("paper.typ").to_owned()),
    data: file("/paper.json"),
});

/// # Panics
/// Never for the names above: all are plain.
fn file(path: &'static str) -> FileId {
    let path = VirtualPath::new(path).unwrap_or_else(|_| unreachable!("{path} is a plain name"));
    RootedPath::new(VirtualRoot::Project, path).intern()
}

/// The world of one document.
pub(super) struct DocumentWorld {
    template: &'static Template,
    data: Bytes,
}

impl DocumentWorld {
    /// Holds the data that the source reads.
    pub(super) fn new(template: &'static Template, data: Vec<u8>) -> Self {
        Self { template, data: Bytes::new(data) }
    }
}

impl World for DocumentWorld {
    fn library(&self) -> &LazyHash<Library> {
        &SHARED.library
    }
    fn book(&self) -> &LazyHash<FontBook> {
        SHARED.fonts.book()
    }
    fn main(&self) -> FileId {
        self.template.main.id()
    }
    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.template.main.id() {
            Ok(self.template.main.clone())
        } else {
            Err(FileError::AccessDenied)
        }
    }
    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == self.template.data { Ok(self.data.clone()) } else { Err(FileError::AccessDenied) }
    }
    fn font(&self, index: usize) -> Option<Font> {
        SHARED.fonts.font(index)
    }
    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}

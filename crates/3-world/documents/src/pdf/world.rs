//! What typst sees: one source, one data file, the embedded fonts. No files, no network, no clock.

use std::sync::LazyLock;
use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World};
use typst_kit::fonts::FontStore;

/// What all certificates share; built once, because fonts and standard library are the slow part.
struct Shared {
    library: LazyHash<Library>,
    fonts: FontStore,
    main: Source,
    data: FileId,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let mut fonts = FontStore::new();
    fonts.extend(typst_kit::fonts::embedded());
    Shared {
        library: LazyHash::new(Library::default()),
        fonts,
        main: Source::new(file("/certificate.typ"), include_str!("certificate.typ").to_owned()),
        data: file("/certificate.json"),
    }
});

/// # Panics
/// Never for the two names above: both are plain.
fn file(path: &'static str) -> FileId {
    let path = VirtualPath::new(path).unwrap_or_else(|_| unreachable!("{path} is a plain name"));
    RootedPath::new(VirtualRoot::Project, path).intern()
}

/// The world of one certificate.
pub(super) struct CertificateWorld {
    pages: Bytes,
}

impl CertificateWorld {
    /// Holds the data that the source reads.
    pub(super) fn new(pages: Vec<u8>) -> Self {
        Self { pages: Bytes::new(pages) }
    }
}

impl World for CertificateWorld {
    fn library(&self) -> &LazyHash<Library> {
        &SHARED.library
    }
    fn book(&self) -> &LazyHash<FontBook> {
        SHARED.fonts.book()
    }
    fn main(&self) -> FileId {
        SHARED.main.id()
    }
    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == SHARED.main.id() { Ok(SHARED.main.clone()) } else { Err(FileError::AccessDenied) }
    }
    fn file(&self, id: FileId) -> FileResult<Bytes> {
        if id == SHARED.data { Ok(self.pages.clone()) } else { Err(FileError::AccessDenied) }
    }
    fn font(&self, index: usize) -> Option<Font> {
        SHARED.fonts.font(index)
    }
    fn today(&self, _offset: Option<Duration>) -> Option<Datetime> {
        None
    }
}

//! builds and signs packs and repositories.

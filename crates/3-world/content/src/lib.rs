//! Content-addressed bytes: what a host must fetch, resumable and verified, and the trees that are built from it.

pub mod chunking;

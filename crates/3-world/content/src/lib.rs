//! content-addressed bytes: chunks, resumable verified fetch.

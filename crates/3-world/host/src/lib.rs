//! all that touches a managed machine; journal on disk.

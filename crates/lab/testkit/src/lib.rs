//! builders and fakes for tests.

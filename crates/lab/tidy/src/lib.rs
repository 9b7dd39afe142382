//! house rules as tests.

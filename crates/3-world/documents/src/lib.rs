//! certificates and reports as PDF and signed JSON.

//! host agent: sync, journal, run steps, report.

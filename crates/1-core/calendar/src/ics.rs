//! iCalendar (RFC 5545): events out, windows in.
//!
//! Our own reader, because a fault must name its line and property, and because libraries forgive what a window must not.

mod lines;
mod read;
mod value;
mod write;

pub use read::{IcsError, IcsErrors, read};
pub use write::{Event, write};

//! The only module that prints: progress on standard error, the last line on standard output.

use std::{
    io::{self, Write as _},
    sync::OnceLock,
    time::Instant,
};

static STARTED: OnceLock<Instant> = OnceLock::new();

/// A line of progress with the seconds since the first one.
pub(crate) fn say(text: &str) {
    let seconds = STARTED.get_or_init(Instant::now).elapsed().as_secs_f32();
    // Nothing is left to do when standard error is closed.
    let _ = writeln!(io::stderr(), "lab {seconds:6.1} s  {text}");
}

/// The result.
pub(crate) fn result(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

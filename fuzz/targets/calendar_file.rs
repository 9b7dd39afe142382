//! Windows out of a calendar file, and their next openings.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(windows) = refit_calendar::ics::read(&text, "Europe/Berlin") {
        open(windows);
    }
});

fn open(windows: Vec<refit_calendar::Window>) {
    let names: Vec<_> = windows.iter().map(|window| window.name.clone()).take(4).collect();
    let Ok(calendar) = refit_calendar::Calendar::new(windows, Vec::new()) else { return };
    let from: jiff::Timestamp = "2026-03-29T00:30:00Z".parse().expect("a moment");
    let until = from + jiff::SignedDuration::from_hours(24 * 40);
    for name in names {
        for opening in calendar.openings_unfrozen(&name, from, until).unwrap_or_default() {
            assert!(opening.opens_at < opening.closes_at);
        }
    }
}

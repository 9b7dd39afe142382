//! iCalendar (RFC 5545): a feed of events out, windows in.

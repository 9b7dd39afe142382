//! Ports for services under test, which are stopped and started again.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range that Linux takes for outgoing connections: nobody else gets one of them while its service is down.
const PORTS: Range<u16> = 12_000..32_000;
/// Apart enough that programs with neighbouring process ids do not meet.
const APART: u32 = 37;

/// A port on loopback that nobody listens on, each once.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let length = PORTS.end - PORTS.start;
    let start = std::process::id().wrapping_mul(APART) % u32::from(length);
    let start = u16::try_from(start).unwrap_or_default();
    for _ in PORTS {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % length;
        let port = PORTS.start + (start + next) % length;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port from {} to {} is free", PORTS.start, PORTS.end);
}

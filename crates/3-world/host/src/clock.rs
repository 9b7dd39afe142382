//! How far this host's clock is off: by a time server, or by what the host's own time service says.

use crate::{command::Run, error::StepError};
use jiff::{SignedDuration, Timestamp};
use std::{
    net::{ToSocketAddrs, UdpSocket},
    time::{Duration, Instant},
};

/// Seconds from the beginning of NTP's time to that of Unix.
const NTP_UNIX: i64 = 2_208_988_800;
const NTP_PORT: u16 = 123;
const PACKET: usize = 48;
/// Version 4, client.
const ASK: u8 = 0b00_100_011;
/// A server that is not synchronised itself says so with this stratum.
const STRATUM_MAX: u8 = 15;
/// A local service answers at once.
const TALK_LIMIT: Duration = Duration::from_secs(10);

/// What is known of the clock.
pub(crate) struct Offset {
    /// How far it is ahead; none when only its being in step is known.
    pub(crate) ahead: Option<SignedDuration>,
    /// Whether a time service keeps it; none when a server was asked.
    pub(crate) kept: Option<bool>,
    /// Who says so.
    pub(crate) source: String,
}

/// Asks a time server: how far `now` is ahead of it, less half the way.
pub(crate) fn ask_server(
    server: &str,
    now: impl Fn() -> Timestamp,
    limit: Duration,
) -> Result<Offset, StepError> {
    let failed = |found: String| StepError::Probe {
        target: format!("time server {server}"),
        expected: "an answer over NTP".to_owned(),
        found,
    };
    let io = |error: std::io::Error| failed(error.to_string());
    let named = server.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
    });
    let target = if named { server.to_owned() } else { format!("{server}:{NTP_PORT}") };
    let address = target.to_socket_addrs().map_err(io)?.next();
    let address = address.ok_or_else(|| failed("no address".to_owned()))?;
    let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(own).map_err(io)?;
    socket.connect(address).map_err(io)?;
    socket.set_read_timeout(Some(limit.max(Duration::from_millis(1)))).map_err(io)?;
    let mut packet = [0_u8; PACKET];
    packet[0] = ASK;
    let (sent, begun) = (now(), Instant::now());
    // The server sends this back: an answer to another question is not taken.
    let mark = ntp(sent);
    packet[40..48].copy_from_slice(&mark);
    socket.send(&packet).map_err(io)?;
    let count = socket.recv(&mut packet).map_err(io)?;
    let way = SignedDuration::try_from(begun.elapsed()).unwrap_or(SignedDuration::ZERO);
    let stratum = packet[1];
    if count < PACKET || packet[24..32] != mark || !(1..=STRATUM_MAX).contains(&stratum) {
        return Err(failed(format!(
            "{count} bytes of stratum {stratum}, no answer to what was asked"
        )));
    }
    let their = from_ntp(&packet[40..48]).ok_or_else(|| failed("an impossible time".to_owned()))?;
    let ahead = (sent + way / 2).duration_since(their);
    Ok(Offset { ahead: Some(ahead), kept: None, source: format!("time server {server}") })
}

fn ntp(at: Timestamp) -> [u8; 8] {
    let seconds = u32::try_from((at.as_second() + NTP_UNIX) & i64::from(u32::MAX)).unwrap_or(0);
    let part = (i64::from(at.subsec_nanosecond()).max(0) << 32) / 1_000_000_000;
    let part = u32::try_from(part).unwrap_or(u32::MAX);
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&seconds.to_be_bytes());
    bytes[4..].copy_from_slice(&part.to_be_bytes());
    bytes
}

fn from_ntp(bytes: &[u8]) -> Option<Timestamp> {
    let seconds = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    let part = u32::from_be_bytes(bytes.get(4..8)?.try_into().ok()?);
    // The counter began anew in 2036: what is below the middle belongs to the second round.
    let round = if seconds < 1 << 31 { 1_i64 << 32 } else { 0 };
    let nanoseconds = (i64::from(part) * 1_000_000_000) >> 32;
    Timestamp::new(i64::from(seconds) + round - NTP_UNIX, i32::try_from(nanoseconds).ok()?).ok()
}

/// What the host's own time service says: chrony's measurement, else systemd's word.
pub(crate) fn ask_host() -> Result<Offset, StepError> {
    let run = |words: &[&str]| Run::of_host(words).succeed(TALK_LIMIT);
    if refit_backup::find_tool("chronyc").is_some()
        && let Ok(text) = run(&["chronyc", "-c", "tracking"])
        && let Some(offset) = chrony(&text)
    {
        return Ok(offset);
    }
    let text = run(&["timedatectl", "show", "--property=NTPSynchronized", "--value"])?;
    let kept = text.trim() == "yes";
    Ok(Offset { ahead: None, kept: Some(kept), source: "timedatectl".to_owned() })
}

/// The fields of chrony's tracking report: stratum is the third, how far the clock is off the fifth, in seconds.
fn chrony(text: &str) -> Option<Offset> {
    let fields: Vec<&str> = text.trim().split(',').collect();
    let stratum: u8 = fields.get(2)?.parse().ok()?;
    let seconds: f64 = fields.get(4)?.parse().ok()?;
    let ahead = SignedDuration::try_from_secs_f64(-seconds).ok()?;
    Some(Offset { ahead: Some(ahead), kept: Some(stratum > 0), source: "chrony".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// A time server whose clock is `late` behind `now`.
    fn serve(now: Timestamp, late: SignedDuration, stratum: u8) -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        thread::spawn(move || {
            let mut packet = [0; PACKET];
            let (_, from) = socket.recv_from(&mut packet).unwrap();
            packet.copy_within(40..48, 24);
            (packet[0], packet[1]) = (0b00_100_100, stratum);
            packet[40..48].copy_from_slice(&ntp(now - late));
            socket.send_to(&packet, from).unwrap();
        });
        port
    }

    #[test]
    fn a_clock_that_is_ahead_is_measured() {
        let now: Timestamp = "2026-01-02T03:04:05.25Z".parse().unwrap();
        for late in [SignedDuration::from_secs(90), SignedDuration::from_secs(-3600)] {
            let port = serve(now, late, 2);
            let found = ask_server(&format!("127.0.0.1:{port}"), || now, TALK_LIMIT).unwrap();
            let off = found.ahead.unwrap() - late;
            assert!(off.abs() < SignedDuration::from_secs(5), "{off:?}");
        }
    }

    #[test]
    fn a_server_that_does_not_know_the_time_is_refused() {
        let port = serve(Timestamp::now(), SignedDuration::ZERO, 0);
        let found = ask_server(&format!("127.0.0.1:{port}"), Timestamp::now, TALK_LIMIT);
        assert!(matches!(found, Err(StepError::Probe { .. })));
    }

    #[test]
    fn chrony_is_read() {
        let text = "A29FC801,203.0.113.1,3,1700000000.1,0.250,0.000002,0.00003,-8.6,0.0,0.1,0.04,0.001,64.2,Normal\n";
        let found = chrony(text).unwrap();
        assert_eq!(found.ahead, Some(SignedDuration::from_millis(-250)));
        assert_eq!(found.kept, Some(true));
        assert!(chrony("506 Cannot talk to daemon").is_none());
    }
}

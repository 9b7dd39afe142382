//! The lab's own network: a bridge that leads nowhere else.

use crate::process::{done, run};
use anyhow::{Result, bail};
use std::{net::Ipv4Addr, path::Path, process::Command, time::Duration};

/// The bridge on this machine.
pub(crate) const BRIDGE: &str = "rflab0";
/// This machine's address on it; the control server listens there.
pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 213, 77, 1);
/// Bits of the network's prefix.
pub(crate) const PREFIX: u8 = 24;

const LIMIT: Duration = Duration::from_secs(10);

/// Makes the bridge; a bridge of this name that the lab did not make is an error.
pub(crate) fn up() -> Result<()> {
    if is_up() {
        bail!(
            "there is a network interface {BRIDGE} already: `refit-lab down` removes one that an earlier lab left"
        );
    }
    ip(&["link", "add", BRIDGE, "type", "bridge"])?;
    ip(&["address", "add", &format!("{OUTSIDE}/{PREFIX}"), "dev", BRIDGE])?;
    ip(&["link", "set", BRIDGE, "up"])
}

/// Removes the bridge, if it is there.
pub(crate) fn down() -> Result<()> {
    if is_up() { ip(&["link", "delete", BRIDGE]) } else { Ok(()) }
}

fn is_up() -> bool {
    Path::new("/sys/class/net").join(BRIDGE).exists()
}

fn ip(words: &[&str]) -> Result<()> {
    done(Command::new("ip").args(words), LIMIT).map(drop)
}

/// Status and body of a GET from this machine, or none while nobody answers.
pub(crate) fn get(address: Ipv4Addr, port: u16, path: &str) -> Result<Option<(u16, String)>> {
    let url = format!("http://{address}:{port}{path}");
    let said = run(
        Command::new("curl").args([
            "--silent",
            "--noproxy",
            "*",
            "--max-time",
            "8",
            "--write-out",
            "\n%{http_code}",
            &url,
        ]),
        LIMIT,
    )?;
    if !said.status.success() {
        return Ok(None);
    }
    let (body, status) = said.stdout.rsplit_once('\n').unwrap_or(("", &said.stdout));
    Ok(Some((status.trim().parse()?, body.to_owned())))
}

//! Who listens on which TCP port of this host.

use crate::{error::StepError, leftovers, process::Found};
use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};
use std::{collections::BTreeSet, io, path::Path};

/// Whether somebody listens on a port, and who, as far as this process may see.
pub(crate) struct Listener {
    pub(crate) listens: bool,
    pub(crate) holders: Vec<Found>,
}

pub(crate) fn listener(port: u16) -> Result<Listener, StepError> {
    let unread = |what: &'static str| {
        move |error: procfs::ProcError| {
            StepError::io("read", Path::new(what))(io::Error::other(error.to_string()))
        }
    };
    // A host without IPv6 has no such table.
    let six = Path::new("/proc/net/tcp6");
    let mut all: Vec<TcpNetEntry> = tcp().map_err(unread("/proc/net/tcp"))?;
    if six.exists() {
        all.extend(tcp6().map_err(unread("/proc/net/tcp6"))?);
    }
    let open = all
        .iter()
        .filter(|socket| socket.state == TcpState::Listen && socket.local_address.port() == port);
    let inodes: BTreeSet<u64> = open.map(|socket| socket.inode).collect();
    let holders = if inodes.is_empty() { vec![] } else { leftovers::with_sockets(&inodes)? };
    Ok(Listener { listens: !inodes.is_empty(), holders })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn whoever_listens_is_named() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let found = listener(port).unwrap();
        assert!(found.listens);
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(found.holders.iter().any(|holder| holder.pid == own), "{:?}", found.holders);
        drop(socket);
        assert!(!listener(port).unwrap().listens);
    }
}

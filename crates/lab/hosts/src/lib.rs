//! the lab of real Debian hosts.

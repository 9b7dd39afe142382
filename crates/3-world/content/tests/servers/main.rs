//! Servers that lie and processes that are killed: real sockets, real signals.

mod killed;
mod lies;
mod limits;
mod shelf;

//! The server as its clients meet it: real TLS, real repository, real store; agents that only talk.

mod access;
mod agent;
mod doors;
mod fleet;
mod hostile;
mod papers;
mod planning;
mod receiver;
mod stage;
mod updates;
mod walk;
mod windows;

//! control server: api, tasks, wiring.

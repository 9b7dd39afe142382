//! Plans with times: each rule by a small fleet, all of them together by random ones.

mod coexistence;
mod demands;
mod fleet;
mod optimum;
mod random;
mod replan;
mod rules;
mod staff;

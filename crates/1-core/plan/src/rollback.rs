//! The way back of a wave, planned like the way there.

use crate::{Excluded, Slot};
use jiff::Timestamp;
use refit_names::{BuildId, HostName, ProductName, RolloutName, WaveName};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// How the hosts of one wave come back: in reverse order, in their windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackPlan {
    /// The campaign.
    pub rollout: RolloutName,
    /// What goes back.
    pub product: ProductName,
    /// The wave.
    pub wave: WaveName,
    /// When this was planned.
    pub made_at: Timestamp,
    /// Who was changed last comes first.
    pub hosts: Vec<RollbackHost>,
    /// Hosts of the wave with no way or no time, with the reason.
    pub left_out: Vec<Excluded>,
    /// When the last one is back; none when none has a time.
    pub ends_at: Option<Timestamp>,
}

/// One host on its way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackHost {
    /// Its name.
    pub host: HostName,
    /// The build that it leaves.
    pub from: BuildId,
    /// The build that it goes back to.
    pub to: BuildId,
    /// Nineteen of twenty such hosts are back after this many milliseconds.
    pub undo_p95_ms: u64,
    /// When and by whom; none: at any time.
    pub slot: Option<Slot>,
    /// Who carries it out.
    pub way: ReturnWay,
    /// The sealed backup of `to` that its order took, as its agent names it; none: it has told of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<String>,
}

/// Who brings a host back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReturnWay {
    /// Its agent, by itself, as soon as a step of its order fails.
    ByItself,
    /// A person, who has its agent restore the sealed backup that its order took: nothing does it by itself once a host has ended well.
    ByPerson,
    /// It was not changed yet: nothing is to be done unless it starts.
    NotChanged,
}

impl RollbackPlan {
    /// The plan as text.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = format!("way back of {} of rollout {}", self.wave, self.rollout);
        if let Some(end) = self.ends_at {
            // Writing to a text cannot fail.
            let _ = write!(text, ", ends at {end}");
        }
        let width = self.hosts.iter().map(|host| host.host.as_str().len()).max().unwrap_or(0);
        for host in &self.hosts {
            let when = host.slot.as_ref().map_or_else(|| "at any time".to_owned(), Slot::to_string);
            let way = match (host.way, &host.backup) {
                (ReturnWay::ByItself, _) => "by its agent if a step fails".to_owned(),
                (ReturnWay::ByPerson, Some(backup)) => {
                    format!("`refit backup restore {} {} {backup}`", host.host, self.product)
                }
                (ReturnWay::ByPerson, None) => {
                    "by a person: its agent has told of no backup".to_owned()
                }
                (ReturnWay::NotChanged, _) => "not changed yet".to_owned(),
            };
            let _ = write!(
                text,
                "\n  {:<width$}  {} → {}  back in {}  {when}; {way}",
                host.host,
                host.from,
                host.to,
                refit_names::span(host.undo_p95_ms)
            );
        }
        for host in &self.left_out {
            let _ = write!(text, "\n  {}: {}", host.host, host.because);
        }
        text
    }
}

//! The notebook of a planner: scripts with a fleet and questions, and what Refit answered, kept as text.
//!
//! Here: the language of the scripts, model fleets of any size. Deliberately not here: any planning.
//! Called by: its tests, bench.
//!
//! Invariants:
//! 1. The same script gives the same transcript, to the byte.
//! 2. Every plan in a transcript passed through the second judge; what it found stands in the transcript.
//!
//! A script has one command a line: a verb, a name where it has one, then `key=value` pairs; `#` begins a comment.
//!
//! | command | what it does |
//! |---|---|
//! | `now MOMENT` | sets the clock |
//! | `pack TO from=A,B p50=MIN p95=MIN undo=MIN` | publishes a pack |
//! | `window NAME zone=Z class=C starts=LOCAL minutes=N rule=RRULE` | defines a window |
//! | `freeze NAME from=MOMENT until=MOMENT`, `thaw NAME` | freezes everything; ends that |
//! | `site NAME zone=Z down=N line=BYTES` | limits of a site; bytes per second |
//! | `cluster NAME down=N order=A,B` | limits of a cluster |
//! | `engineer NAME hosts=N skills=A,B sites=A,B windows=A,B` | a person |
//! | `host NAME …`, `hosts PREFIX count=N …` | `site= role= build= risk= windows= class= tier= cluster= after=` |
//! | `waves shares=5,25,70 soak=HOURS parallel=N validation=MIN` | the shape |
//! | `history ROLE to=BUILD runs=N p50=MIN p95=MIN` | what finished runs took |
//! | `pin HOST on=DAY`, `pin HOST at=MOMENT`, `unpin HOST` | pins |
//! | `emergency REASON`, `calm` | freezes do not count; they do again |
//! | `plan`, `summary` | makes a plan; the second shows waves without hosts |
//! | `fits? MOMENT` | whether a plan can end by then; nothing is kept |
//! | `begun HOST …`, `replan` | hosts have run; a plan that replaces the last, and what it changes |
//! | `why HOST`, `rollback WAVE` | about the last plan |

mod book;
pub mod fleets;
mod line;
pub mod model;

pub use book::Book;
pub use line::{BadLine, Line};

/// Runs a script; what it printed. A line that is not understood ends it, with its number.
///
/// # Errors
/// [`BadLine`] with the line's number.
pub fn run(script: &str) -> Result<String, BadLine> {
    let mut book = Book::default();
    let mut transcript = String::new();
    for (number, text) in (1..).zip(script.lines()) {
        transcript.push_str(text);
        transcript.push('\n');
        let text = text.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        let answer = book.tell(&Line::parse(number, text)?)?;
        for line in answer.lines() {
            transcript.push_str("    ");
            transcript.push_str(line);
            transcript.push('\n');
        }
    }
    Ok(transcript.lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n")
}

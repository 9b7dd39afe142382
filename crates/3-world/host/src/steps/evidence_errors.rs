//! `evidence.errors`: counts errors in journal and log files; later looks of the same name tell how many more there are, and which are new.

use super::Look;
use crate::{
    context::Context,
    error::StepError,
    finding::{Finding, judge},
    places,
    system_journal::{self, Errors, kind},
};
use jiff::{SignedDuration, Timestamp};
use refit_names::Digest;
use refit_packs::runbook::{EvidenceErrors, StepKind};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// Where the first look is kept.
const SEEN: &str = "seen";
/// Kinds of messages that the first look keeps.
const KINDS_MAX: usize = 500;
/// Kinds that a note names.
const NAMED_MAX: usize = 5;
/// Of a log that grew by more, the end is read.
const READ_BYTES_MAX: u64 = 32 << 20;
/// What tells a log that grew from one that was written anew: its last bytes at the first look.
const MARK_BYTES: u64 = 512;

pub(super) struct EvidenceErrorsOf<'a>(pub(super) &'a EvidenceErrors);

/// What the first look saw.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    at: Timestamp,
    count: u64,
    kinds: BTreeMap<String, u64>,
    files: BTreeMap<String, Mark>,
}

/// How far a log file had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    length: u64,
    end: Digest,
}

impl Look for EvidenceErrorsOf<'_> {
    fn look(&self, context: &Context<'_>) -> Result<String, StepError> {
        let name = &self.0.name;
        let first = context.first_of(
            |kind| matches!(kind, StepKind::EvidenceErrors(terms) if terms.name == *name),
        );
        let kept = match first.filter(|first| **first != context.step.id) {
            None => return self.first(context),
            Some(first) => context.recall_of(first, SEEN)?,
        };
        match kept {
            Some(text) => self.later(context, &serde_json::from_str(&text)?),
            None => Ok("nothing to compare with: the first look failed".to_owned()),
        }
    }
}

impl EvidenceErrorsOf<'_> {
    fn period(&self) -> SignedDuration {
        SignedDuration::from_millis(i64::try_from(self.0.period_ms).unwrap_or(i64::MAX))
    }

    fn journal(&self, context: &Context<'_>, since: Timestamp) -> Result<Errors, StepError> {
        if !self.0.system {
            return Ok(Errors::default());
        }
        let scratch = context.evidence()?.join("journal.json");
        system_journal::errors_since(since, &self.0.units, &scratch, context.limit())
    }

    fn first(&self, context: &Context<'_>) -> Result<String, StepError> {
        let at = context.clock.now();
        let Errors { count, kinds } = self.journal(context, at - self.period())?;
        let mut files = BTreeMap::new();
        for file in places::files(context, &self.0.files)? {
            files.insert(file.display().to_string(), mark(&file)?);
        }
        let kinds = kinds.into_iter().take(KINDS_MAX).collect();
        let (logs, seen) = (files.len(), Seen { at, count, kinds, files });
        context.remember(SEEN, &serde_json::to_string(&seen)?)?;
        let span = refit_names::span(self.0.period_ms);
        Ok(format!("{count} errors in the journal in the last {span}; {logs} log files marked"))
    }

    fn later(&self, context: &Context<'_>, seen: &Seen) -> Result<String, StepError> {
        let now = context.clock.now();
        let since = seen.at.max(now - self.period()).min(now);
        let mut errors = self.journal(context, since)?;
        for file in places::files(context, &self.0.files)? {
            let (count, kinds) =
                self.appended(&file, seen.files.get(&file.display().to_string()))?;
            errors.count += count;
            for (kind, times) in kinds {
                *errors.kinds.entry(kind).or_default() += times;
            }
        }
        let new: Vec<String> = (errors.kinds.iter())
            .filter(|(kind, _)| !seen.kinds.contains_key(*kind))
            .take(NAMED_MAX)
            .map(|(kind, times)| format!("{times} × `{}`", context.redacted(kind)))
            .collect();
        let mut found = format!("{} since {since}", errors.count);
        if !new.is_empty() {
            found = format!("{found}, new: {}", new.join(", "));
        }
        let limit = seen.count.saturating_add(self.0.allow);
        let finding = Finding::new(
            format!("errors `{}`", self.0.name),
            found,
            format!("at most {limit}, {} before and {} allowed", seen.count, self.0.allow),
        );
        let remedy = "read the named messages in the journal and the log files";
        judge(&[finding.judged(errors.count <= limit, remedy)])
    }

    /// Error lines that a file got since the first look; all when it was written anew or is new.
    fn appended(
        &self,
        file: &Path,
        before: Option<&Mark>,
    ) -> Result<(u64, BTreeMap<String, u64>), StepError> {
        let from = match before {
            Some(before) if same_beginning(file, before)? => before.length,
            _ => 0,
        };
        let read = || -> std::io::Result<String> {
            let mut open = File::open(file)?;
            let length = open.metadata()?.len();
            open.seek(SeekFrom::Start(from.max(length.saturating_sub(READ_BYTES_MAX))))?;
            let mut bytes = vec![];
            open.take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = read().map_err(StepError::io("read", file))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (mut count, mut kinds) = (0, BTreeMap::new());
        for line in text.lines() {
            let low = line.to_lowercase();
            if self.0.words.iter().any(|word| low.contains(&word.to_lowercase())) {
                count += 1;
                *kinds.entry(kind(&format!("{name}: {line}"))).or_default() += 1;
            }
        }
        Ok((count, kinds))
    }
}

fn mark(file: &Path) -> Result<Mark, StepError> {
    let length = fs::metadata(file).map_err(StepError::io("look at", file))?.len();
    Ok(Mark { length, end: end_at(file, length)? })
}

/// Digest of the bytes before `length`.
fn end_at(file: &Path, length: u64) -> Result<Digest, StepError> {
    let from = length.saturating_sub(MARK_BYTES);
    let read = || -> std::io::Result<Vec<u8>> {
        let mut open = File::open(file)?;
        open.seek(SeekFrom::Start(from))?;
        let mut bytes = vec![];
        open.take(length - from).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    Ok(Digest::of(&read().map_err(StepError::io("read", file))?))
}

fn same_beginning(file: &Path, before: &Mark) -> Result<bool, StepError> {
    let length = fs::metadata(file).map_err(StepError::io("look at", file))?.len();
    Ok(length >= before.length && end_at(file, before.length)? == before.end)
}

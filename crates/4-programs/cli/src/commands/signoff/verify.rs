//! `refit signoff verify`.

use crate::{CliError, Exit, context::Context, context::text};
use refit_documents::{ENVELOPE_BYTES_MAX, Verified, VerifyError};
use refit_journal::OrderOutcome;
use refit_names::{Coded as _, Digest, chain};
use serde::Serialize;
use std::{fs::File, io::Read as _, path::Path};

/// What is printed about a certificate that holds.
#[derive(Serialize)]
struct Holds<'a> {
    verified: bool,
    name: &'a str,
    subject: &'a str,
    evidence: Digest,
    key: Digest,
    certificate: &'a refit_documents::CertificateInput,
}

/// Runs it: no server, no clock, two files.
pub(super) fn run(context: &Context, file: &Path, key: &Path) -> Result<Exit, CliError> {
    let envelope = read(file)?;
    let found =
        refit_documents::verify(&envelope, &text(key)?).map_err(|error| refused(file, &error))?;
    let holds = Holds {
        verified: true,
        name: &found.name,
        subject: &found.subject,
        evidence: found.evidence,
        key: found.key,
        certificate: &found.certificate,
    };
    context.output.data(&holds, |_| people(&found))?;
    Ok(Exit::Done)
}

/// Whatever is wrong with a certificate or with the key that should open it: it does not hold.
pub(super) fn refused(file: &Path, error: &VerifyError) -> CliError {
    let text = format!("{} does not hold: {}", file.display(), chain(error));
    CliError::new(error.code(), Exit::NotVerified, text)
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, CliError> {
    let wrong = |source| CliError::io("read", file.display(), source);
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a file that is too large is refused as such and not read to its end.
    let limit = ENVELOPE_BYTES_MAX as u64 + 1;
    File::open(file).map_err(wrong)?.take(limit).read_to_end(&mut bytes).map_err(wrong)?;
    Ok(bytes)
}

fn people(found: &Verified) -> String {
    let evidence = &found.certificate.evidence;
    let run = &evidence.run;
    let outcome = match &evidence.outcome {
        OrderOutcome::Succeeded { build } => {
            format!("succeeded: build {build} runs, {} before", run.build_before)
        }
        OrderOutcome::RolledBack { build, refused, cause } => {
            format!("rolled back from {refused}: build {build} runs ({cause})")
        }
        OrderOutcome::NeedsPerson { cause } => {
            format!("needs a person ({cause})")
        }
    };
    let passed = run
        .tests
        .iter()
        .filter(|test| test.after.as_ref().is_some_and(|after| after.passed))
        .count();
    let mut lines = vec![
        format!("{} holds", found.name),
        format!("  certifies  {}", found.subject),
        format!("  outcome    {outcome}"),
        format!("  ran        {} to {}", run.started_at, run.finished_at),
        format!("  downtime   {} ms", run.downtime_ms),
        format!("  tests      {passed} of {} passed afterwards", run.tests.len()),
        format!(
            "  rollout    {}, generation {}, plan {}",
            evidence.rollout, evidence.generation, evidence.plan
        ),
        format!(
            "  journal    {} entries, head {}",
            evidence.journal.entries, evidence.journal.head
        ),
        format!("  evidence   {}", found.evidence),
        format!("  key        {}", found.key),
    ];
    for signature in &found.certificate.signatures {
        let remark = if signature.remark.is_empty() {
            String::new()
        } else {
            format!(": {}", signature.remark)
        };
        let party = signature.party.to_string();
        lines.push(format!(
            "  signed     {} as {party}, {}{remark}",
            signature.person, signature.at
        ));
    }
    lines.join("\n")
}

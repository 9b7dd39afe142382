//! `refit pack lint`: every fault of a folder, then advice.

use super::{FolderArgs, refused};
use crate::{CliError, Exit, context::Context};
use refit_forge::survey::survey;

/// Exit code 1 when there are faults, 0 when there is advice at most.
pub(super) fn lint(args: &FolderArgs, context: &Context) -> Result<Exit, CliError> {
    let found = survey(&args.folder).map_err(refused)?;
    context.output.data(&found, |found| {
        let faults =
            found.faults.iter().map(|fault| format!("fault   {fault}  [{}]\n", fault.code));
        let advice = found.advice.iter().map(|advice| format!("advice  {advice}\n"));
        faults.chain(advice).collect()
    })?;
    let (faults, advice) = (found.faults.len(), found.advice.len());
    let faults_word = if faults == 1 { "fault" } else { "faults" };
    let advice_word = if advice == 1 { "piece" } else { "pieces" };
    let folder = args.folder.display();
    context
        .output
        .say(&format!("{folder}: {faults} {faults_word}, {advice} {advice_word} of advice"));
    Ok(if faults == 0 { Exit::Done } else { Exit::Failed })
}

//! `refit pack lint`: every fault of a folder, then advice.

use super::{FolderArgs, refused};
use crate::{CliError, Exit, context::Context};
use refit_forge::survey::survey;
use refit_names::counted;

/// Exit code 1 when there are faults, 0 when there is advice at most.
pub(super) fn lint(args: &FolderArgs, context: &Context) -> Result<Exit, CliError> {
    let found = survey(&args.folder).map_err(refused)?;
    context.output.data(&found, |found| {
        let faults =
            found.faults.iter().map(|fault| format!("fault   {fault}  [{}]\n", fault.code));
        let advice = found.advice.iter().map(|advice| format!("advice  {advice}\n"));
        faults.chain(advice).collect()
    })?;
    let faults = counted(found.faults.len(), "fault");
    let pieces = counted(found.advice.len(), "piece");
    context.output.say(&format!("{}: {faults}, {pieces} of advice", args.folder.display()));
    Ok(if found.faults.is_empty() { Exit::Done } else { Exit::Failed })
}

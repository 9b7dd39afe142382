//! Windows in: one by one, or from a calendar file.

use super::lines;
use crate::{CliError, Exit, context::Context, span};
use clap::{Args, ValueEnum};
use jiff::civil::{Date, DateTime};
use refit_calendar::ics::IcsErrors;
use refit_names::{TimeClass, WindowName, counted};
use refit_plan::Window;
use refit_protocol::v1::{Existing, WindowsChanged, WindowsPut};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

/// A calendar of ten thousand events is smaller.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Arguments of `refit window add`.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Its name
    name: WindowName,
    /// IANA zone in which its times are meant
    #[arg(long)]
    zone: String,
    /// Local time at which it opens first, such as 2026-01-03T22:00; a rule counts from it
    #[arg(long, value_name = "TIME")]
    starts: DateTime,
    /// When it opens again: an RRULE such as FREQ=WEEKLY;BYDAY=SA
    #[arg(long)]
    rule: Option<String>,
    /// How long it stays open, in real time: 90m, 6h
    #[arg(long = "for", value_name = "LENGTH", value_parser = span::parse)]
    length: Duration,
    /// What kind of time that is
    #[arg(long)]
    class: Class,
    /// What people say about it
    #[arg(long, default_value = "")]
    about: String,
    /// Local day on which the rule does not open it; may be given more than once
    #[arg(long, value_name = "DATE")]
    except: Vec<Date>,
    /// Local time at which it opens besides; may be given more than once
    #[arg(long, value_name = "TIME")]
    extra: Vec<DateTime>,
    /// Replaces a window of the same name
    #[arg(long)]
    replace: bool,
    /// Judges and keeps nothing
    #[arg(long)]
    dry_run: bool,
}

/// Kinds of time by their names on the wire.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Class {
    /// While people are at work anyway
    WorkingHours,
    /// Evenings and nights of working days
    OutOfHours,
    /// Saturdays and Sundays
    Weekend,
}

impl From<Class> for TimeClass {
    fn from(class: Class) -> Self {
        match class {
            Class::WorkingHours => Self::WorkingHours,
            Class::OutOfHours => Self::OutOfHours,
            Class::Weekend => Self::Weekend,
        }
    }
}

pub(super) async fn run(args: AddArgs, context: &Context) -> Result<Exit, CliError> {
    let seconds = args.length.as_secs();
    if args.length.subsec_millis() != 0 || !seconds.is_multiple_of(60) {
        return Err(CliError::usage("--for is not whole minutes, expected such as 90m or 6h"));
    }
    let window = Window {
        name: args.name,
        about: args.about,
        zone: args.zone,
        starts: args.starts,
        rule: args.rule,
        minutes: u32::try_from(seconds / 60).unwrap_or(u32::MAX),
        class: args.class.into(),
        except: args.except.into_iter().collect(),
        extra: args.extra.into_iter().collect(),
    };
    put(vec![window], args.replace, args.dry_run, context).await
}

pub(super) async fn import(
    file: &Path,
    zone: &str,
    replace: bool,
    dry_run: bool,
    context: &Context,
) -> Result<Exit, CliError> {
    let text = text(file)?;
    let windows = refit_calendar::ics::read(&text, zone).map_err(|errors| told(file, &errors))?;
    put(windows, replace, dry_run, context).await
}

fn told(file: &Path, errors: &IcsErrors) -> CliError {
    let text = format!(
        "{} has {}, nothing was imported",
        file.display(),
        counted(errors.0.len(), "fault")
    );
    CliError::new("window.bad-calendar-file", Exit::Usage, text)
        .with_details(errors.0.iter().map(ToString::to_string).collect())
}

fn text(file: &Path) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let failed = |source| CliError::io("read", file.display(), source);
    if file.as_os_str() == "-" {
        std::io::stdin().take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let opened = std::fs::File::open(file).map_err(failed)?;
        opened.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
        let text =
            format!("{} is not UTF-8 from line {line} on, nothing was imported", file.display());
        CliError::new("window.bad-calendar-file", Exit::Usage, text)
    })
}

async fn put(
    windows: Vec<Window>,
    replace: bool,
    dry_run: bool,
    context: &Context,
) -> Result<Exit, CliError> {
    let existing = if replace { Existing::Replace } else { Existing::Refuse };
    let put = WindowsPut { windows, existing, dry_run };
    let done = context.api()?.put_windows(&put).await.map_err(lines)?;
    context.output.data(&done, changed)?;
    let pending = dry_run && !(done.added.is_empty() && done.replaced.is_empty());
    Ok(if pending { Exit::ChangesPending } else { Exit::Done })
}

fn changed(done: &WindowsChanged) -> String {
    let list = |verb: &str, names: &[WindowName]| {
        let names: Vec<&str> = names.iter().map(WindowName::as_str).collect();
        (!names.is_empty()).then(|| format!("{verb}: {}", names.join(", ")))
    };
    let all = [
        list("added", &done.added),
        list("replaced", &done.replaced),
        list("unchanged", &done.unchanged),
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

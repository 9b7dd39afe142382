//! Rules of one step by itself.

use super::super::{
    Command, EXIT_REBOOT_NEEDED, InPlace, PrintQueueProbe, Probe, Runbook, ShareProbe, SqlProbe,
    Step, StepKind, Value,
};
use crate::{manifest::capability_number, source::Breaks};

/// Words of a command, and bytes of one word: well below what the kernel takes.
const COMMAND_WORDS_MAX: usize = 256;
const COMMAND_WORD_BYTES_MAX: usize = 32 << 10;
/// More tries than this hide a defect.
const RETRIES_MAX: usize = 20;
/// A day: no window is longer.
const TIMEOUT_MS_MAX: u64 = 24 * 3_600_000;
/// What a program of Linux can end with.
const EXIT_CODE_MAX: u32 = 255;
/// Patterns of configuration files: each is held against each file.
const PATTERNS_MAX: usize = 200;

pub(super) fn check_step(runbook: &Runbook, step: &Step, field: &str, breaks: &mut Breaks) {
    breaks.at_most(step.retries as usize, RETRIES_MAX, &format!("{field}.retries"));
    breaks.ensure(
        (1..=TIMEOUT_MS_MAX).contains(&step.timeout_ms),
        &format!("{field}.timeout_ms"),
        format!("1 to {TIMEOUT_MS_MAX}"),
        || step.timeout_ms.to_string(),
    );
    let accept = format!("{field}.accept");
    breaks.ensure(!step.accept.is_empty(), &accept, "at least one exit code", || "none".to_owned());
    for code in step.accept.iter().filter(|code| **code > EXIT_CODE_MAX) {
        let expected = "exit codes from 0 to 255, or 3010";
        breaks.ensure(*code == EXIT_REBOOT_NEEDED, &accept, expected, || code.to_string());
    }
    let expects = step.expects.as_deref();
    breaks.ensure(
        expects.is_none_or(|text| !text.is_empty()),
        &format!("{field}.expects"),
        "a text",
        || "an empty one".to_owned(),
    );
    let field = format!("{field}.do");
    for command in step.kind.commands() {
        check_command(command, &field, breaks);
    }
    for probe in step.kind.probes() {
        check_probe(runbook, probe, &field, breaks);
    }
    for value in step.kind.values() {
        check_value(runbook, Some(value), &field, breaks);
    }
    for unit in step.kind.units() {
        let named =
            unit.split_once('.').is_some_and(|(name, kind)| !name.is_empty() && !kind.is_empty());
        let plain = !unit.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/');
        breaks.ensure(named && plain, &field, "a systemd unit such as `cron.service`", || {
            format!("`{unit}`")
        });
    }
    if let StepKind::Test { for_ms, .. } = step.kind {
        let expected = "a `for_ms` below the step's `timeout_ms`";
        breaks.ensure(for_ms < step.timeout_ms, &field, expected, || for_ms.to_string());
    }
    check_kind(&step.kind, &field, breaks);
}

/// What a kind asks beyond the shape of its fields.
fn check_kind(kind: &StepKind, field: &str, breaks: &mut Breaks) {
    let mut one = |there: bool, expected: &str| {
        breaks.ensure(there, field, expected, || "none".to_owned());
    };
    match kind {
        StepKind::CheckMemory(terms) => {
            one(terms.total.0 > 0 || terms.available.0 > 0, "`total` or `available`");
        }
        StepKind::CheckOs(terms) => {
            let sets = [&terms.os, &terms.release, &terms.arch, &terms.kernel];
            one(
                sets.iter().any(|set| !set.is_empty()),
                "at least one of `os`, `release`, `arch` and `kernel`",
            );
        }
        StepKind::CheckPrivilege(terms) => {
            one(!terms.privileges.is_empty(), "at least one privilege");
            for name in &terms.privileges {
                let known = name == "root" || capability_number(name).is_some();
                let expected = "`root` or a Linux capability such as `cap_net_admin`";
                breaks.ensure(known, field, expected, || format!("`{name}`"));
            }
        }
        StepKind::CheckPorts(terms) => {
            let both = terms.listening.len() + terms.free.len();
            one(both > 0, "at least one port under `listening` or `free`");
        }
        StepKind::ServiceHold(terms) => {
            one(!terms.units.is_empty() || !terms.commands.is_empty(), "at least one unit");
        }
        StepKind::ServiceDisable { units } | StepKind::ServiceEnable { units } => {
            one(!units.is_empty(), "at least one unit");
        }
        StepKind::EvidenceErrors(terms) => {
            one(terms.system || !terms.files.is_empty(), "`system` or at least one of `files`");
            one(!terms.words.is_empty(), "at least one word");
        }
        StepKind::EvidenceConfig(terms) => one(
            !terms.files.is_empty() || !terms.commands.is_empty(),
            "at least one of `files` or `commands`",
        ),
        StepKind::InstallInPlace(terms) => check_in_place(terms, field, breaks),
        StepKind::InstallPackages(terms) => {
            for path in &terms.also {
                check_place(path, "an absolute path without `..`", field, breaks);
            }
        }
        StepKind::MachineWait(terms) => {
            one(terms.for_ms > 0 || terms.until.is_some(), "`for_ms` or `until`");
        }
        _ => {}
    }
}

fn check_in_place(terms: &InPlace, field: &str, breaks: &mut Breaks) {
    if let Value::Text(into) = &terms.into {
        breaks.ensure(
            !into.is_empty() && !into.split('/').any(|part| part == ".."),
            field,
            "a folder without `..`",
            || format!("`{into}`"),
        );
    }
    breaks.at_most(terms.config.len(), PATTERNS_MAX, field);
    for pattern in &terms.config {
        let sound = pattern.split('/').all(|part| !matches!(part, "" | "." | ".." | "**"));
        let expected = "a pattern of a path such as `conf/*.ini`, without `**`";
        breaks.ensure(sound, field, expected, || format!("`{pattern}`"));
    }
}

fn check_place(path: &Value, expected: &str, field: &str, breaks: &mut Breaks) {
    let Value::Text(text) = path else { return };
    let sound = text.starts_with('/') && !text.split('/').any(|part| part == "..");
    breaks.ensure(sound, field, expected, || format!("`{text}`"));
}

fn check_command(command: &Command, field: &str, breaks: &mut Breaks) {
    let words = &command.0;
    let program = words.first().map_or("", String::as_str);
    breaks.ensure(!program.trim().is_empty(), field, "a command with a program", || {
        "an empty command".to_owned()
    });
    breaks.ensure(
        !program.split('/').any(|part| part == ".."),
        field,
        "a program without `..`",
        || format!("`{program}`"),
    );
    breaks.at_most(words.len(), COMMAND_WORDS_MAX, field);
    let longest = words.iter().map(String::len).max().unwrap_or(0);
    breaks.at_most(longest, COMMAND_WORD_BYTES_MAX, field);
    breaks.ensure(words.iter().all(|word| !word.contains('\0')), field, "words without NUL", || {
        "a NUL character".to_owned()
    })
}

fn check_probe(runbook: &Runbook, probe: &Probe, field: &str, breaks: &mut Breaks) {
    match probe {
        Probe::Command { run } => check_command(run, field, breaks),
        Probe::Tcp { port, host } => {
            check_value(runbook, Some(port), field, breaks);
            check_value(runbook, host.as_ref(), field, breaks)
        }
        Probe::Http { port, host, path, status, .. } => {
            check_value(runbook, Some(port), field, breaks);
            check_value(runbook, host.as_ref(), field, breaks);
            breaks.ensure(path.starts_with('/'), field, "a path that starts with `/`", || {
                format!("`{path}`")
            });
            breaks.ensure((100..600).contains(status), field, "a status from 100 to 599", || {
                status.to_string()
            })
        }
        Probe::Sql(sql) => check_sql(runbook, sql, field, breaks),
        Probe::Share(share) => check_share(runbook, share, field, breaks),
        Probe::PrintQueue(PrintQueueProbe { queue, host, port, .. }) => {
            for value in [Some(queue), host.as_ref(), port.as_ref()] {
                check_value(runbook, value, field, breaks);
            }
        }
    }
}

fn check_sql(runbook: &Runbook, sql: &SqlProbe, field: &str, breaks: &mut Breaks) {
    for value in [Some(&sql.url), sql.expect.as_ref(), sql.contains.as_ref()] {
        check_value(runbook, value, field, breaks);
    }
    let literal = matches!(&sql.url, Value::Text(url) if !url.starts_with("sqlite:"));
    breaks.ensure(
        !literal && !matches!(sql.url, Value::Number(_)),
        field,
        "a `url` from a parameter, or `sqlite:PATH`",
        || "a URL in the runbook".to_owned(),
    );
    breaks.ensure(!sql.query.trim().is_empty(), field, "a query", || "an empty one".to_owned());
    let judged = sql.expect.is_some() || sql.contains.is_some();
    breaks.ensure(judged, field, "`expect` or `contains`", || {
        "a query whose answer nobody judges".to_owned()
    });
}

fn check_share(runbook: &Runbook, share: &ShareProbe, field: &str, breaks: &mut Breaks) {
    let ShareProbe { share, host, port, user, password, read, contains, write: _ } = share;
    let values = [
        Some(share),
        host.as_ref(),
        port.as_ref(),
        user.as_ref(),
        read.as_ref(),
        contains.as_ref(),
    ];
    for value in values {
        check_value(runbook, value, field, breaks);
    }
    if let Some(name) = password {
        let secret = runbook.parameters.get(name).is_some_and(|declared| declared.secret);
        let expected = "a `password` that is a declared parameter with `secret: true`";
        breaks.ensure(secret, field, expected, || format!("`{name}`"));
        breaks.ensure(user.is_some(), field, "a `user` for the password", || "none".to_owned());
    }
    breaks.ensure(
        contains.is_none() || read.is_some(),
        field,
        "`read` where `contains` is",
        || "none".to_owned(),
    );
}

fn check_value(runbook: &Runbook, value: Option<&Value>, field: &str, breaks: &mut Breaks) {
    if let Some(Value::Param { param }) = value {
        let declared = runbook.parameters.contains_key(param);
        breaks.ensure(declared, field, "a declared parameter", || format!("`{param}`"));
    }
}

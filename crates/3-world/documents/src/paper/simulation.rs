//! What the rehearsal says, for people who decide.

use super::builder::Builder;
use super::svg::{Anchor, FAINT, LINE, Svg, WIDTH};
use super::text::{moment, short_moment, signed};
use super::{Cell, Form, PaperInput, Tone};
use jiff::tz::TimeZone;
use refit_rehearsal::{Bin, HaltCause, Likelihood, RehearsalReport, WaveLine};

/// The section's blocks.
pub(crate) fn write(builder: &mut Builder, input: &PaperInput) {
    let Some(report) = &input.rehearsal else {
        builder.text(
            "The plan was not rehearsed for this document. “refit rollout simulate” runs it many times under a virtual clock, and “refit rollout document … --simulate 1000” shows the results here.",
        );
        return;
    };
    summary(builder, input, report);
    builder.table(
        &[
            ("wave", 1.1, Form::Name),
            ("reached", 0.8, Form::Number),
            ("fits", 0.8, Form::Number),
            ("begins, half by", 1.4, Form::Plain),
            ("ends, half by", 1.4, Form::Plain),
            ("ends, 19 of 20 by", 1.4, Form::Plain),
            ("failures", 0.7, Form::Number),
            ("stops here", 0.8, Form::Number),
        ],
        report.waves.iter().map(|wave| row(wave, &input.zone)).collect(),
        "",
    );
    if !report.finish_histogram.is_empty() {
        let svg = histogram(&report.finish_histogram, &input.zone);
        builder.drawing(svg, "When the rollout is done, over the runs that complete.");
    }
    builder.list(report.halts.iter().take(8).map(|halt| {
        format!(
            "In {} of the runs it stops in {}: {}.",
            percent(&halt.chance),
            halt.wave,
            cause(halt.cause)
        )
    }));
    let assumed = &report.assumptions;
    builder.text(format!(
        "Assumed: a server fails with a chance of {} % on average ({}), a rollback with {}, one try to prepare with {}; {} of the servers are silent when they are told to go. People decide within {} in half of the cases, from {} to {} o'clock in {}. Seed {}: the same plan and seed give the same numbers.",
        report.failure_percent,
        if assumed.failure.is_some() { "as asked for" } else { "from risk and history" },
        assumed.undo_failure,
        assumed.prepare_failure,
        assumed.unreachable,
        refit_names::span(assumed.decision.p50_ms),
        assumed.hours.from_hour,
        assumed.hours.to_hour,
        assumed.hours.zone,
        report.seed
    ));
}

fn summary(builder: &mut Builder, input: &PaperInput, report: &RehearsalReport) {
    let by = |at| moment(at, &input.zone);
    builder.figures(vec![
        (percent(&report.completes), "complete"),
        (percent(&report.misses_a_window), "miss a window"),
        (report.failures_mean.to_string(), "failures on average"),
        (report.failures_p95.to_string(), "failures, 19 of 20 runs"),
    ]);
    let done = report.finish.map_or_else(
        || "In no run did it come to its end by itself.".to_owned(),
        |finish| {
            format!(
                "It is done by {} in half of the runs and by {} in 19 of 20.",
                by(finish.p50),
                by(finish.p95)
            )
        },
    );
    let (low, high) = report.completes.between;
    builder.text(format!(
        "The plan was run {} times under a virtual clock. In {} of the runs it came to its end; in the others a budget, a goal or a time limit stopped it (the true chance lies between {low:.1} % and {high:.1} %). {done} On average {} servers are rolled back, {} need a person, and {} are left out. The longest idle time is {} in half of the runs.",
        report.runs,
        percent(&report.completes),
        report.rolled_back_mean,
        report.needs_person_mean,
        report.left_out_mean,
        signed(report.longest_idle.p50_ms)
    ));
}

fn row(wave: &WaveLine, zone: &TimeZone) -> Vec<Cell> {
    let at = |moment| short_moment(moment, zone);
    let never = || "–".to_owned();
    let tone = match wave.fits.percent {
        _ if wave.fits.of == 0 => Tone::Plain,
        fits if fits >= 95.0 => Tone::Good,
        fits if fits >= 80.0 => Tone::Warn,
        _ => Tone::Bad,
    };
    vec![
        wave.wave.as_str().into(),
        percent(&wave.reached).into(),
        Cell::from(percent(&wave.fits)).toned(tone),
        wave.begins.map_or_else(never, |seen| at(seen.p50)).into(),
        wave.ends.map_or_else(never, |seen| at(seen.p50)).into(),
        wave.ends.map_or_else(never, |seen| at(seen.p95)).into(),
        wave.failures_mean.to_string().into(),
        percent(&wave.halts).into(),
    ]
}

/// What stops a rollout, in words.
fn cause(cause: HaltCause) -> &'static str {
    match cause {
        HaltCause::RolloutBudget => "more failures than the rollout's budget",
        HaltCause::WaveBudget => "more failures than the wave's budget",
        HaltCause::Goal => "the wave's goal is out of reach",
        HaltCause::Timeout => "the wave waited too long",
    }
}

fn percent(seen: &Likelihood) -> String {
    if seen.of == 0 { "–".to_owned() } else { format!("{:.1} %", seen.percent) }
}

fn histogram(bins: &[Bin], zone: &TimeZone) -> String {
    const HEIGHT: f64 = 150.0;
    let mut svg = Svg::new(HEIGHT + 40.0);
    let most = f64::from(bins.iter().map(|bin| bin.runs).max().unwrap_or(1).max(1));
    let width = WIDTH / bins.len().max(1) as f64;
    for (place, bin) in bins.iter().enumerate() {
        let height = f64::from(bin.runs) / most * (HEIGHT - 22.0);
        let (x, y) = (place as f64 * width, HEIGHT - height);
        svg.rect((x + 2.0, y), (width - 4.0, height), "#2f6fb0");
        if bin.runs > 0 {
            svg.text(
                (x + width / 2.0, y - 5.0),
                (Anchor::Middle, 13.0),
                FAINT,
                &bin.runs.to_string(),
            );
        }
    }
    svg.line((0.0, HEIGHT), (WIDTH, HEIGHT), LINE);
    let ends = bins.first().zip(bins.last());
    if let Some((first, last)) = ends {
        svg.text(
            (2.0, HEIGHT + 22.0),
            (Anchor::Start, 15.0),
            FAINT,
            &short_moment(first.from, zone),
        );
        svg.text(
            (WIDTH - 2.0, HEIGHT + 22.0),
            (Anchor::End, 15.0),
            FAINT,
            &short_moment(last.to, zone),
        );
    }
    svg.done()
}

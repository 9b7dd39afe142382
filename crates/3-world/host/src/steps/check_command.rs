//! `check.command`: a command of the pack's author says that all is well, maybe with a number.

use super::measure::Measure;
use crate::{command::last_lines, context::Context, error::StepError, finding::Finding};
use refit_packs::runbook::CheckCommand;

pub(super) struct CheckCommandOf<'a>(pub(super) &'a CheckCommand);

impl Measure for CheckCommandOf<'_> {
    fn measure(&self, context: &Context<'_>) -> Result<Vec<Finding>, StepError> {
        let CheckCommand { run, at_most, at_least } = self.0;
        let said = context.succeed(run)?;
        let what = format!("`{}`", run.0.join(" "));
        let limits =
            [at_least.map(|n| format!("at least {n}")), at_most.map(|n| format!("at most {n}"))];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        if limits.is_empty() {
            return Ok(vec![Finding::new(what, last_lines(&said), "exit code 0")]);
        }
        let limit = limits.join(" and ");
        let remedy = "see what the check's author says";
        let Some(found) = first_number(&said) else {
            return Ok(vec![
                Finding::new(what, format!("no number: {}", last_lines(&said)), limit)
                    .judged(false, remedy),
            ]);
        };
        let high = at_most.is_some_and(|most| found > most as f64);
        let low = at_least.is_some_and(|least| found < least as f64);
        Ok(vec![Finding::new(what, found, limit).judged(!high && !low, remedy)])
    }
}

/// The first word that begins with a number: `87% used` is 87.
fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().find_map(|word| {
        let end =
            word.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(word.len());
        word[..end].parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::first_number;

    #[test]
    fn the_first_number_counts() {
        assert_eq!(first_number("used 87% of 100"), Some(87.0));
        assert_eq!(first_number("load: 0.25, 1"), Some(0.25));
        assert_eq!(first_number("-3"), Some(-3.0));
        assert_eq!(first_number("all well"), None);
    }
}

//! Rules that well-formed values break.

/// A rule that a well-formed value breaks; its place in a text is added where there is a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field `{field}`: expected {expected}, found {found}")]
pub struct RuleBreak {
    /// The field's path.
    pub field: String,
    /// What would be right.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl RuleBreak {
    pub(crate) fn new(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self { field: field.into(), expected: expected.into(), found: found.into() }
    }
}

/// The fields that a rule looks at, and the rule. `steps[]`: items of the list may be faulty, and are then not judged.
pub(crate) type Rule<T> = (&'static [&'static str], fn(&T, &mut Breaks));

/// Collects what is broken.
#[derive(Default)]
pub(crate) struct Breaks(Vec<RuleBreak>);

impl Breaks {
    /// All that `value` breaks.
    pub(crate) fn of<T>(value: &T, rules: &[Rule<T>]) -> Self {
        let mut breaks = Self::default();
        rules.iter().for_each(|(_, rule)| rule(value, &mut breaks));
        breaks
    }

    pub(crate) fn push(
        &mut self,
        field: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.0.push(RuleBreak::new(field, expected, found));
    }

    /// Notes the field unless the condition holds.
    pub(crate) fn ensure(
        &mut self,
        holds: bool,
        field: &str,
        expected: impl Into<String>,
        found: impl FnOnce() -> String,
    ) {
        if !holds {
            self.push(field, expected, found());
        }
    }

    /// Notes the field when there are more than `max` of something.
    pub(crate) fn at_most(&mut self, count: usize, max: usize, field: &str) {
        self.ensure(count <= max, field, format!("at most {max}"), || count.to_string());
    }

    /// Notes the field unless its text says something.
    pub(crate) fn told(&mut self, field: &str, text: &str) {
        self.ensure(!text.trim().is_empty(), field, "a text for people", || "nothing".to_owned());
    }

    /// Notes the field unless its text says something in one line.
    pub(crate) fn line(&mut self, field: &str, text: &str) {
        self.ensure(!text.trim().is_empty(), field, "one line for people", || "nothing".to_owned());
        self.ensure(!text.contains(char::is_control), field, "one line", || {
            "a control character".to_owned()
        });
    }

    pub(crate) fn into_list(self) -> Vec<RuleBreak> {
        self.0
    }

    /// The first, for whoever can do nothing about it anyway.
    pub(crate) fn into_first(self) -> Result<(), RuleBreak> {
        self.0.into_iter().next().map_or(Ok(()), Err)
    }
}

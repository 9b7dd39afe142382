//! Which names an expression may use, and of which type they are.

use std::collections::BTreeMap;
use std::fmt;

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Double,
    /// A text.
    Text,
    /// One of these words, the lowest first; compared by their order.
    Level(&'static [&'static str]),
    /// Any number of values of one type.
    List(Box<Type>),
    /// Of an empty list: fits any.
    Any,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::Int => f.write_str("a whole number"),
            Self::Double => f.write_str("a number with a fraction"),
            Self::Text => f.write_str("a text"),
            Self::Level(words) => write!(f, "one of {}", words.join(", ")),
            Self::List(of) if **of == Self::Text => f.write_str("a list of texts"),
            Self::List(of) => write!(f, "a list ({of})"),
            Self::Any => f.write_str("anything"),
        }
    }
}

/// A name with its type and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub of: Type,
    /// What it means, a line for the documentation.
    pub about: &'static str,
}

/// A function of one written-out text that gives a record, such as `product("ledger")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Fields of the record.
    pub fields: Vec<Variable>,
    /// What it means.
    pub about: &'static str,
}

/// Names that an expression may use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vocabulary {
    variables: BTreeMap<&'static str, Variable>,
    functions: BTreeMap<&'static str, Function>,
}

impl Vocabulary {
    /// Puts names together.
    #[must_use]
    pub fn new(variables: Vec<Variable>, functions: Vec<Function>) -> Self {
        Self {
            variables: variables.into_iter().map(|variable| (variable.name, variable)).collect(),
            functions: functions.into_iter().map(|function| (function.name, function)).collect(),
        }
    }

    /// All variables, by name.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.variables.values()
    }

    /// All functions, by name.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.values()
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)
    }

    pub(crate) fn function(&self, name: &str) -> Option<&Function> {
        self.functions.get(name)
    }
}

/// The name under which a field of a function's record is asked for.
pub(crate) fn field_key(function: &str, argument: &str, field: &str) -> String {
    format!("@{function}:{field}:{argument}")
}

/// The parts of such a name: function, field, argument.
pub(crate) fn split_field_key(key: &str) -> Option<(&str, &str, &str)> {
    let (function, rest) = key.strip_prefix('@')?.split_once(':')?;
    let (field, argument) = rest.split_once(':')?;
    Some((function, field, argument))
}

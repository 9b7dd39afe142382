//! An expression that was read and checked, and its answers.

use crate::{ExpressionError, Type, Vocabulary, check, guard, vocabulary::split_field_key};
use cel::{
    Context, Env, IdedExpr, Value,
    common::{
        types::{CelBool, CelDouble, CelInt, CelList, CelString},
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use std::sync::Arc;

/// A value of a variable.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar<'a> {
    /// Yes or no.
    Bool(bool),
    /// A whole number; also the place of a level's word in its list.
    Int(i64),
    /// A number with a fraction.
    Double(f64),
    /// A text.
    Text(&'a str),
    /// Texts.
    Texts(Vec<&'a str>),
}

/// What an expression is asked about.
pub trait Subject: Sync {
    /// Its name, for errors.
    fn name(&self) -> &str;
    /// The value of a variable of the vocabulary.
    fn variable(&self, name: &str) -> Option<Scalar<'_>>;
    /// A field of the record that a function gives for `argument`.
    fn field(&self, function: &str, argument: &str, field: &str) -> Option<Scalar<'_>>;
}

/// An expression that was read and checked.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    tree: IdedExpr,
    of: Type,
}

impl Expression {
    /// Reads an expression whose answer is true or false.
    ///
    /// # Errors
    /// [`ExpressionError`] with the place of what is wrong.
    pub fn condition(text: &str, vocabulary: &Vocabulary) -> Result<Self, ExpressionError> {
        let expression = Self::read(text, vocabulary)?;
        if expression.of != Type::Bool {
            let place = guard::place_of(text, 0);
            let what = format!("its answer is {}, expected true or false", expression.of);
            return Err(ExpressionError::Types { place, what });
        }
        Ok(expression)
    }

    /// Reads an expression with any answer.
    ///
    /// # Errors
    /// [`ExpressionError`] with the place of what is wrong.
    pub fn read(text: &str, vocabulary: &Vocabulary) -> Result<Self, ExpressionError> {
        guard::scan(text)?;
        guard::on_large_stack(|| {
            let (tree, of) = check::read(text, vocabulary)?;
            Ok(Self { text: text.to_owned(), tree, of })
        })
    }

    /// The text as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// For each subject whether the condition holds, in their order.
    ///
    /// # Errors
    /// [`ExpressionError::NoAnswer`] for the first subject without one, such as a division by zero.
    pub fn holds<S: Subject>(&self, subjects: &[S]) -> Result<Vec<bool>, ExpressionError> {
        let env = Arc::new(Env::stdlib());
        guard::on_large_stack(|| {
            subjects.iter().map(|subject| self.holds_for(subject, &env)).collect()
        })
    }

    fn holds_for<S: Subject>(&self, subject: &S, env: &Arc<Env>) -> Result<bool, ExpressionError> {
        let no_answer =
            |what: String| ExpressionError::NoAnswer { subject: subject.name().to_owned(), what };
        let names = Names(subject);
        let mut context = Context::with_env(env.clone());
        context.set_variable_resolver(&names);
        match Value::resolve(&self.tree, &context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(no_answer(format!("found {other:?}, expected true or false"))),
            Err(error) => Err(no_answer(error.to_string())),
        }
    }
}

/// Looks names up when they are asked for: most hosts are told apart by one or two.
struct Names<'a, S>(&'a S);

impl<S: Subject> VariableResolver for Names<'_, S>
where
    S: Sync,
{
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let value = match split_field_key(variable) {
            Some((function, field, argument)) => self.0.field(function, argument, field),
            None => self.0.variable(variable),
        };
        Some(match value? {
            Scalar::Bool(value) => CowVal::owned(CelBool::from(value)),
            Scalar::Int(value) => CowVal::owned(CelInt::from(value)),
            Scalar::Double(value) => CowVal::owned(CelDouble::from(value)),
            Scalar::Text(value) => CowVal::owned(CelString::from(value)),
            Scalar::Texts(values) => {
                let boxed = values
                    .into_iter()
                    .map(|value| Box::new(CelString::from(value)) as Box<dyn Val + 'b>);
                CowVal::owned(CelList::from(boxed.collect::<Vec<_>>()))
            }
        })
    }
}

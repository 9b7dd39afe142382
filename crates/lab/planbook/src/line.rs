//! One line of a script.

use std::collections::BTreeMap;
use std::str::FromStr;

/// A line that is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub number: usize,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.number, self.what)
    }
}

impl std::error::Error for BadLine {}

/// A verb, words and `key=value` pairs.
#[derive(Debug, Clone)]
pub struct Line {
    number: usize,
    pub(crate) verb: String,
    pub(crate) words: Vec<String>,
    pairs: BTreeMap<String, String>,
}

impl Line {
    /// Splits a line.
    ///
    /// # Errors
    /// [`BadLine`] when a key stands twice.
    pub fn parse(number: usize, text: &str) -> Result<Self, BadLine> {
        let mut parts = text.split_whitespace();
        let verb = parts.next().unwrap_or_default().to_owned();
        let (mut words, mut pairs) = (Vec::new(), BTreeMap::new());
        for part in parts {
            match part.split_once('=') {
                None => words.push(part.to_owned()),
                Some((key, value)) => {
                    if pairs.insert(key.to_owned(), value.to_owned()).is_some() {
                        let what = format!("`{key}` stands twice");
                        return Err(BadLine { number, what });
                    }
                }
            }
        }
        Ok(Self { number, verb, words, pairs })
    }

    pub(crate) fn wrong(&self, what: impl Into<String>) -> BadLine {
        BadLine { number: self.number, what: what.into() }
    }

    /// The words behind the verb, at least one.
    pub(crate) fn name(&self) -> Result<&str, BadLine> {
        self.words.first().map(String::as_str).ok_or_else(|| self.wrong("a name is missing"))
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.pairs.get(key).map(String::as_str)
    }

    pub(crate) fn get<T: FromStr<Err: std::fmt::Display>>(
        &self,
        key: &str,
    ) -> Result<Option<T>, BadLine> {
        self.text(key).map(|text| self.read(text)).transpose()
    }

    pub(crate) fn need<T: FromStr<Err: std::fmt::Display>>(&self, key: &str) -> Result<T, BadLine> {
        self.get(key)?.ok_or_else(|| self.wrong(format!("`{key}=` is missing")))
    }

    pub(crate) fn list<T: FromStr<Err: std::fmt::Display>, C: FromIterator<T>>(
        &self,
        key: &str,
    ) -> Result<C, BadLine> {
        let items = self.text(key).into_iter().flat_map(|text| text.split(','));
        items.map(|item| self.read(item)).collect()
    }

    pub(crate) fn read<T: FromStr<Err: std::fmt::Display>>(
        &self,
        text: &str,
    ) -> Result<T, BadLine> {
        text.parse().map_err(|error: T::Err| self.wrong(format!("`{text}`: {error}")))
    }
}

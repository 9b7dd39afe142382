//! A YAML text as a tree in which every key and value knows its place.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error as YamlError, Location, Spanned, options::DuplicateKeyPolicy};
use std::fmt;

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// Line and column, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// A value.
#[derive(Debug)]
pub(crate) enum Kind {
    Null,
    /// True or false, and how it is written.
    Bool(bool, String),
    /// A whole number, and how it is written.
    Whole(i128, String),
    /// Another number, and how it is written: `4.10` is a build before it is the number 4.1.
    Fraction(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

impl Node {
    /// A scalar as text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text)
            | Kind::Bool(_, text)
            | Kind::Whole(_, text)
            | Kind::Fraction(text) => Some(text),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        }
    }
}

/// Reads the tree; a key that stands twice is in it twice.
pub(crate) fn read(text: &str) -> Result<Node, YamlError> {
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    let content: Spanned<Content> = serde_saphyr::from_str_with_options(text, options)?;
    Ok(node(text, content))
}

/// The tree as the YAML library gives it: places beside values.
enum Content {
    Null,
    Bool(bool),
    Whole(i128),
    Fraction(f64),
    Text(String),
    List(Vec<Spanned<Content>>),
    Map(Vec<(Spanned<String>, Spanned<Content>)>),
}

fn node(text: &str, content: Spanned<Content>) -> Node {
    let at = content.referenced;
    let written = |value: String| slice(text, content.defined).unwrap_or(value);
    let kind = match content.value {
        Content::Null => Kind::Null,
        Content::Bool(value) => Kind::Bool(value, written(value.to_string())),
        Content::Whole(value) => Kind::Whole(value, written(value.to_string())),
        Content::Fraction(value) => Kind::Fraction(written(value.to_string())),
        Content::Text(value) => Kind::Text(value),
        Content::List(items) => {
            Kind::List(items.into_iter().map(|item| node(text, item)).collect())
        }
        Content::Map(entries) => Kind::Map(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    place: place(key.referenced),
                    key: key.value,
                    value: node(text, value),
                })
                .collect(),
        ),
    };
    Node { place: place(at), kind }
}

fn place(at: Location) -> Place {
    Place { line: at.line().max(1), column: at.column().max(1) }
}

/// The characters of a scalar as they stand in the text.
fn slice(text: &str, at: Location) -> Option<String> {
    let start = usize::try_from(at.span().byte_offset()?).ok()?;
    let length = usize::try_from(at.span().byte_len()?).ok()?;
    let written = text.get(start..start.checked_add(length)?)?.trim();
    (!written.is_empty() && !written.contains('\n')).then(|| written.to_owned())
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }
    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Content, D::Error> {
        inner.deserialize_any(self)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Whole(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Whole(value.into()))
    }
    fn visit_i128<E>(self, value: i128) -> Result<Content, E> {
        Ok(Content::Whole(value))
    }
    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<Content, E> {
        i128::try_from(value).map(Content::Whole).map_err(E::custom)
    }
    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Fraction(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Content::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<String>>()? {
            let value = entries.next_value()?;
            map.push((key, value));
        }
        Ok(Content::Map(map))
    }
}

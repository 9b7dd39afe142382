//! Names of things, and paths inside a pack's tree.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};

/// Longest name in bytes: what a DNS name may have, so that every host name fits.
const NAME_BYTES_MAX: usize = 253;
/// Longest path inside a tree in bytes: well below Linux's 4096 so that a host's own prefix fits too.
const TREE_PATH_BYTES_MAX: usize = 1024;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("{kind} is empty, expected 1 to 253 characters")]
    Empty {
        /// What the text was meant to name.
        kind: &'static str,
    },
    /// The text is longer than any name may be.
    #[error("{kind} has {found} bytes, expected at most 253")]
    TooLong {
        /// What the text was meant to name.
        kind: &'static str,
        /// Its length.
        found: usize,
    },
    /// A character that names do not have.
    #[error(
        "{kind} `{text}` has the character {found:?}, expected letters, digits, `.`, `_` and `-`, the first a letter or digit"
    )]
    Character {
        /// What the text was meant to name.
        kind: &'static str,
        /// The whole text.
        text: String,
        /// The first character that is not allowed.
        found: char,
    },
}

fn check_name(kind: &'static str, text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { kind });
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong { kind, found: text.len() });
    }
    let wrong = text.char_indices().find(|(at, c)| {
        let plain = c.is_ascii_alphanumeric();
        !(plain || (*at > 0 && matches!(c, '.' | '_' | '-' | '+')))
    });
    match wrong {
        Some((_, found)) => Err(NameError::Character { kind, text: text.to_owned(), found }),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads the text form.
            ///
            /// # Errors
            /// [`NameError`] when the text is empty, too long or has a character that names do not have.
            pub fn parse(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                check_name($kind, &text)?;
                Ok(Self(text))
            }

            /// The text form.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }
        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "format": "refit-name",
                    "pattern": "^[A-Za-z0-9][A-Za-z0-9._+-]{0,252}$",
                    "description": concat!($kind, ": letters, digits, `.`, `_`, `+` and `-`, the first a letter or digit"),
                })
            }
        }
    };
}

name!(/** What is upgraded. */ ProductName, "product name");
name!(/** One released state of a product. The order is that of the text, for maps only: it says nothing about age. */ BuildId, "build");
name!(/** A managed machine. */ HostName, "host name");
name!(/** Where hosts stand. */ SiteName, "site name");
name!(/** What a host does. */ RoleName, "role name");
name!(/** A versioned procedure for hosts of one role. */ RunbookName, "runbook name");
name!(/** A step of a runbook, unique in it. */ StepId, "step id");
name!(/** A person, or a service account, that acts. */ PersonName, "person name");
name!(/** One campaign. */ RolloutName, "rollout name");
name!(/** Servers that are changed together. */ WaveName, "wave name");
name!(/** A recurring time in which hosts may be changed. */ WindowName, "window name");
name!(/** A part of a pack that people may leave out. */ PartName, "part name");
name!(/** A declared value that differs per host. */ ParameterName, "parameter name");
name!(/** A program that a product consists of, with a version of its own. */ ComponentName, "component name");
name!(/** A feature that can be on or off. */ SwitchName, "switch name");

/// Why a text is not a path inside a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreePathError {
    /// The path is empty.
    #[error("path is empty")]
    Empty,
    /// The path is too long.
    #[error("path has {found} bytes, expected at most 1024")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// The path starts at the root of the file system.
    #[error("path `{path}` is absolute, expected a path inside the tree")]
    Absolute {
        /// The path.
        path: String,
    },
    /// A component that would leave the tree or has no fixed meaning.
    #[error("path `{path}` has the component `{component}`, expected plain names separated by `/`")]
    Component {
        /// The path.
        path: String,
        /// The component that is not allowed.
        component: String,
    },
    /// A character that no portable file name has.
    #[error("path {path:?} has the character {found:?}, which no file name may have")]
    Character {
        /// The path.
        path: String,
        /// The character.
        found: char,
    },
}

fn check_tree_path(path: &str) -> Result<(), TreePathError> {
    if path.is_empty() {
        return Err(TreePathError::Empty);
    }
    if path.len() > TREE_PATH_BYTES_MAX {
        return Err(TreePathError::TooLong { found: path.len() });
    }
    if path.starts_with('/') {
        return Err(TreePathError::Absolute { path: path.to_owned() });
    }
    if let Some(found) = path.chars().find(|c| c.is_control() || *c == '\\') {
        return Err(TreePathError::Character { path: path.to_owned(), found });
    }
    match path.split('/').find(|part| matches!(*part, "" | "." | "..")) {
        Some(part) => {
            Err(TreePathError::Component { path: path.to_owned(), component: part.to_owned() })
        }
        None => Ok(()),
    }
}

macro_rules! tree_path {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Reads a relative path with `/` between plain components.
            ///
            /// # Errors
            /// [`TreePathError`] when the path is empty, absolute, too long or would leave the tree.
            pub fn parse(path: impl Into<String>) -> Result<Self, TreePathError> {
                let path = path.into();
                check_tree_path(&path)?;
                Ok(Self(path))
            }

            /// The path as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = TreePathError;
            fn try_from(path: String) -> Result<Self, TreePathError> {
                Self::parse(path)
            }
        }
        impl std::str::FromStr for $name {
            type Err = TreePathError;
            fn from_str(path: &str) -> Result<Self, TreePathError> {
                Self::parse(path)
            }
        }
        impl From<$name> for String {
            fn from(path: $name) -> String {
                path.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "format": "refit-path",
                    "minLength": 1,
                    "maxLength": 1024,
                    "pattern": r"^(?!\.{1,2}(/|$))[^/\\\x00-\x1f\x7f]+(/(?!\.{1,2}(/|$))[^/\\\x00-\x1f\x7f]+)*$",
                    "description": "a relative path with `/` between plain names, never leaving its folder",
                })
            }
        }
    };
}

tree_path!(/** A path inside a pack's tree or a product's root: relative, never leaving it. */ TreePath);
tree_path!(/** The name of a TUF target. */ TargetName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_that_leaves_the_tree_is_refused() {
        for path in ["../etc/passwd", "a/../../b", "/etc", "a//b", "./a", "a/", "a\\b", "a\0b", ""]
        {
            assert!(TreePath::parse(path).is_err(), "{path:?} was accepted");
        }
        assert_eq!(TreePath::parse("a/b.c/d").map(|p| p.to_string()), Ok("a/b.c/d".to_owned()));
    }

    #[test]
    fn name_says_which_character_is_wrong() {
        let error = HostName::parse("web 1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "host name `web 1` has the character ' ', expected letters, digits, `.`, `_` and `-`, the first a letter or digit"
        );
        assert!(HostName::parse("-a").is_err());
        assert!(BuildId::parse("3.11.9").is_ok());
    }

    #[test]
    fn serde_goes_through_the_same_rules() {
        assert!(serde_json::from_str::<TreePath>("\"../x\"").is_err());
        assert!(serde_json::from_str::<ProductName>("\"ledger\"").is_ok());
    }
}

//! Looks at a service from outside.

use super::{Command, Value};
use refit_names::{ParameterName, StepId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One look at a service from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Probe {
    /// Something accepts connections.
    Tcp {
        /// Its port.
        port: Value,
        /// Its host; absent means loopback.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<Value>,
    },
    /// A GET answers as expected.
    Http {
        /// The port.
        port: Value,
        /// The host; absent means loopback.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<Value>,
        /// The path with its query.
        path: String,
        /// The expected status.
        #[serde(default = "default_status")]
        status: u16,
        /// A text that the body must have.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contains: Option<String>,
    },
    /// A command exits 0.
    Command {
        /// The command.
        run: Command,
    },
    /// A query answers as expected; it runs in a transaction that cannot write.
    Sql(SqlProbe),
    /// A file of a share can be read over SMB, and maybe one can be written.
    Share(ShareProbe),
    /// A print queue exists and takes jobs, and maybe prints one.
    PrintQueue(PrintQueueProbe),
}

const fn default_status() -> u16 {
    200
}

/// A query and what it ought to answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqlProbe {
    /// `postgresql://…`, `mariadb://…` or `mysql://…` from a parameter, or `sqlite:PATH` below the product's root.
    pub url: Value,
    /// One statement.
    pub query: String,
    /// The whole answer: columns with `|` between them, one row per line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Value>,
    /// A text that the answer must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<Value>,
}

/// What is done on a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareProbe {
    /// The share's name.
    pub share: Value,
    /// Its host; absent means loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Value>,
    /// The port; absent means 445.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Value>,
    /// Who reads; absent means a guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Value>,
    /// The parameter with the password; it must be a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<ParameterName>,
    /// A file that must be readable; absent means that the share's folder is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Value>,
    /// A text that the file must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<Value>,
    /// Whether a small file is written, read back and deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub write: bool,
}

/// What is asked of a print queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrintQueueProbe {
    /// Its name.
    pub queue: Value,
    /// The print server; absent means loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Value>,
    /// The port; absent means 631.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Value>,
    /// Whether a page is printed and awaited.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub print: bool,
    /// Who prints, as it stands in the job; absent means `refit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<StepId>,
}

//! Users of the host, by the name that the configuration gives.

use crate::error::StepError;
use refit_backup::RunAs;
use std::{fs, path::Path};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    /// By name.
    pub(crate) name: String,
    /// By numbers.
    pub(crate) ids: RunAs,
    /// The home folder.
    pub(crate) home: String,
}

impl User {
    /// Looks a user up in `/etc/passwd`.
    ///
    /// # Errors
    /// [`StepError::UnknownUser`] when the host does not know it.
    pub(crate) fn find(name: &str) -> Result<Self, StepError> {
        let path = Path::new("/etc/passwd");
        let text = fs::read_to_string(path).map_err(StepError::io("read", path))?;
        let unknown = || StepError::UnknownUser { user: name.to_owned() };
        text.lines().find_map(|line| Self::read(line, name)).ok_or_else(unknown)
    }

    fn read(line: &str, name: &str) -> Option<Self> {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        let home = fields.nth(1)?.to_owned();
        Some(Self { name: name.to_owned(), ids: RunAs { uid, gid }, home })
    }

    /// The numbers to change to; none when the agent is that user already.
    #[must_use]
    pub(crate) fn change_to(&self) -> Option<RunAs> {
        (rustix::process::geteuid().as_raw() != self.ids.uid).then_some(self.ids)
    }
}

/// The name of a user by number, or the number.
pub(crate) fn name_of(uid: u32) -> String {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let is = |line: &&str| line.split(':').nth(2).is_some_and(|field| field.parse() == Ok(uid));
    let line = text.lines().find(is).and_then(|line| line.split(':').next());
    line.map_or_else(|| uid.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_and_nonsense_is_not() {
        assert_eq!(User::find("root").unwrap().ids, RunAs { uid: 0, gid: 0 });
        assert!(matches!(User::find("no such user"), Err(StepError::UnknownUser { .. })));
        assert_eq!(name_of(0), "root");
    }
}

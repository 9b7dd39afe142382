//! Finding a target: the top-level role first, then delegated roles in preorder, depth first (5.6.7 of the specification).

use crate::{
    RepositoryError,
    workflow::{Trusted, Workflow},
};
use bytes::Bytes;
use refit_names::Digest;
use std::collections::{BTreeMap, BTreeSet};
use tough::schema::{DelegatedRole, Delegations, PathSet, Target, Targets};

/// Roles that one search visits; as many as other clients do.
const VISITED_MAX: usize = 32;
/// Roles that a mirror copies.
const COPIED_MAX: usize = 1024;

/// The target's metadata by the first role that is trusted with its name and has it.
pub(crate) async fn find(
    workflow: &Workflow,
    trusted: &Trusted,
    name: &str,
) -> Result<Option<Target>, RepositoryError> {
    if let Some(target) = own(&trusted.targets.signed, name) {
        return Ok(Some(target));
    }
    let mut visited = BTreeSet::new();
    let mut to_visit = Vec::new();
    push(&mut to_visit, trusted.targets.signed.delegations.as_ref(), name);
    while let Some((delegator, role)) = to_visit.pop() {
        if visited.len() >= VISITED_MAX || !visited.insert(role.clone()) {
            continue;
        }
        // A role that the snapshot does not list ends the search.
        let Some((targets, ..)) = workflow.delegated(trusted, &delegator, &role).await? else {
            return Ok(None);
        };
        if let Some(target) = own(&targets.signed, name) {
            return Ok(Some(target));
        }
        push(&mut to_visit, targets.signed.delegations.as_ref(), name);
    }
    Ok(None)
}

fn own(targets: &Targets, name: &str) -> Option<Target> {
    targets.targets.get(&tough::TargetName::new(name).ok()?).cloned()
}

/// Puts the roles that are trusted with `name` on the stack, the first on top. A terminating one ends the search behind it.
fn push(to_visit: &mut Vec<(Delegations, String)>, delegations: Option<&Delegations>, name: &str) {
    let Some(delegations) = delegations else { return };
    let mut children = Vec::new();
    for role in delegations.roles.iter().filter(|role| is_trusted_with(role, name)) {
        children.push((delegations.clone(), role.name.clone()));
        if role.terminating {
            to_visit.clear();
            break;
        }
    }
    children.reverse();
    to_visit.extend(children);
}

fn is_trusted_with(role: &DelegatedRole, name: &str) -> bool {
    match &role.paths {
        PathSet::Paths(patterns) => {
            patterns.iter().any(|pattern| path_matches(pattern.value(), name))
        }
        PathSet::PathHashPrefixes(prefixes) => {
            let digest = Digest::of(name.as_bytes()).to_hex();
            prefixes.iter().any(|prefix| digest.starts_with(prefix.value()))
        }
    }
}

/// Wildcards stay within one component of the path.
fn path_matches(pattern: &str, path: &str) -> bool {
    let (patterns, parts): (Vec<&str>, Vec<&str>) =
        (pattern.split('/').collect(), path.split('/').collect());
    patterns.len() == parts.len()
        && patterns.iter().zip(parts).all(|(pattern, part)| part_matches(pattern, part))
}

/// `*` and `?` as in a shell. Linear in memory, no recursion: patterns come from the wire.
fn part_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, eaten)) => {
                    star = Some((at, eaten + 1));
                    p = at + 1;
                    t = eaten + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Every role that is delegated anywhere: its targets, and the bytes of its metadata by their names on the server.
pub(crate) async fn all(
    workflow: &Workflow,
    trusted: &Trusted,
) -> Result<(Vec<Targets>, BTreeMap<String, Bytes>), RepositoryError> {
    let (mut found, mut files, mut visited) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    let mut waiting: Vec<Delegations> =
        trusted.targets.signed.delegations.iter().cloned().collect();
    while let Some(delegations) = waiting.pop() {
        for role in &delegations.roles {
            if visited.len() >= COPIED_MAX || !visited.insert(role.name.clone()) {
                continue;
            }
            if let Some((targets, name, bytes)) =
                workflow.delegated(trusted, &delegations, &role.name).await?
            {
                waiting.extend(targets.signed.delegations.clone());
                files.insert(name, bytes);
                found.push(targets.signed);
            }
        }
    }
    Ok((found, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stay_within_a_component() {
        for (pattern, path, expected) in [
            ("*.tgz", "foo.tgz", true),
            ("*.tgz", "a/foo.tgz", false),
            ("targets/*.tgz", "targets/foo.tgz", true),
            ("foo-?.tgz", "foo-2.tgz", true),
            ("foo-?.tgz", "foo-alpha.tgz", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*", "", true),
            ("README.md", "README.MD", false),
        ] {
            assert_eq!(path_matches(pattern, path), expected, "{pattern} {path}");
        }
    }
}

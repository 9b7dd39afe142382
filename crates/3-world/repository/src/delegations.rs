//! Finding a target: the top-level role first, then delegated roles in preorder, depth first (5.6.7 of the specification).

use crate::{
    RepositoryError,
    workflow::{Trusted, Workflow},
};
use bytes::Bytes;
use refit_names::Digest;
use refit_packs::pattern::path_matches;
use std::collections::{BTreeMap, BTreeSet};
use tough::schema::{DelegatedRole, Delegations, PathSet, Target, Targets};

/// Roles that one search visits; as many as other clients do.
const VISITED_MAX: usize = 32;
/// Roles that a mirror copies.
const COPIED_MAX: usize = 1 << 15;

/// A target and the role that speaks for it.
pub(crate) struct Found {
    pub(crate) role: String,
    pub(crate) target: Target,
}

/// The target's metadata by the first role that is trusted with its name and has it.
pub(crate) async fn find(
    workflow: &Workflow,
    trusted: &Trusted,
    name: &str,
) -> Result<Option<Found>, RepositoryError> {
    if let Some(target) = own(&trusted.targets.signed, name) {
        return Ok(Some(Found { role: "targets".to_owned(), target }));
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
            return Ok(Some(Found { role, target }));
        }
        push(&mut to_visit, targets.signed.delegations.as_ref(), name);
    }
    Ok(None)
}

/// What a role itself says of a name.
pub(crate) fn own(targets: &Targets, name: &str) -> Option<Target> {
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

/// A delegated role's targets.
pub(crate) struct Delegated {
    pub(crate) name: String,
    pub(crate) targets: Targets,
}

/// Every role that is delegated anywhere, in preorder.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) roles: Vec<Delegated>,
    /// The bytes of their metadata by their names on the server.
    pub(crate) files: BTreeMap<String, Bytes>,
    /// Those that cannot be believed or read.
    pub(crate) refused: Vec<(String, RepositoryError)>,
}

/// Reads every role that is delegated anywhere. One that cannot be believed does not keep the others from being read.
pub(crate) async fn walk(workflow: &Workflow, trusted: &Trusted) -> Walk {
    let (mut walk, mut visited) = (Walk::default(), BTreeSet::new());
    let mut waiting: Vec<(Delegations, usize)> =
        trusted.targets.signed.delegations.iter().map(|there| (there.clone(), 0)).collect();
    while let Some((delegations, next)) = waiting.pop() {
        let Some(role) = delegations.roles.get(next) else { continue };
        let name = role.name.clone();
        if visited.len() >= COPIED_MAX || !visited.insert(name.clone()) {
            waiting.push((delegations, next + 1));
            continue;
        }
        let read = workflow.delegated(trusted, &delegations, &name).await;
        waiting.push((delegations, next + 1));
        match read {
            Ok(None) => {}
            Ok(Some((targets, file, bytes))) => {
                waiting.extend(targets.signed.delegations.clone().map(|there| (there, 0)));
                walk.files.insert(file, bytes);
                walk.roles.push(Delegated { name, targets: targets.signed });
            }
            Err(error) => walk.refused.push((name, error)),
        }
    }
    walk
}

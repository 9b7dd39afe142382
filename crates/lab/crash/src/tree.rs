//! What a folder looks like, byte for byte, so that two can be compared.

use anyhow::{Context as _, Result};
use refit_names::Digest;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
};

/// Every path with what it is.
pub(crate) type Tree = BTreeMap<String, Node>;

/// One path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) what: What,
    /// Of a file, in nanoseconds.
    pub(crate) modified: Option<i64>,
}

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Folder,
    Link(String),
    File(Digest),
    Other,
}

/// Reads everything below `top`.
pub(crate) fn read(top: &Path) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut open = vec![top.to_owned()];
    while let Some(folder) = open.pop() {
        let what = || format!("read {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(what)? {
            let path = entry?.path();
            let node = look(&path)?;
            if node.what == What::Folder {
                open.push(path.clone());
            }
            tree.insert(path.strip_prefix(top)?.display().to_string(), node);
        }
    }
    Ok(tree)
}

/// Reads one path.
pub(crate) fn look(path: &Path) -> Result<Node> {
    let seen = fs::symlink_metadata(path)?;
    let what = if seen.is_dir() {
        What::Folder
    } else if seen.is_symlink() {
        What::Link(fs::read_link(path)?.display().to_string())
    } else if seen.is_file() {
        What::File(Digest::of(&fs::read(path)?))
    } else {
        What::Other
    };
    let modified = seen.is_file().then(|| seen.mtime() * 1_000_000_000 + seen.mtime_nsec());
    // Of a link nobody can set the mode.
    let mode = if seen.is_symlink() { 0 } else { seen.mode() & 0o7777 };
    Ok(Node { mode, owner: (seen.uid(), seen.gid()), what, modified })
}

/// The part below `prefix`.
pub(crate) fn below(tree: &Tree, prefix: &str) -> Tree {
    let inside = |(path, node): (&String, &Node)| {
        Some((path.strip_prefix(prefix)?.strip_prefix('/')?.to_owned(), node.clone()))
    };
    tree.iter().filter_map(inside).collect()
}

/// Without times: where none is promised.
pub(crate) fn timeless(tree: &Tree) -> Tree {
    tree.iter()
        .map(|(path, node)| (path.clone(), Node { modified: None, ..node.clone() }))
        .collect()
}

/// The differences, for people; empty when there are none.
pub(crate) fn differences(what: &str, expected: &Tree, found: &Tree) -> Vec<String> {
    let mut all = vec![];
    for (path, node) in expected {
        match found.get(path) {
            None => all.push(format!("{what}: {path} is missing")),
            Some(other) if other != node => {
                all.push(format!("{what}: {path} is {other:?}, expected {node:?}"));
            }
            Some(_) => {}
        }
    }
    let extra = found.keys().filter(|path| !expected.contains_key(*path));
    all.extend(extra.map(|path| format!("{what}: {path} is too much")));
    all
}

/// Copies a tree with rights and times.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let source = entry?.path();
        let target = to.join(source.file_name().unwrap_or_default());
        let seen = fs::symlink_metadata(&source)?;
        if seen.is_dir() {
            copy(&source, &target)?;
        } else if seen.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else {
            fs::copy(&source, &target)?;
            fs::File::open(&target)?.set_modified(seen.modified()?)?;
        }
    }
    let mode = fs::metadata(from)?.permissions().mode();
    Ok(fs::set_permissions(to, fs::Permissions::from_mode(mode))?)
}

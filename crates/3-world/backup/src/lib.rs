//! files and databases as one snapshot; verify, restore.

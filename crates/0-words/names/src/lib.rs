//! The words that every other room uses: typed names, digests, builds and sizes.
//!
//! Here: types that make a mistake impossible to write, and the rules of their text form.
//! Deliberately not here: any verb, any I/O, any ordering between builds.
//! Called by: everybody.
//!
//! Invariants:
//! 1. A value that exists is valid: parsing is the only way in, also through serde.
//! 2. Text form round-trips: `T::parse(x.to_string()) == x`.
//! 3. Builds are equal or not equal; only a published edge says that one can follow another.

mod coded;
mod counted;
mod digest;
mod name;
mod size;
mod span;
mod time_class;

pub use coded::{Coded, ErrorClass, chain};
pub use counted::counted;
pub use digest::{ChunkId, Digest, DigestError, DigestReader};
pub use name::{
    BuildId, ComponentName, HostName, NameError, ParameterName, PartName, PersonName, ProductName,
    RoleName, RolloutName, RunbookName, SiteName, StepId, SwitchName, TargetName, TreePath,
    TreePathError, WaveName, WindowName,
};
pub use size::{ByteSize, Generation, Percent, SizeError};
pub use span::span;
pub use time_class::TimeClass;

//! What packs, runbooks, records and catalogues may say.

mod manifests;
mod museum;
mod page;
mod paths;
mod records;
mod runbooks;
mod schemas;

//! TUF client and mirror over content.

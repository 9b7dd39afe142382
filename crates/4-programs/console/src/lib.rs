//! web console over the same services as the API.

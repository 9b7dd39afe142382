//! typed client of protocol with retries and identity.

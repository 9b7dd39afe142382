//! What people hold in their hands: the certificate when a host is done, and before that approach document, project plan,
//! spreadsheet and calendar of a plan.
//!
//! Here: what a certificate says, its evidence digest, its signature, its check without any server, its pages; the
//! documents of a plan, as PDF and HTML with the same content.
//! Deliberately not here: who must sign and when it is final (`server` decides, this crate only writes it down), where keys
//! and certificates are stored.
//! Called by: server, command line, demo.
//!
//! Invariants:
//! 1. The evidence digest covers every measured value and person, and no party's signature: it is the same before and after people signed,
//!    in the JSON and in the PDF.
//! 2. The same input gives the same bytes, PDF included: nothing asks for time or randomness.
//! 3. Text of people reaches the pages as data, never as markup.

mod canonical;
pub mod certificate;
mod envelope;
mod key;
pub mod paper;
mod pdf;
mod verify;

pub use certificate::{CertificateError, CertificateInput, Statement, statement};
pub use envelope::sign;
pub use key::{KeyError, PublicKey, SigningKey};
pub use pdf::{PdfError, paper_pdf, pdf};
pub use verify::{ENVELOPE_BYTES_MAX, Verified, VerifyError, verify};

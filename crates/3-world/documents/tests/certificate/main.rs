//! Certificates hold, and every change of them is seen.

mod sample;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use refit_documents::certificate::CertificateInput;
use refit_documents::{PublicKey, SigningKey, VerifyError, pdf, sign, statement, verify};
use refit_names::{Coded, Digest};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn envelope(input: &CertificateInput) -> String {
    sign(&statement(input).unwrap(), &key(1)).unwrap()
}

/// Keeps a file in the build's scratch folder for whoever wants to look at it.
fn keep(name: &str, bytes: &[u8]) {
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), bytes).unwrap();
}

fn check(envelope: &str) -> Result<refit_documents::Verified, VerifyError> {
    verify(envelope.as_bytes(), &key(1).public().to_pem())
}

/// Changes the statement inside an envelope, and signs it again when `again` says with which key.
fn forge(input: &CertificateInput, again: Option<u8>, change: impl FnOnce(&mut Value)) -> String {
    let mut outer: Value = serde_json::from_str(&envelope(input)).unwrap();
    let payload = STANDARD.decode(outer["payload"].as_str().unwrap()).unwrap();
    let mut inner: Value = serde_json::from_slice(&payload).unwrap();
    change(&mut inner);
    if let Some(seed) = again {
        return sign(&serde_json::from_value(inner).unwrap(), &key(seed)).unwrap();
    }
    outer["payload"] = STANDARD.encode(inner.to_string()).into();
    outer.to_string()
}

#[test]
fn signed_certificate_holds_and_says_what_it_certifies() {
    let input = sample::signed();
    let verified = check(&envelope(&input)).unwrap();
    assert_eq!(verified.name, "north - web-07 - 2026-09-21");
    assert_eq!(verified.subject, "ledger@1200 on web-07");
    assert_eq!(verified.evidence, input.evidence_digest().unwrap());
    assert_eq!(verified.certificate, input);
    assert_eq!(envelope(&input), envelope(&input), "the same certificate gives the same bytes");
}

#[test]
fn certificate_that_was_kept_still_holds() {
    // Written by the first version. Certificates are checked years later: this file is never made anew.
    let kept = include_bytes!("kept.json");
    let verified = verify(kept, include_str!("kept.pub.pem")).unwrap();
    assert_eq!(verified.subject, "ledger@1200 on web-07");
}

#[test]
fn signatures_of_parties_do_not_change_the_evidence_digest() {
    let signed = sample::signed();
    let mut draft = signed.clone();
    draft.signatures.clear();
    assert_eq!(draft.evidence_digest().unwrap(), signed.evidence_digest().unwrap());
}

#[test]
fn change_after_signing_is_refused() {
    let changed = forge(&sample::signed(), None, |statement| {
        statement["predicate"]["evidence"]["run"]["downtime_ms"] = json!(1);
    });
    let error = check(&changed).unwrap_err();
    assert!(matches!(error, VerifyError::Signature { .. }), "{error}");
    assert_eq!(error.code(), "certificate.bad-signature");
}

#[test]
fn certificate_of_another_key_names_both_keys() {
    let other = forge(&sample::signed(), Some(2), |_| ());
    match check(&other).unwrap_err() {
        VerifyError::OtherKey { expected, found } => {
            assert_eq!(expected, key(1).public().id());
            assert_eq!(found, key(2).public().id().to_string());
        }
        error => panic!("{error}"),
    }
}

#[test]
fn key_id_is_never_trusted() {
    let mut outer: Value =
        serde_json::from_str(&forge(&sample::signed(), Some(2), |_| ())).unwrap();
    outer["signatures"][0]["keyid"] = json!(key(1).public().id().to_string());
    assert!(matches!(check(&outer.to_string()), Err(VerifyError::Signature { .. })));
    let good: Value = serde_json::from_str(&envelope(&sample::signed())).unwrap();
    let mut nameless = good.clone();
    nameless["signatures"][0]["keyid"] = json!("");
    assert!(check(&nameless.to_string()).is_ok());
    let mut unsigned = good;
    unsigned["signatures"] = json!([]);
    assert!(matches!(check(&unsigned.to_string()), Err(VerifyError::Unsigned { .. })));
}

#[test]
fn evidence_that_is_not_the_subjects_is_refused_even_when_signed() {
    let changed = forge(&sample::signed(), Some(1), |statement| {
        statement["subject"][0]["digest"]["sha256"] = json!(Digest::of(b"other").to_hex());
    });
    assert!(matches!(check(&changed), Err(VerifyError::EvidenceDigest { .. })));
}

#[test]
fn other_payloads_and_statements_are_refused() {
    let mut outer: Value = serde_json::from_str(&envelope(&sample::signed())).unwrap();
    outer["payloadType"] = json!("text/plain");
    assert!(matches!(check(&outer.to_string()), Err(VerifyError::PayloadType { .. })));
    let other = forge(&sample::signed(), Some(1), |statement| {
        statement["predicateType"] = json!("https://slsa.dev/provenance/v1");
    });
    assert!(matches!(
        check(&other),
        Err(VerifyError::OtherStatement { what: "predicateType", .. })
    ));
    let renamed = forge(&sample::signed(), Some(1), |statement| {
        statement["subject"][0]["name"] = json!("ledger@1300 on web-07");
    });
    assert!(matches!(check(&renamed), Err(VerifyError::OtherStatement { what: "subject", .. })));
    for text in [
        "",
        "{}",
        "[]",
        "\"x\"",
        r#"{"payload":"*","payloadType":"application/vnd.in-toto+json","signatures":[]}"#,
    ] {
        assert_eq!(check(text).unwrap_err().code(), "certificate.not-readable", "{text}");
    }
}

#[test]
fn certificate_without_the_hosts_journal_is_refused() {
    let mut input = sample::signed();
    input.evidence.journal.head = Digest::ZERO;
    assert!(matches!(check(&envelope(&input)), Err(VerifyError::NoJournal { .. })));
    input.evidence.journal.head = Digest::of(b"another journal");
    assert!(matches!(check(&envelope(&input)), Err(VerifyError::JournalHead { .. })));
}

#[test]
fn outcome_and_running_build_must_agree() {
    let mut input = sample::signed();
    input.evidence.run.build_after = "1100".parse().unwrap();
    assert!(matches!(check(&envelope(&input)), Err(VerifyError::Outcome { .. })));
}

#[test]
fn unfinished_certificate_names_who_has_not_signed() {
    let error = check(&envelope(&sample::rolled_back())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "certificate is partly signed, expected final; signatures missing of: application-owner"
    );
    let mut input = sample::signed();
    input.parties.clear();
    input.signatures.clear();
    assert!(matches!(
        check(&envelope(&input)),
        Err(VerifyError::NotFinal { found: "a draft", .. })
    ));
}

#[test]
fn keys_survive_their_pem_form() {
    let pem = key(1).to_pkcs8_pem().unwrap();
    let again = SigningKey::from_pkcs8_pem(&pem).unwrap();
    assert_eq!(again.public(), key(1).public());
    assert_eq!(PublicKey::from_pem(&again.public().to_pem()).unwrap(), again.public());
    assert!(PublicKey::from_pem(&pem).is_err(), "a private key is not a public key");
    let error = verify(envelope(&sample::signed()).as_bytes(), "no key").unwrap_err();
    assert_eq!(error.code(), "certificate.bad-key");
}

#[test]
fn pages_are_the_same_bytes_each_time_and_survive_hostile_text() {
    let input = sample::signed();
    let first = pdf(&input).unwrap();
    assert!(first.starts_with(b"%PDF-"));
    assert_eq!(first, pdf(&input).unwrap());
    let text = String::from_utf8_lossy(&first);
    assert!(text.contains("pdfaid:part"), "not PDF/A");
    let mut hostile = input;
    hostile.signatures[0].remark =
        "#panic() ] $x$ \\ *bold* @cite <l> \u{0} \u{202e} 漢字 #include \"/etc/passwd\""
            .to_owned();
    hostile.evidence.run.steps[0].note = "x".repeat(100_000);
    assert!(pdf(&hostile).is_ok());
}

#[test]
fn twelve_certificates_are_set_in_a_few_seconds() {
    let started = Instant::now();
    for n in 0..12 {
        let mut input = if n % 4 == 3 { sample::rolled_back() } else { sample::signed() };
        input.evidence.host = format!("web-{n:02}").parse().unwrap();
        let pages = pdf(&input).unwrap();
        keep(&format!("certificate-{n:02}.pdf"), &pages);
    }
    // About 0.4 s of CPU each in a debug build; the limit leaves room for a busy machine.
    assert!(started.elapsed() < Duration::from_secs(60), "took {:?}", started.elapsed());
}

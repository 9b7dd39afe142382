//! Signature version 4 of requests, as Amazon documents it.

use super::S3Place;
use aws_lc_rs::{digest, hmac};
use jiff::Timestamp;
use std::fmt::Write as _;

/// What is signed, besides the place.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// With a slash in front, as it stands in the address.
    pub(super) path: &'a str,
    /// Pairs sorted by name, not yet encoded.
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) host: &'a str,
    pub(super) body: &'a [u8],
}

/// Headers that make a request the key's.
pub(super) struct Signed {
    pub(super) date: String,
    pub(super) content: String,
    pub(super) authorization: String,
}

pub(super) fn sign(request: &Request<'_>, place: &S3Place, now: Timestamp) -> Signed {
    let (date, day) =
        (now.strftime("%Y%m%dT%H%M%SZ").to_string(), now.strftime("%Y%m%d").to_string());
    let content = hex(digest::digest(&digest::SHA256, request.body).as_ref());
    let names = "host;x-amz-content-sha256;x-amz-date";
    let canonical = format!(
        "{}\n{}\n{}\nhost:{}\nx-amz-content-sha256:{content}\nx-amz-date:{date}\n\n{names}\n{content}",
        request.method,
        request.path,
        query(request.query),
        request.host
    );
    let scope = format!("{day}/{}/s3/aws4_request", place.region);
    let canonical = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}");
    let mut key = format!("AWS4{}", place.secret_key).into_bytes();
    for part in [day.as_str(), place.region.as_str(), "s3", "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    let signature = hex(&mac(&key, text.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        place.access_key
    );
    Signed { date, content, authorization }
}

/// The query as it is signed and sent.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let pair =
        |(name, value): &(&str, &str)| format!("{}={}", encoded(name, ""), encoded(value, ""));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// Percent-encoded as the signature wants it; characters of `plain` stay.
pub(super) fn encoded(text: &str, plain: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for byte in text.bytes() {
        let letter = char::from(byte);
        if letter.is_ascii_alphanumeric() || "-_.~".contains(letter) || plain.contains(letter) {
            result.push(letter);
        } else {
            // Writing to a text cannot fail.
            let _ = write!(result, "%{byte:02X}");
        }
    }
    result
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not Amazon's own example, which signs a header more: checked against botocore's signer.
    #[test]
    fn signature_is_that_of_another_implementation() {
        let place = S3Place {
            bucket: "b".into(),
            prefix: String::new(),
            endpoint: "http://h:1".into(),
            region: "eu-north-1".into(),
            access_key: "AKIDEXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            authority: None,
        };
        let query = [("list-type", "2"), ("prefix", "a b/c")];
        let request = Request { method: "GET", path: "/b/", query: &query, host: "h:1", body: b"" };
        let signed = sign(&request, &place, "2026-01-02T03:04:05Z".parse().unwrap());
        assert_eq!(signed.date, "20260102T030405Z");
        assert!(signed.authorization.ends_with(SIGNATURE), "{}", signed.authorization);
    }

    const SIGNATURE: &str =
        "Signature=7208b2db2dd91bbc7bfd502d0eca1095f6ef50d47e5ba1186d0391c419bbae67";

    #[test]
    fn names_are_encoded_once() {
        assert_eq!(encoded("a b/ü~", "/"), "a%20b/%C3%BC~");
        assert_eq!(query(&[("prefix", "a/b")]), "prefix=a%2Fb");
    }
}

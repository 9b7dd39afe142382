//! Webhooks as Standard Webhooks has them: `webhook-id`, `webhook-timestamp`, `webhook-signature: v1,BASE64` over `ID.TIMESTAMP.BODY`.

use super::Fault;
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use reqwest::{StatusCode, redirect};
use std::time::Duration;
use url::Url;

/// What secrets begin with.
const SECRET_PREFIX: &str = "whsec_";
/// A receiver notes the event and answers; working on it comes later.
const TIME_MAX: Duration = Duration::from_secs(15);

/// A secret as people see it.
pub(super) fn secret_text(bytes: &[u8]) -> String {
    format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes))
}

/// The address must be one that can be posted to.
pub(super) fn check(url: &str) -> Result<(), String> {
    let parsed = Url::parse(url).map_err(|error| format!("`{url}` is not an address: {error}"))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(format!(
            "`{url}` has the scheme `{}`, expected http or https",
            parsed.scheme()
        ));
    }
    if parsed.host_str().is_none() {
        return Err(format!("`{url}` names no host"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err("the address carries a password, which everybody who lists channels would see"
            .to_owned());
    }
    Ok(())
}

/// `v1,BASE64`.
pub(super) fn signature(
    secret: &str,
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> Result<String, String> {
    let encoded = secret.strip_prefix(SECRET_PREFIX).ok_or("stored secret is none of a webhook")?;
    let key = STANDARD.decode(encoded).map_err(|error| error.to_string())?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    Ok(format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed))))
}

/// Posts once. Redirects are not followed: what is signed for one address is for nobody else.
pub(super) async fn post(
    url: &str,
    id: &str,
    now: Timestamp,
    secret: &str,
    body: Vec<u8>,
) -> Result<(), Fault> {
    let timestamp = now.as_second();
    let signature = signature(secret, id, timestamp, &body).map_err(Fault::new)?;
    let http = reqwest::Client::builder()
        .timeout(TIME_MAX)
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|error| Fault::new(refit_names::chain(&error)))?;
    let answer = http
        .post(url)
        .header("content-type", "application/json")
        .header("user-agent", concat!("refit/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature)
        .body(body)
        .send()
        .await
        .map_err(|error| Fault::new(refit_names::chain(&error.without_url())))?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        StatusCode::GONE => {
            Err(Fault { problem: "receiver answered 410 Gone".to_owned(), gone: true })
        }
        status => Err(Fault::new(format!("receiver answered {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_that_of_the_standard() {
        // The example of the specification's own libraries.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn address_that_cannot_be_posted_to_is_refused() {
        for url in ["", "ftp://x/y", "not an address", "https://user:secret@x/"] {
            assert!(check(url).is_err(), "{url}");
        }
        assert_eq!(check("https://hooks.example/refit"), Ok(()));
    }
}

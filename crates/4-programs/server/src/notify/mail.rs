//! Mails over SMTP: TLS from the start or with STARTTLS; in the clear to this machine only.

use super::Fault;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use refit_protocol::v1::{ChannelTarget, EventKind, Finding};
use refit_store::notify::{ChannelRow, EventRow};
use std::{net::IpAddr, time::Duration};
use url::{Host, Url};

/// How long a mail server may take for one answer.
const TIME_MAX: Duration = Duration::from_secs(20);

struct Server {
    host: String,
    port: u16,
    secure: Secure,
}

enum Secure {
    /// TLS from the first byte.
    Tls,
    /// TLS before anything is said.
    StartTls,
    /// This machine.
    Loopback,
}

fn server(smtp: &str) -> Result<Server, String> {
    let wrong = |what: &str| {
        format!(
            "`{smtp}` is not a mail server: {what}; expected smtps://HOST[:PORT] or smtp://HOST[:PORT]"
        )
    };
    let url = Url::parse(smtp).map_err(|error| wrong(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("user and password have their own fields"));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("no host"))?;
    // Other schemes than the web's keep addresses as names.
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        _ => plain == "localhost" || plain.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
    };
    let (secure, port) = match url.scheme() {
        "smtps" => (Secure::Tls, 465),
        "smtp" if loopback => (Secure::Loopback, 25),
        "smtp" => (Secure::StartTls, 587),
        other => return Err(wrong(&format!("the scheme is `{other}`"))),
    };
    Ok(Server { host: plain.to_owned(), port: url.port().unwrap_or(port), secure })
}

fn mailbox(what: &str, text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|error| format!("{what} `{text}` is not a mail address: {error}"))
}

pub(super) fn check(target: &ChannelTarget, password: Option<&str>) -> Result<(), String> {
    let ChannelTarget::Mail { address, from, smtp, user } = target else { return Ok(()) };
    mailbox("receiver", address)?;
    mailbox("sender", from)?;
    server(smtp)?;
    match (user, password) {
        (Some(_), None) => Err("a user without a password".to_owned()),
        (None, Some(_)) => Err("a password without a user".to_owned()),
        _ => Ok(()),
    }
}

pub(super) async fn send(
    target: &ChannelTarget,
    password: &str,
    channel: &ChannelRow,
    event: &EventRow,
) -> Result<(), Fault> {
    let ChannelTarget::Mail { address, from, smtp, user } = target else {
        return Err(Fault::new("channel is no mail"));
    };
    let Server { host, port, secure } = server(smtp).map_err(Fault::new)?;
    let parameters =
        || TlsParameters::new(host.clone()).map_err(|error| Fault::new(refit_names::chain(&error)));
    let tls = match secure {
        Secure::Tls => Tls::Wrapper(parameters()?),
        Secure::StartTls => Tls::Required(parameters()?),
        Secure::Loopback => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host)
        .port(port)
        .tls(tls)
        .timeout(Some(TIME_MAX));
    if let Some(user) = user {
        builder = builder.credentials(Credentials::new(user.clone(), password.to_owned()));
    }
    // The same on every try, so that a mail that came twice can be told by it.
    let id = format!("<{}.{}@refit>", event.id, channel.id);
    let message = Message::builder()
        .message_id(Some(id))
        .date(std::time::SystemTime::from(event.at))
        .from(mailbox("sender", from).map_err(Fault::new)?)
        .to(mailbox("receiver", address).map_err(Fault::new)?)
        .subject(subject(event))
        .header(ContentType::TEXT_PLAIN)
        .body(body(event))
        .map_err(|error| Fault::new(refit_names::chain(&error)))?;
    match builder.build().send(message).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new(refit_names::chain(&error))),
    }
}

fn subject(event: &EventRow) -> String {
    let count = event.findings.len();
    let servers: u64 = {
        let mut seen = std::collections::BTreeMap::new();
        for finding in &event.findings {
            if let Finding::Update { product, installed, servers, .. } = finding {
                seen.insert((product, installed), *servers);
            }
        }
        seen.values().sum()
    };
    match event.kind {
        EventKind::UpdatesAvailable => {
            format!("Refit: {count} new upgrade paths for {servers} servers")
        }
        EventKind::PackWithdrawn => format!("Refit: {count} packs in use were withdrawn"),
        EventKind::MetadataExpires => "Refit: repository metadata expire soon".to_owned(),
        EventKind::CheckFailed => "Refit: the repository cannot be checked".to_owned(),
        EventKind::AsksApplicationOwner
        | EventKind::AsksOperator
        | EventKind::AsksPlanner
        | EventKind::AsksApprover
        | EventKind::AsksAuthoriser
        | EventKind::AsksConfigurer => {
            let hosts: Vec<&str> = event.findings.iter().filter_map(asking).collect();
            format!("Refit: {} for your answer", waiting(&hosts))
        }
        EventKind::Test => "Refit: test".to_owned(),
    }
}

fn asking(finding: &Finding) -> Option<&str> {
    match finding {
        Finding::Question { host, .. } => Some(host.as_str()),
        _ => None,
    }
}

fn waiting(hosts: &[&str]) -> String {
    match hosts {
        [one] => format!("{one} waits"),
        many => format!("{} hosts wait", many.len()),
    }
}

fn body(event: &EventRow) -> String {
    let lines: Vec<String> = event.findings.iter().map(ToString::to_string).collect();
    format!("{}\r\n\r\nevent {}, found at {}\r\n", lines.join("\r\n"), event.id, event.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_in_the_clear_to_another_machine() {
        assert!(matches!(server("smtp://mail.example").unwrap().secure, Secure::StartTls));
        assert!(matches!(
            server("smtps://mail.example:4465").unwrap(),
            Server { secure: Secure::Tls, port: 4465, .. }
        ));
        for here in ["smtp://127.0.0.1:2525", "smtp://localhost", "smtp://[::1]:25"] {
            assert!(matches!(server(here).unwrap().secure, Secure::Loopback), "{here}");
        }
        for wrong in ["", "mail.example", "http://mail.example", "smtp://user:secret@mail.example"]
        {
            assert!(server(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn address_with_a_line_break_is_refused() {
        let mail = |address: &str| ChannelTarget::Mail {
            address: address.to_owned(),
            from: "refit@site.example".to_owned(),
            smtp: "smtp://localhost".to_owned(),
            user: None,
        };
        assert!(check(&mail("ops@site.example\r\nBcc: x@y.example"), None).is_err());
        assert!(check(&mail("nobody"), None).is_err());
        assert_eq!(check(&mail("ops@site.example"), None), Ok(()));
    }
}

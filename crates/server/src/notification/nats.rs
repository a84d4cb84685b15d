//! NATS: a message for each event, over the client protocol of its servers
//! (<https://docs.nats.io/reference/reference-protocols/nats-protocol>).
//!
//! A message is delivered when a stream says that it keeps it, or, without JetStream, when the server has answered a
//! PING that came after it.

mod wire;

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use coffer_crypto::random_array;
use http::Uri;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use self::wire::{Incoming, Wire};
use super::secret::Secret;
use super::{Message, Publisher, Session, hex};
use crate::config;
use crate::outbound::{self, OutboundTls};

/// A server, and a subject there.
pub(super) struct Nats(Arc<Server>);

struct Server {
    host: String,
    port: u16,
    /// Whether the settings ask for TLS; the server may do so too.
    wants_tls: bool,
    tls: OutboundTls,
    subject: String,
    jetstream: bool,
    login: Login,
}

enum Login {
    Nobody,
    Token(Secret),
    User(String, Secret),
}

impl Nats {
    /// The server of the settings.
    ///
    /// # Errors
    /// When a file cannot be read or holds what is of no use.
    pub(super) fn open(settings: &config::Nats) -> Result<Self> {
        let uri: Uri = settings.url.parse()?;
        let login = match (&settings.token_file, &settings.user, &settings.password_file) {
            (Some(path), ..) => Login::Token(Secret::read("token_file", path)?),
            (None, Some(user), Some(path)) => Login::User(user.clone(), Secret::read("password_file", path)?),
            (None, ..) => Login::Nobody,
        };
        Ok(Self(Arc::new(Server {
            host: uri.host().unwrap_or_default().to_owned(),
            port: uri.port_u16().unwrap_or(4222),
            wants_tls: uri.scheme_str() == Some("tls"),
            tls: OutboundTls::new("ca_file", settings.ca_file.as_deref())?,
            subject: settings.subject.clone(),
            jetstream: settings.jetstream,
            login,
        })))
    }
}

/// What a server says of itself.
#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    tls_required: bool,
    #[serde(default)]
    headers: bool,
}

/// What a stream says of a message that it was given.
#[derive(Deserialize)]
struct Acknowledgement {
    stream: Option<String>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: u16,
}

#[async_trait]
impl Publisher for Nats {
    async fn connect(&self) -> Result<Box<dyn Session>, String> {
        let server = &self.0;
        let mut wire = Wire::new(outbound::connect(&server.host, server.port, None).await?);
        let Incoming::Info(info) = wire.next().await? else { return Err("the server is none of NATS".to_owned()) };
        let info: Info = serde_json::from_slice(&info).map_err(|_| "the server's INFO cannot be read".to_owned())?;
        if server.jetstream && !info.headers {
            return Err("the server is too old for JetStream".to_owned());
        }
        let is_tls = server.wants_tls || info.tls_required;
        if is_tls {
            wire = Wire::new(outbound::secure(wire.into_stream()?, &server.host, &server.tls).await?);
        }
        if !is_tls && !matches!(server.login, Login::Nobody) && !is_this_machine(&server.host) {
            return Err("a password or token goes to other machines over TLS only".to_owned());
        }
        wire.send(&[&server.hello(is_tls)]).await?;
        let inbox = format!("_INBOX.{}", hex(&random_array::<16>()));
        if server.jetstream {
            wire.send(&[format!("SUB {inbox}.* 1\r\n").as_bytes()]).await?;
        }
        let mut open = Open { server: Arc::clone(server), wire, inbox, count: 0 };
        open.confirm().await?;
        Ok(Box::new(open))
    }
}

impl Server {
    /// CONNECT, with what the server asks for to let somebody in.
    fn hello(&self, is_tls: bool) -> Zeroizing<Vec<u8>> {
        let mut options = json!({
            "verbose": false,
            "pedantic": false,
            "tls_required": is_tls,
            "name": "coffer",
            "lang": "rust",
            "version": env!("CARGO_PKG_VERSION"),
            "protocol": 1,
            "headers": true,
            "no_responders": true,
        });
        match &self.login {
            Login::Nobody => {}
            Login::Token(token) => options["auth_token"] = token.expose().into(),
            Login::User(user, password) => {
                options["user"] = user.as_str().into();
                options["pass"] = password.expose().into();
            }
        }
        Zeroizing::new(format!("CONNECT {options}\r\n").into_bytes())
    }
}

struct Open {
    server: Arc<Server>,
    wire: Wire,
    /// Where acknowledgements go.
    inbox: String,
    /// Messages that were sent.
    count: u64,
}

#[async_trait]
impl Session for Open {
    async fn publish(&mut self, message: &Message) -> Result<(), String> {
        self.count += 1;
        let subject = &self.server.subject;
        if !self.server.jetstream {
            let head = format!("PUB {subject} {}\r\n", message.body.len());
            self.wire.send(&[head.as_bytes(), &message.body, b"\r\n"]).await?;
            return self.confirm().await;
        }
        let reply = format!("{}.{}", self.inbox, self.count);
        // A stream drops a message that it has had moments ago.
        let headers = format!("NATS/1.0\r\nNats-Msg-Id: {}\r\n\r\n", message.id);
        let (header_len, len) = (headers.len(), headers.len() + message.body.len());
        let head = format!("HPUB {subject} {reply} {header_len} {len}\r\n");
        self.wire.send(&[head.as_bytes(), headers.as_bytes(), &message.body, b"\r\n"]).await?;
        loop {
            match self.wire.next().await? {
                Incoming::Message { subject, has_status, body } if subject == reply => {
                    return if has_status { Err("no stream has the subject".to_owned()) } else { accepted(&body) };
                }
                Incoming::Message { .. } | Incoming::Info(_) | Incoming::Pong | Incoming::Ok => {}
                Incoming::Ping => self.wire.send(&[b"PONG\r\n"]).await?,
                Incoming::Error(error) => return Err(error),
            }
        }
    }
}

impl Open {
    /// Waits until the server has seen what was sent.
    async fn confirm(&mut self) -> Result<(), String> {
        self.wire.send(&[b"PING\r\n"]).await?;
        loop {
            match self.wire.next().await? {
                Incoming::Pong => return Ok(()),
                Incoming::Ping => self.wire.send(&[b"PONG\r\n"]).await?,
                Incoming::Info(_) | Incoming::Message { .. } | Incoming::Ok => {}
                Incoming::Error(error) => return Err(error),
            }
        }
    }
}

fn accepted(body: &[u8]) -> Result<(), String> {
    match serde_json::from_slice(body) {
        Ok(Acknowledgement { error: Some(Refusal { code }), .. }) => Err(format!("the stream refuses: {code}")),
        Ok(Acknowledgement { stream: Some(_), .. }) => Ok(()),
        _ => Err("the answer is not a stream's".to_owned()),
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stream_accepts() {
        assert_eq!(accepted(br#"{"stream":"S","seq":7}"#), Ok(()));
        assert_eq!(accepted(br#"{"stream":"S","seq":7,"duplicate":true}"#), Ok(()));
        for body in [&b""[..], b"+OK", b"{}", br#"{"error":{"code":503}}"#, br#"{"stream":"S","error":{}}"#] {
            assert!(accepted(body).is_err());
        }
    }

    #[test]
    fn passwords_stay_on_this_machine_without_tls() {
        for (host, expected) in
            [("localhost", true), ("127.0.0.1", true), ("[::1]", true), ("10.0.0.1", false), ("nats.example", false)]
        {
            assert_eq!(is_this_machine(host), expected, "{host}");
        }
    }
}

//! Webhooks: a POST for each event.
//!
//! Headers are those of Standard Webhooks (<https://www.standardwebhooks.com>), so that receivers can tell events apart
//! and verify them with libraries that there are.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use coffer_crypto::hmac_sha256;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::secret::Secret;
use super::{Message, Publisher, Session};
use crate::config;
use crate::outbound::{self, OutboundTls};

/// A receiver.
pub(super) struct Webhook(std::sync::Arc<Receiver>);

struct Receiver {
    uri: Uri,
    /// Of `https` alone.
    tls: Option<OutboundTls>,
    authorization: Option<HeaderValue>,
    signing_key: Option<Zeroizing<Vec<u8>>>,
}

impl Webhook {
    /// The receiver of the settings.
    ///
    /// # Errors
    /// When a file cannot be read or holds what is of no use.
    pub(super) fn open(settings: &config::Webhook) -> Result<Self> {
        let uri: Uri = settings.url.parse().context("`url` cannot be read")?;
        let is_tls = uri.scheme_str() == Some("https");
        let tls = is_tls.then(|| OutboundTls::new("ca_file", settings.ca_file.as_deref())).transpose()?;
        let authorization = settings.token_file.as_deref().map(|path| bearer(&Secret::read("token_file", path)?));
        let signing_key =
            settings.signing_key_file.as_deref().map(|path| signing_key(&Secret::read("signing_key_file", path)?));
        let (authorization, signing_key) = (authorization.transpose()?, signing_key.transpose()?);
        Ok(Self(std::sync::Arc::new(Receiver { uri, tls, authorization, signing_key })))
    }
}

fn bearer(token: &Secret) -> Result<HeaderValue> {
    let value = Zeroizing::new(format!("Bearer {}", token.expose()));
    let mut value = HeaderValue::from_str(&value).ok().context("`token_file`: it does not fit into a header")?;
    value.set_sensitive(true);
    Ok(value)
}

/// A key as Standard Webhooks has it, `whsec_` and base64, or the text as it is.
fn signing_key(secret: &Secret) -> Result<Zeroizing<Vec<u8>>> {
    let key = match secret.expose().strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).ok().context("`signing_key_file`: it is not `whsec_` and base64")?,
        None => secret.expose().as_bytes().to_vec(),
    };
    let key = Zeroizing::new(key);
    ensure!(key.len() >= MIN_KEY_LEN, "`signing_key_file`: it must hold at least {MIN_KEY_LEN} bytes");
    Ok(key)
}

#[async_trait]
impl Publisher for Webhook {
    async fn connect(&self) -> Result<Box<dyn Session>, String> {
        let receiver = &self.0;
        let authority = receiver.uri.authority().ok_or("the URL has no host")?;
        let port = authority.port_u16().unwrap_or(if receiver.tls.is_some() { 443 } else { 80 });
        let stream = outbound::connect(authority.host(), port, receiver.tls.as_ref()).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD_LEN);
        let (sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(|error| format!("HTTP: {error}"))?;
        let connection = Connection(tokio::spawn(async move {
            // Whoever waits for an answer hears of the failure.
            let _ = connection.await;
        }));
        Ok(Box::new(Open { receiver: std::sync::Arc::clone(receiver), sender, _connection: connection }))
    }
}

/// A connection that ends when it is dropped.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Open {
    receiver: std::sync::Arc<Receiver>,
    sender: SendRequest<Full<Bytes>>,
    _connection: Connection,
}

#[async_trait]
impl Session for Open {
    async fn publish(&mut self, message: &Message) -> Result<(), String> {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let request = self.receiver.request(message, now_s).map_err(|_| "the URL cannot be asked for".to_owned())?;
        self.sender.ready().await.map_err(|error| format!("HTTP: {error}"))?;
        let answer = self.sender.send_request(request).await.map_err(|error| format!("HTTP: {error}"))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("the answer is {status}"));
        }
        // What it says is of no interest, but the next request waits behind it. If it does not end, the next request
        // fails and is sent again over another connection.
        let _ = Limited::new(answer.into_body(), MAX_ANSWER_LEN).collect().await;
        Ok(())
    }
}

impl Receiver {
    fn request(&self, message: &Message, now_s: u64) -> http::Result<Request<Full<Bytes>>> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = self.uri.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::post(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "coffer")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now_s);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if let Some(key) = &self.signing_key {
            let signed = [format!("{}.{now_s}.", message.id).as_bytes(), &message.body].concat();
            let signature = STANDARD.encode(hmac_sha256(key, &signed));
            request = request.header("webhook-signature", format!("v1,{signature}"));
        }
        request.body(Full::from(message.body.clone()))
    }
}

/// The fewest bytes of a key that signs.
const MIN_KEY_LEN: usize = 24;
/// The most bytes of the head of an answer.
const MAX_HEAD_LEN: usize = 16 << 10;
/// The most bytes of an answer that are read to use the connection again.
const MAX_ANSWER_LEN: usize = 64 << 10;

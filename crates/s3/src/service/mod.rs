//! From an HTTP request to an HTTP response.

mod answer;
mod framing;
mod website;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use coffer_configuration::WebsiteConfiguration;
use coffer_sigv4::RequestParts;
use coffer_store::Clock;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body::Body;
use tracing::Instrument as _;

use crate::auth::{Authenticated, Authenticator, Identities, Principal};
use crate::body::{BoxError, Framing, RequestBody, Source};
use crate::cors::Crossing;
use crate::error::S3Error;
use crate::headers::Headers;
use crate::log::{RequestRecord, Requester, Signature};
use crate::post;
use crate::query::Query;
use crate::request::{Admitted, ConnectionInfo, FormDetails, S3Request, hoist_query};
use crate::response::{ResponseBody, S3Response};
use crate::route::{Operation, RequestLine, Route, route};
use crate::sse;
use crate::website::Websites;
use framing::framing;

/// What S3 does, once it is known who asks for what.
#[async_trait]
pub trait Operations: Send + Sync {
    /// Does what is asked, and nothing if it fails.
    ///
    /// The request stays with the service, which sees afterwards whether its body was read to the end.
    ///
    /// # Errors
    /// S3's own.
    async fn call(&self, request: &mut S3Request) -> Result<S3Response, S3Error>;

    /// What every answer to a request on `bucket` tells the browser of a page of another origin.
    async fn tell_origin(&self, bucket: &str, crossing: &Crossing) -> HeaderMap;

    /// What the website of `bucket` is.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchWebsiteConfiguration`.
    async fn website(&self, bucket: &str) -> Result<WebsiteConfiguration, S3Error>;
}

/// The settings of the service.
#[derive(Debug, Clone)]
pub struct ServiceSettings {
    /// The region that signatures must be for.
    pub region: String,
    /// The base domains of virtual-hosted buckets, lower-case.
    pub domains: Vec<String>,
    /// The hosts that are websites.
    pub websites: Websites,
    /// How long a client may send nothing while its body is waited for.
    pub idle: Duration,
}

/// S3 over HTTP.
pub struct S3Service<O> {
    operations: O,
    authenticator: Authenticator,
    settings: ServiceSettings,
    clock: Arc<dyn Clock>,
    host_id: Arc<str>,
}

/// An answer, and what it answers.
pub struct Answer {
    /// The name of the operation; `Unknown` if the request named none.
    pub operation: &'static str,
    /// The answer.
    pub response: Response<ResponseBody>,
}

impl<O: Operations> S3Service<O> {
    /// A service of `operations`.
    pub fn new(
        operations: O,
        identities: Arc<dyn Identities>,
        settings: ServiceSettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let authenticator = Authenticator::new(identities, settings.region.clone());
        Self { operations, authenticator, settings, clock, host_id: answer::host_id() }
    }

    /// Begins to keep a record of a request that came over `connection` just now.
    #[must_use]
    pub fn record(&self, connection: ConnectionInfo) -> Arc<RequestRecord> {
        Arc::new(RequestRecord::new(connection, Arc::clone(&self.host_id), self.clock.now_ms()))
    }

    /// The bucket whose website a request is to. Such a request is for nothing else on this server.
    #[must_use]
    pub fn website_bucket(&self, parts: &Parts) -> Option<String> {
        self.settings.websites.bucket(&host(&parts.headers, &parts.uri))
    }

    /// Answers one request. Errors are answers too. What the logs need to know of it is noted in its record.
    ///
    /// Nothing of the request gets into the diagnostic log: names and headers are the customer's.
    pub async fn handle<B>(&self, request: Request<B>, record: &Arc<RequestRecord>) -> Answer
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let span = tracing::debug_span!("request", id = record.request_id);
        let (parts, body) = request.into_parts();
        let is_head = parts.method == Method::HEAD;
        let source = Source::wire(body, self.settings.idle);
        let received = source.received();
        record.note_head(&parts);
        record.note_body(received.clone());
        // An empty body gets no 100 before its answer. botocore then takes the status of this answer for that of the
        // next request on the connection, and the next status line for a header: so there must be no next.
        let unexpected = received.is_complete() && expects_continue(&parts.headers);
        let (outcome, error_code) = match self.website_bucket(&parts) {
            Some(bucket) => {
                let host = host(&parts.headers, &parts.uri);
                let visited = self.visit(bucket, host, parts, record).instrument(span.clone()).await;
                (Ok(visited.response), visited.error_code)
            }
            None => {
                let outcome = self.answer(parts, source, record).instrument(span.clone()).await;
                let error_code = outcome.as_ref().err().map(S3Error::code).filter(|code| *code != NOT_MODIFIED);
                (outcome, error_code)
            }
        };
        let response = answer::response(outcome, record, is_head, received.is_complete() && !unexpected);
        record.note_answer(&response, error_code);
        let operation = record.operation().map_or("Unknown", Operation::name);
        let _in_span = span.enter();
        tracing::debug!(operation, status = response.status().as_u16(), elapsed = ?record.elapsed(), "answered");
        Answer { operation, response }
    }

    async fn answer(&self, parts: Parts, source: Source, record: &Arc<RequestRecord>) -> Result<S3Response, S3Error> {
        let Parts { method, uri, headers: mut map, .. } = parts;
        let host = host(&map, &uri);
        let query = Query::parse(uri.query().unwrap_or_default())?;
        let as_they_came = hoist_query(&query, &mut map)?;
        let headers = Headers::from(map);
        let (method_name, path) = (method.as_str(), uri.path());
        let line = RequestLine { method: method_name, host: &host, path, query: &query, headers: &headers };
        let route = route(&line, &self.settings.domains)?;
        record.note_operation(route.operation);
        record.note_names(route.bucket.as_deref(), route.key.as_deref());
        record.note_request_headers(headers.as_map());
        let told = self.tell_origin(&route, &headers, &method).await;
        let routed = Routed { method, uri, headers, as_they_came, query, route, host };
        with_headers(self.answer_to(routed, source, record).await, told)
    }

    /// What the answer tells the browser of a page of another origin, even if it is an error. A preflight is answered by
    /// its own operation.
    async fn tell_origin(&self, route: &Route, headers: &Headers, method: &Method) -> HeaderMap {
        let crossing = Crossing::of(headers, method.as_str()).filter(|_| route.operation != Operation::PreflightObject);
        match (&route.bucket, crossing) {
            (Some(bucket), Some(crossing)) => self.operations.tell_origin(bucket, &crossing).await,
            _ => HeaderMap::new(),
        }
    }

    async fn answer_to(
        &self,
        routed: Routed,
        source: Source,
        record: &Arc<RequestRecord>,
    ) -> Result<S3Response, S3Error> {
        let Routed { method, uri, headers, as_they_came, query, route, host } = routed;
        let now_ms = self.clock.now_ms();
        let signed =
            SignedParts { method: &method, uri: &uri, headers: as_they_came.as_ref().unwrap_or(headers.as_map()) };
        let authenticated = self.authenticate(signed, &host, route.operation, now_ms).await?;
        note_requester(record, &authenticated.principal);
        sse::check_transport(&headers, record.connection.secure)?;
        let (principal, signed) = (authenticated.principal.clone(), authenticated.signed);
        let framing = framing(&headers, authenticated)?;
        let request = S3Request {
            method,
            route,
            headers,
            query,
            principal,
            signed,
            now_ms,
            connection: record.connection,
            host,
            record: Arc::clone(record),
            form: None,
            body: RequestBody::empty(),
            admitted: Admitted::default(),
        };
        let mut request = self.with_body(request, source, framing).await?;
        let outcome = self.operations.call(&mut request).await;
        record.note_stored_len(request.body.received_len());
        outcome
    }

    async fn authenticate(
        &self,
        signed: SignedParts<'_>,
        host: &str,
        operation: Operation,
        now_ms: u64,
    ) -> Result<Authenticated, S3Error> {
        let mut headers: Vec<(&str, &[u8])> =
            signed.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        if !signed.headers.contains_key(header::HOST) {
            headers.push((header::HOST.as_str(), host.as_bytes()));
        }
        let (path, query) = (signed.uri.path(), signed.uri.query().unwrap_or_default());
        let request = RequestParts { method: signed.method.as_str(), path, query, headers: &headers };
        self.authenticator.authenticate(&request, operation, now_ms).await
    }

    /// Gives the request its body. A form becomes what a PutObject would be.
    async fn with_body(
        &self,
        request: S3Request,
        source: Source,
        (framing, announced_len): (Framing, Option<u64>),
    ) -> Result<S3Request, S3Error> {
        if request.route.operation != Operation::PostObject {
            return Ok(S3Request { body: RequestBody::new(source, framing, announced_len), ..request });
        }
        if !request.principal.is_anonymous() {
            return Err(S3Error::invalid_request("The signature of a POST must be in its form."));
        }
        let bucket = request.bucket_name().to_owned();
        let form = post::receive(source, &bucket, &request.headers, &self.authenticator, request.now_ms).await?;
        if let Some(signed) = form.signed {
            let version = if signed.version == coffer_sigv4::ALGORITHM { "SigV4" } else { "SigV2" };
            request.record.note_signature(Signature { method: "POST", version });
        }
        request.record.note_names(None, Some(&form.key));
        note_requester(&request.record, &form.principal);
        request.record.note_request_headers(form.headers.as_map());
        sse::check_transport(&form.headers, request.connection.secure)?;
        let file = RequestBody::new(Source::file(form.file), Framing::Plain { sha256: None }, None);
        Ok(S3Request {
            route: Route { bucket: Some(bucket), key: Some(form.key), operation: Operation::PostObject },
            headers: form.headers,
            principal: form.principal,
            signed: form.signed,
            form: Some(FormDetails { answer: form.answer, tagging: form.tagging }),
            body: file,
            ..request
        })
    }
}

/// A request of which it is known what it is about.
struct Routed {
    method: Method,
    uri: Uri,
    headers: Headers,
    /// The headers as they came, if others joined them.
    as_they_came: Option<HeaderMap>,
    query: Query,
    route: Route,
    host: String,
}

/// Adds headers to an answer, whatever it is.
fn with_headers(outcome: Result<S3Response, S3Error>, headers: HeaderMap) -> Result<S3Response, S3Error> {
    match outcome {
        Ok(mut response) => {
            response.headers.extend(headers);
            Ok(response)
        }
        Err(error) => {
            Err(headers.iter().fold(error, |error, (name, value)| error.with_header(name.clone(), value.clone())))
        }
    }
}

/// What a signature covers, as it came.
struct SignedParts<'a> {
    method: &'a Method,
    uri: &'a Uri,
    headers: &'a HeaderMap,
}

/// The host that the client asked.
fn host(headers: &HeaderMap, uri: &Uri) -> String {
    let header = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| uri.authority().map(Authority::as_str)).unwrap_or_default().to_owned()
}

/// Whether the client waits for a 100 (Continue) before it sends its body.
fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Notes who asks, if they said so.
fn note_requester(record: &RequestRecord, principal: &Principal) {
    if let Principal::Identity(identity) = principal {
        let (caller, access_key) = (Arc::clone(identity.caller()), identity.access_key().to_owned());
        record.note_requester(Requester { caller, access_key });
    }
}

/// The code of the answer that is no error.
const NOT_MODIFIED: &str = "NotModified";

#[cfg(test)]
mod tests;

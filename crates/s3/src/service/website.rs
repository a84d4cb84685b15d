//! Visits of a website: GET and HEAD of nobody in particular, answered with pages.

use std::sync::Arc;

use coffer_configuration::{Site, WebsiteConfiguration};
use http::header::{CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{Operations, S3Service};
use crate::body::RequestBody;
use crate::error::S3Error;
use crate::headers::Headers;
use crate::log::RequestRecord;
use crate::query::{Query, decode};
use crate::request::{Admitted, Principal, S3Request};
use crate::response::{ResponseBody, S3Response};
use crate::route::{Operation, Route};
use crate::website::{Asked, error_page, folder, location, stored_location};

/// A request to the website of a bucket.
struct Visit {
    parts: Parts,
    host: String,
    bucket: String,
    record: Arc<RequestRecord>,
}

/// What a visitor gets, and the error that it shows.
pub(super) struct Visited {
    pub(super) response: S3Response,
    pub(super) error_code: Option<&'static str>,
}

impl<O: Operations> S3Service<O> {
    /// Answers a visit. It is nobody's, whatever its headers say.
    pub(super) async fn visit(
        &self,
        bucket: String,
        host: String,
        parts: Parts,
        record: &Arc<RequestRecord>,
    ) -> Visited {
        let visit = Visit { parts, host, bucket, record: Arc::clone(record) };
        record.note_website();
        record.note_names(Some(&visit.bucket), None);
        let route = Route { bucket: Some(visit.bucket.clone()), key: None, operation: visit.operation() };
        let told = self.tell_origin(&route, &Headers::from(visit.parts.headers.clone()), &visit.parts.method).await;
        let mut visited = match self.page(&visit).await {
            Ok(visited) => visited,
            Err(error) => visit.show(&error, None),
        };
        visited.response.headers.extend(told);
        visited
    }

    async fn page(&self, visit: &Visit) -> Result<Visited, S3Error> {
        let key = decode(visit.parts.uri.path().strip_prefix('/').unwrap_or_default())?;
        match visit.parts.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => {
                let key = Some(key).filter(|key| !key.is_empty());
                return self.ask(visit, key, visit.parts.headers.clone()).await.map(Visited::from);
            }
            ref method => {
                return Err(S3Error::method_not_allowed(method.as_str(), "OBJECT", "GET, HEAD, OPTIONS".to_owned()));
            }
        }
        match self.operations.website(&visit.bucket).await? {
            WebsiteConfiguration::RedirectAll(to) => {
                Ok(redirect(StatusCode::MOVED_PERMANENTLY, &visit.asked().at(&to)).into())
            }
            WebsiteConfiguration::Site(site) => self.page_of(visit, &site, &key).await,
        }
    }

    async fn page_of(&self, visit: &Visit, site: &Site, key: &str) -> Result<Visited, S3Error> {
        if let Some(to) = site.redirect_before(key) {
            return Ok(redirect(status(to.status), &location(&to, &visit.asked())).into());
        }
        let error = match self.ask(visit, Some(site.document(key)), visit.conditions()).await {
            Ok(response) => return Ok(page_or_redirect(response).into()),
            Err(error) if !error.status().is_client_error() => return Err(error),
            Err(error) => error,
        };
        if self.is_folder(visit, site, key, &error).await {
            return Err(found(&folder(key)));
        }
        if let Some(to) = site.redirect_after(key, error.status().as_u16()) {
            return Ok(redirect(status(to.status), &location(&to, &visit.asked())).into());
        }
        Ok(self.error_document(visit, site, &error).await)
    }

    /// Whether `key`, which is not to be had, is a folder without its slash.
    async fn is_folder(&self, visit: &Visit, site: &Site, key: &str, error: &S3Error) -> bool {
        let missing = matches!(error.status(), StatusCode::NOT_FOUND | StatusCode::FORBIDDEN);
        match site.folder_document(key).filter(|_| missing) {
            Some(document) => self.look(visit, document).await.is_ok(),
            None => false,
        }
    }

    /// The document in the place of an error, or the page that says why there is none.
    async fn error_document(&self, visit: &Visit, site: &Site, error: &S3Error) -> Visited {
        let Some(key) = &site.error_key else { return visit.show(error, None) };
        match self.ask(visit, Some(key.clone()), visit.facts()).await {
            Err(of_document) => visit.show(error, Some(&of_document)),
            Ok(document) => {
                let mut response = page_or_redirect(document);
                if response.status == StatusCode::OK {
                    response.status = error.status();
                    response.headers.extend(described(error));
                }
                Visited { response, error_code: Some(error.code()) }
            }
        }
    }

    /// Whether nobody in particular may have the object `key`.
    async fn look(&self, visit: &Visit, key: String) -> Result<(), S3Error> {
        let mut request = self.request(visit, Operation::HeadObject, Some(key), visit.facts());
        self.operations.call(&mut request).await.map(drop)
    }

    /// Asks for an object as nobody in particular.
    async fn ask(&self, visit: &Visit, key: Option<String>, headers: HeaderMap) -> Result<S3Response, S3Error> {
        let mut request = self.request(visit, visit.operation(), key, headers);
        visit.record.note_operation(request.route.operation);
        visit.record.note_names(None, request.route.key.as_deref());
        self.operations.call(&mut request).await
    }

    fn request(&self, visit: &Visit, operation: Operation, key: Option<String>, headers: HeaderMap) -> S3Request {
        S3Request {
            method: if operation == Operation::HeadObject { Method::HEAD } else { visit.parts.method.clone() },
            route: Route { bucket: Some(visit.bucket.clone()), key, operation },
            headers: headers.into(),
            query: Query::default(),
            principal: Principal::Anonymous,
            signed: None,
            now_ms: visit.record.received_ms,
            connection: visit.record.connection,
            host: visit.host.clone(),
            record: Arc::clone(&visit.record),
            form: None,
            body: RequestBody::empty(),
            admitted: Admitted::default(),
        }
    }
}

impl Visit {
    fn operation(&self) -> Operation {
        match self.parts.method {
            Method::HEAD => Operation::HeadObject,
            Method::OPTIONS => Operation::PreflightObject,
            _ => Operation::GetObject,
        }
    }

    fn asked(&self) -> Asked<'_> {
        let (path, query) = (self.parts.uri.path(), self.parts.uri.query());
        Asked { secure: self.record.connection.secure, host: &self.host, path, query }
    }

    /// The headers that policies look at.
    fn facts(&self) -> HeaderMap {
        self.headers(&["referer", "user-agent"])
    }

    /// The same, and those that say which bytes of which object are wanted. Whatever else a visitor sends, a signature or
    /// a customer key say, means nothing to a website.
    fn conditions(&self) -> HeaderMap {
        self.headers(&[
            "if-match",
            "if-modified-since",
            "if-none-match",
            "if-unmodified-since",
            "range",
            "referer",
            "user-agent",
        ])
    }

    fn headers(&self, names: &[&'static str]) -> HeaderMap {
        let sent = &self.parts.headers;
        let values = |name: &&'static str| {
            let name = HeaderName::from_static(name);
            sent.get_all(&name).iter().map(move |value| (name.clone(), value.clone())).collect::<Vec<_>>()
        };
        let mut headers = HeaderMap::new();
        for (name, value) in names.iter().flat_map(values) {
            headers.append(name, value);
        }
        headers
    }

    /// The page of an error.
    fn show(&self, error: &S3Error, of_document: Option<&S3Error>) -> Visited {
        let mut response = S3Response::new(error.status());
        response.headers.extend(error.headers().iter().cloned());
        if error.status() == StatusCode::NOT_MODIFIED {
            return Visited { response, error_code: None };
        }
        response.headers.extend(described(error));
        response.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        let page = error_page(error, of_document, &self.record.request_id, &self.record.host_id);
        response.body = ResponseBody::Full(page.into());
        Visited { response, error_code: Some(error.code()) }
    }
}

impl From<S3Response> for Visited {
    fn from(response: S3Response) -> Self {
        Self { response, error_code: None }
    }
}

/// An error in headers, which those that see a document in its place can look at.
fn described(error: &S3Error) -> HeaderMap {
    let detail = |(name, value)| (format!("x-amz-error-detail-{name}"), value);
    let named = [("x-amz-error-code", error.code()), ("x-amz-error-message", error.message())];
    let named = named.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(error.elements().map(detail));
    let header =
        |(name, value): (String, &str)| Some((HeaderName::try_from(name).ok()?, HeaderValue::from_str(value).ok()?));
    named.filter_map(header).collect()
}

/// An object, or where the object says that its page is.
fn page_or_redirect(mut response: S3Response) -> S3Response {
    match response.headers.remove("x-amz-website-redirect-location") {
        None => response,
        Some(to) => redirect(StatusCode::MOVED_PERMANENTLY, &stored_location(to.as_bytes())),
    }
}

fn redirect(status: StatusCode, to: &str) -> S3Response {
    S3Response::new(status).with(LOCATION, to)
}

/// The page that says that a folder is elsewhere.
fn found(to: &str) -> S3Error {
    let to = HeaderValue::from_str(to).expect("a path is percent-encoded");
    S3Error::new(StatusCode::FOUND, "Found", "Resource Found").with_header(LOCATION, to)
}

/// The status of a rule, which was judged when the rule was put.
fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::MOVED_PERMANENTLY)
}

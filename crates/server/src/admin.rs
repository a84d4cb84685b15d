//! The admin listener: is the process alive, does it serve, and what has it counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::listen::{Answer, Client, Handler};
use crate::metrics::Metrics;

/// Whether requests are served: not yet at the start, and no longer once draining.
#[derive(Clone, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether requests are served from now on.
    pub(crate) fn set(&self, ready: bool) {
        self.0.store(ready, Relaxed);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Answers `/health/live`, `/health/ready` and `/metrics`.
pub(crate) struct Admin {
    /// What `/health/ready` says.
    pub(crate) readiness: Readiness,
    /// What `/metrics` shows.
    pub(crate) metrics: Arc<Metrics>,
}

impl Handler for Admin {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, _client: Client) -> Answer<Self::Body> {
        Answer { operation: "Admin", response: self.answer(request.method(), request.uri().path()) }
    }
}

impl Admin {
    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        }
        match path {
            "/health/live" => text(StatusCode::OK, "live\n".to_owned()),
            "/health/ready" if self.readiness.is_ready() => text(StatusCode::OK, "ready\n".to_owned()),
            "/health/ready" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
            "/metrics" => text(StatusCode::OK, self.metrics.render()),
            _ => text(StatusCode::NOT_FOUND, "see /health/live, /health/ready and /metrics\n".to_owned()),
        }
    }
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(admin: &Admin, method: Method, path: &str) -> u16 {
        admin.answer(&method, path).status().as_u16()
    }

    #[test]
    fn readiness_changes_and_liveness_does_not() {
        let admin = Admin { readiness: Readiness::default(), metrics: Arc::default() };
        assert_eq!(status(&admin, Method::GET, "/health/live"), 200);
        assert_eq!(status(&admin, Method::GET, "/health/ready"), 503);
        admin.readiness.set(true);
        assert_eq!(status(&admin, Method::GET, "/health/ready"), 200);
    }

    #[test]
    fn nothing_else_is_there_and_nothing_can_be_changed() {
        let admin = Admin { readiness: Readiness::default(), metrics: Arc::default() };
        assert_eq!(status(&admin, Method::GET, "/metrics"), 200);
        assert_eq!(status(&admin, Method::HEAD, "/metrics"), 200);
        assert_eq!(status(&admin, Method::GET, "/"), 404);
        assert_eq!(status(&admin, Method::GET, "/health"), 404);
        assert_eq!(status(&admin, Method::POST, "/metrics"), 405);
    }
}

//! The admin listener: is the process alive, does it serve, and what has it counted.

use std::sync::Arc;

use bytes::Bytes;
use coffer_meta::Engine;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::listen::{Answer, Client, Handler};
use crate::metrics::Metrics;

/// A key that no row has: asking for it costs one look-up.
const PROBE: &[u8] = b"";

/// Answers `/health/live`, `/health/ready` and `/metrics`.
pub(crate) struct Admin {
    /// What `/health/ready` asks: an engine that refuses work makes the server unready.
    pub(crate) engine: Arc<dyn Engine>,
    /// What `/metrics` shows.
    pub(crate) metrics: Arc<Metrics>,
}

impl Handler for Admin {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, _client: Client) -> Answer<Self::Body> {
        Answer { operation: "Admin", response: self.answer(request.method(), request.uri().path()).await, entry: None }
    }
}

impl Admin {
    async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        }
        match path {
            "/health/live" => text(StatusCode::OK, "live\n".to_owned()),
            "/health/ready" if self.engine.get(PROBE).await.is_ok() => text(StatusCode::OK, "ready\n".to_owned()),
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
    use coffer_meta::{EngineError, MemoryEngine};
    use coffer_testkit::{EngineCall, FailingEngine, Fault, When};

    use super::*;

    fn admin(engine: impl Engine + 'static) -> Admin {
        Admin { engine: Arc::new(engine), metrics: Arc::default() }
    }

    async fn status(admin: &Admin, method: Method, path: &str) -> u16 {
        admin.answer(&method, path).await.status().as_u16()
    }

    #[tokio::test]
    async fn a_working_engine_is_ready() {
        let admin = admin(MemoryEngine::new());
        assert_eq!(status(&admin, Method::GET, "/health/live").await, 200);
        assert_eq!(status(&admin, Method::GET, "/health/ready").await, 200);
    }

    #[tokio::test]
    async fn a_failed_engine_is_live_but_not_ready() {
        let engine = FailingEngine::new(MemoryEngine::new());
        engine.faults().inject(When::Every(EngineCall::Get), Fault::Fail(|| EngineError::NoSpace.into()));
        let admin = admin(engine);
        assert_eq!(status(&admin, Method::GET, "/health/live").await, 200);
        assert_eq!(status(&admin, Method::GET, "/health/ready").await, 503);
    }

    #[tokio::test]
    async fn nothing_else_is_there_and_nothing_can_be_changed() {
        let admin = admin(MemoryEngine::new());
        assert_eq!(status(&admin, Method::GET, "/metrics").await, 200);
        assert_eq!(status(&admin, Method::HEAD, "/metrics").await, 200);
        assert_eq!(status(&admin, Method::GET, "/").await, 404);
        assert_eq!(status(&admin, Method::GET, "/health").await, 404);
        assert_eq!(status(&admin, Method::POST, "/metrics").await, 405);
    }
}

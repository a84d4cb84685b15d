use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::shutdown::{self, Trigger};

/// Answers `/slow` when told to, `/early` without reading the body, and anything else with the body's length.
struct Fake {
    started: mpsc::UnboundedSender<()>,
    go_on: Semaphore,
}

impl Handler for Fake {
    type Body = Full<Bytes>;

    async fn handle(&self, request: Request<Incoming>, _client: Client) -> Answer<Self::Body> {
        let mut response = Response::new(Full::from("done"));
        match request.uri().path() {
            "/slow" => {
                self.started.send(()).unwrap();
                self.go_on.acquire().await.unwrap().forget();
            }
            "/early" => {
                *response.status_mut() = http::StatusCode::FORBIDDEN;
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            "/panic" => panic!("as asked"),
            _ => {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                *response.body_mut() = Full::from(body.len().to_string());
            }
        }
        Answer { operation: "Fake", response, entry: None }
    }
}

struct Server {
    address: SocketAddr,
    handler: Arc<Fake>,
    started: mpsc::UnboundedReceiver<()>,
    trigger: Trigger,
    metrics: Arc<Metrics>,
    task: JoinHandle<()>,
}

async fn start(connections: usize) -> Server {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.address().unwrap();
    let (sender, started) = mpsc::unbounded_channel();
    let handler = Arc::new(Fake { started: sender, go_on: Semaphore::new(0) });
    let metrics = Arc::new(Metrics::default());
    let (trigger, shutdown) = shutdown::channel();
    let shared = Shared {
        idle: Duration::from_secs(30),
        connections: Arc::new(Semaphore::new(connections)),
        metrics: Arc::clone(&metrics),
    };
    let task = tokio::spawn(listener.serve(None, Arc::clone(&handler), shared, shutdown));
    Server { address, handler, started, trigger, metrics, task }
}

impl Server {
    async fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

async fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

/// Reads the head and the four bytes that the fake answers with.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    while !text.ends_with("done") {
        text.push(char::from(stream.read_u8().await.unwrap()));
    }
    text
}

#[tokio::test]
async fn draining_lets_a_request_in_flight_finish_and_takes_no_new_one() {
    let mut server = start(10).await;
    let stream = server.send(&get("/slow")).await;
    server.started.recv().await.unwrap();
    server.trigger.drain();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!server.task.is_finished());
    server.handler.go_on.add_permits(1);
    assert!(rest(stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    server.task.await.unwrap();
}

#[tokio::test]
async fn draining_closes_idle_connections() {
    let server = start(10).await;
    let mut stream = server.send(&get("/early2")).await;
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    let silent = TcpStream::connect(server.address).await.unwrap();
    server.trigger.drain();
    server.task.await.unwrap();
    rest(stream).await;
    drop(silent);
}

#[tokio::test]
async fn closing_cuts_what_does_not_finish() {
    let mut server = start(10).await;
    let stream = server.send(&get("/slow")).await;
    server.started.recv().await.unwrap();
    server.trigger.close();
    server.task.await.unwrap();
    assert_eq!(rest(stream).await, "");
}

#[tokio::test]
async fn an_answer_before_the_end_of_a_large_body_reaches_the_client() {
    let server = start(10).await;
    let head = "PUT /early HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\n\r\n";
    let mut stream = server.send(head).await;
    stream.write_all(&vec![0; 8 << 20]).await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 403 Forbidden\r\n"));
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let server = start(10).await;
    server.handler.go_on.add_permits(2);
    let mut stream = server.send(&get("/slow")).await;
    answer(&mut stream).await;
    stream.write_all(get("/slow").as_bytes()).await.unwrap();
    answer(&mut stream).await;
    assert!(server.metrics.render().contains("coffer_connections_total 1\n"));
}

#[tokio::test]
async fn a_panic_ends_its_connection_only() {
    let server = start(10).await;
    assert_eq!(rest(server.send(&get("/panic")).await).await, "");
    server.handler.go_on.add_permits(1);
    let mut stream = server.send(&get("/slow")).await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let server = start(1).await;
    server.handler.go_on.add_permits(2);
    let mut first = server.send(&get("/slow")).await;
    answer(&mut first).await;
    let mut second = server.send(&get("/slow")).await;
    assert!(server.metrics.render().contains("coffer_connections_open 1\n"));
    drop(first);
    answer(&mut second).await;
    assert!(server.metrics.render().contains("coffer_connections_open 1\n"));
}

#[tokio::test]
async fn oversized_and_malformed_heads_are_refused() {
    let server = start(10).await;
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "a".repeat(MAX_HEAD_LEN));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS));
    for (request, status) in [(long.as_str(), "431"), (&many, "431"), ("nonsense\r\n\r\n", "400")] {
        let text = rest(server.send(request).await).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {text}");
    }
}

#[tokio::test]
async fn requests_are_counted_when_their_answer_has_gone_out() {
    let server = start(10).await;
    let text =
        rest(server.send("PUT /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc").await);
    assert!(text.await.ends_with('3'));
    server.trigger.drain();
    server.task.await.unwrap();
    let text = server.metrics.render();
    assert!(text.contains("coffer_requests_total{operation=\"Fake\",status=\"2xx\"} 1\n"), "{text}");
    assert!(text.contains("coffer_requests_in_flight 0\n") && text.contains("coffer_connections_open 0\n"), "{text}");
}

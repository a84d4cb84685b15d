use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use super::*;

/// A server that, connection by connection, answers each request with the next of `replies` and then closes.
fn server(connections: &'static [&'static [&'static [u8]]]) -> (Endpoint, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        for replies in connections {
            let (mut socket, _) = listener.accept().unwrap();
            for reply in *replies {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    socket.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                socket.write_all(reply).unwrap();
            }
        }
    });
    (Endpoint { address, host: address.to_string(), tls: None }, thread)
}

fn get(connection: &mut Connection, is_head: bool) -> Result<(Reply, Vec<u8>), ExchangeError> {
    let mut body = Vec::new();
    let request = b"GET / HTTP/1.1\r\n\r\n";
    let reply = connection.exchange(request, b"", is_head, &mut |piece| body.extend_from_slice(piece))?;
    Ok((reply, body))
}

#[test]
fn replies_follow_each_other_on_one_connection() {
    let (endpoint, server) = server(&[&[
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ]]);
    let mut connection = Connection::open(endpoint).unwrap();
    assert_eq!(get(&mut connection, false).unwrap().1, b"abc");
    assert_eq!(get(&mut connection, false).unwrap().1, b"de");
    assert_eq!(get(&mut connection, false).unwrap().0.status, 204);
    server.join().unwrap();
}

#[test]
fn a_closed_connection_is_opened_again() {
    let (endpoint, server) = server(&[
        &[b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na"],
        &[b"HTTP/1.1 200 OK\r\n\r\nuntil the end"],
    ]);
    let mut connection = Connection::open(endpoint).unwrap();
    assert_eq!(get(&mut connection, false).unwrap().1, b"a");
    assert_eq!(get(&mut connection, false).unwrap().1, b"until the end");
    server.join().unwrap();
}

#[test]
fn a_head_reply_has_no_body_whatever_it_announces() {
    let (endpoint, server) = server(&[&[
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
    ]]);
    let mut connection = Connection::open(endpoint).unwrap();
    assert_eq!(get(&mut connection, true).unwrap().0.body_len, 0);
    assert_eq!(get(&mut connection, false).unwrap().1, b"a");
    server.join().unwrap();
}

#[test]
fn a_truncated_body_is_an_error() {
    let (endpoint, server) = server(&[&[b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc"]]);
    let mut connection = Connection::open(endpoint).unwrap();
    assert!(matches!(get(&mut connection, false), Err(ExchangeError::Io(_))));
    server.join().unwrap();
}

#[test]
fn bytes_behind_the_body_are_an_error() {
    let (endpoint, server) = server(&[&[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc"]]);
    let mut connection = Connection::open(endpoint).unwrap();
    assert!(matches!(get(&mut connection, false), Err(ExchangeError::TooLong)));
    server.join().unwrap();
}

#[test]
fn the_body_of_an_error_is_kept_apart() {
    let (endpoint, server) = server(&[&[b"HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\ndenied"]]);
    let mut connection = Connection::open(endpoint).unwrap();
    let (reply, body) = get(&mut connection, false).unwrap();
    assert_eq!((reply.status, reply.excerpt.as_str(), body.len()), (403, "denied", 0));
    server.join().unwrap();
}

//! Asking the running server.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::UnixStream;

use super::command::Command;
use super::path;
use super::protocol::{Line, MAX_ANSWER_LEN, PATH, Report};

/// Nobody listens at the control socket.
#[derive(Debug, Error)]
#[error("nobody listens at the control socket {}", .0.display())]
pub(super) struct NoServer(PathBuf);

/// Has the server at `socket` carry out a command, and calls `show` with how far it is.
///
/// # Errors
/// [`NoServer`]; what the server says; a sentence for a person.
pub(super) async fn send(socket: &Path, command: &Command, show: impl Fn(&str)) -> Result<Report> {
    path::check(socket)?;
    let stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => anyhow!(NoServer(socket.to_owned())),
        io::ErrorKind::PermissionDenied => {
            anyhow!("you may not use the control socket {}: it is its owner's and root's", socket.display())
        }
        _ => anyhow!(error).context(format!("the control socket {} cannot be used", socket.display())),
    })?;
    let broken = "the connection to the server broke; what was begun goes on or can be asked for again";
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.context(broken)?;
    // It ends with the answer, and an error of it shows there.
    tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::POST)
        .uri(PATH)
        .header(header::HOST, "localhost")
        .body(Full::new(Bytes::from(serde_json::to_vec(command)?)))?;
    let answer = sender.send_request(request).await.context(broken)?;
    let last = read(answer.into_body(), show).await.context(broken)?;
    match last {
        Line::Done(report) => Ok(report),
        Line::Error(why) => Err(anyhow!(why)),
        Line::Progress(_) => bail!(broken),
    }
}

/// Reads lines, shows those of progress, and returns the last one.
async fn read(mut body: Incoming, show: impl Fn(&str)) -> Result<Line> {
    let (mut pending, mut read) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        read += data.len();
        if read > MAX_ANSWER_LEN {
            bail!("the answer is too long");
        }
        pending.extend_from_slice(&data);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            match serde_json::from_slice(&line)? {
                Line::Progress(text) => show(&text),
                last => return Ok(last),
            }
        }
    }
    bail!("the answer ends too early")
}

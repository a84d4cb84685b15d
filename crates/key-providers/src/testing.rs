//! Providers for tests: one in memory, and a server of scripted answers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use coffer_crypto::{AeadKey, Key32};
use coffer_keyring::{GenerationState, RootGeneration, WrapContext};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use crate::http::{Connect, Connection};
use crate::provider::{CallError, Encrypted, Kind, Provider, associated_data};

/// What the provider in memory does instead of what it should, once.
pub(crate) enum Odd {
    Fail(CallError),
    Hang,
    /// Encrypts or decrypts to these bytes.
    Answer(Vec<u8>),
}

/// A provider in memory.
pub(crate) struct Memory {
    key: AeadKey,
    pub(crate) generation: AtomicU32,
    /// For the next calls, one each.
    pub(crate) odd: Mutex<VecDeque<Odd>>,
    pub(crate) calls: AtomicU32,
}

impl Default for Memory {
    fn default() -> Self {
        let key = AeadKey::new(&Key32::generate());
        Self { key, generation: AtomicU32::new(1), odd: Mutex::default(), calls: AtomicU32::new(0) }
    }
}

impl Memory {
    pub(crate) fn next(&self, odd: impl IntoIterator<Item = Odd>) {
        self.odd.lock().unwrap().extend(odd);
    }

    async fn odd(&self) -> Result<Option<Vec<u8>>, CallError> {
        self.calls.fetch_add(1, Relaxed);
        let odd = self.odd.lock().unwrap().pop_front();
        match odd {
            None => Ok(None),
            Some(Odd::Fail(error)) => Err(error),
            Some(Odd::Answer(bytes)) => Ok(Some(bytes)),
            Some(Odd::Hang) => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(None)
            }
        }
    }
}

#[async_trait]
impl Provider for Arc<Memory> {
    fn kind(&self) -> Kind {
        (**self).kind()
    }
    fn key(&self) -> String {
        (**self).key()
    }
    async fn encrypt(&self, context: &WrapContext, key: &Key32) -> Result<Encrypted, CallError> {
        (**self).encrypt(context, key).await
    }
    async fn decrypt(&self, context: &WrapContext, ciphertext: &[u8]) -> Result<Key32, CallError> {
        (**self).decrypt(context, ciphertext).await
    }
    async fn generations(&self) -> Result<Vec<RootGeneration>, CallError> {
        (**self).generations().await
    }
    async fn rotate(&self) -> Result<(), CallError> {
        (**self).rotate().await
    }
    async fn destroy_generation(&self, generation: u32) -> Result<(), CallError> {
        (**self).destroy_generation(generation).await
    }
}

#[async_trait]
impl Provider for Memory {
    fn kind(&self) -> Kind {
        Kind::Transit
    }

    fn key(&self) -> String {
        "memory".to_owned()
    }

    async fn encrypt(&self, context: &WrapContext, key: &Key32) -> Result<Encrypted, CallError> {
        let generation = self.generation.load(Relaxed);
        let ciphertext = match self.odd().await? {
            Some(bytes) => bytes,
            None => self.key.seal(&associated_data(context), key.expose()),
        };
        Ok(Encrypted { ciphertext, generation })
    }

    async fn decrypt(&self, context: &WrapContext, ciphertext: &[u8]) -> Result<Key32, CallError> {
        let opened = match self.odd().await? {
            Some(bytes) => bytes,
            None => self.key.open(&associated_data(context), ciphertext).map_err(|_| CallError::WrongKey)?,
        };
        Key32::from_slice(&opened).ok_or_else(|| CallError::unavailable("garbage"))
    }

    async fn generations(&self) -> Result<Vec<RootGeneration>, CallError> {
        self.odd().await?;
        let newest = self.generation.load(Relaxed);
        let state = |generation| match generation == newest {
            true => GenerationState::Active,
            false => GenerationState::DecryptOnly,
        };
        Ok((1..=newest)
            .map(|generation| RootGeneration { generation, state: state(generation), created: None })
            .collect())
    }

    async fn rotate(&self) -> Result<(), CallError> {
        self.odd().await?;
        self.generation.fetch_add(1, Relaxed);
        Ok(())
    }

    async fn destroy_generation(&self, _: u32) -> Result<(), CallError> {
        self.odd().await.map(drop)
    }
}

/// What a scripted server does with a request.
pub(crate) enum Reply {
    /// A status and a body.
    Answer(u16, String),
    /// Bytes as they are, and the end of the connection.
    Raw(Vec<u8>),
}

/// A server whose answers are given beforehand, and which keeps what it was asked.
#[derive(Default)]
pub(crate) struct Script {
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        Arc::new(Self { replies: Mutex::new(replies.into_iter().collect()), asked: Mutex::default() })
    }

    pub(crate) fn answers(answers: &[(u16, &str)]) -> Arc<Self> {
        Self::new(answers.iter().map(|(status, body)| Reply::Answer(*status, (*body).to_owned())))
    }

    /// The requests so far, heads and bodies.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    async fn serve(self: Arc<Self>, mut stream: DuplexStream) {
        while let Some(request) = read_request(&mut stream).await {
            self.asked.lock().unwrap().push(request);
            let reply = self.replies.lock().unwrap().pop_front();
            match reply {
                Some(Reply::Answer(status, body)) => {
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len());
                    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                }
                Some(Reply::Raw(bytes)) => return stream.write_all(&bytes).await.unwrap(),
                None => return,
            }
        }
    }
}

async fn read_request(stream: &mut DuplexStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let len = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= len.unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(len) => bytes.extend_from_slice(&piece[..len]),
        }
    }
}

/// Connects to a script.
pub(crate) struct To(pub(crate) Arc<Script>);

#[async_trait]
impl Connect for To {
    async fn connect(&self, _: &str, _: u16, _: bool) -> Result<Box<dyn Connection>, String> {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(Arc::clone(&self.0).serve(theirs));
        Ok(Box::new(ours))
    }
}

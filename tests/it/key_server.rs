//! A tiny HTTP server that publishes a key set, well or badly.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How it answers.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// These keys.
    Keys(Vec<Value>),
    /// This text as the whole answer after the status line.
    Raw(String),
    /// As many bytes of JSON.
    Huge(usize),
    /// Headers, then a byte now and then, for ever.
    Trickling,
    /// Nothing.
    Silent,
}

pub(crate) struct KeyServer {
    address: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl KeyServer {
    pub(crate) async fn start(manner: Manner) -> Self {
        Self::listen(manner, None).await
    }

    /// Over TLS, with a certificate for `localhost`.
    pub(crate) async fn secure(manner: Manner, tls: tokio_rustls::TlsAcceptor) -> Self {
        Self::listen(manner, Some(tls)).await
    }

    async fn listen(manner: Manner, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let manner = Arc::new(Mutex::new(manner));
        let asked = Arc::new(AtomicUsize::new(0));
        let (now, count) = (Arc::clone(&manner), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (now, count, tls) = (Arc::clone(&now), Arc::clone(&count), tls.clone());
                tokio::spawn(async move {
                    // A client that hangs up early is no failure of this server.
                    let _ = match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => answer(stream, &now, &count).await,
                            Err(error) => Err(error),
                        },
                        None => answer(stream, &now, &count).await,
                    };
                });
            }
        });
        Self { address, manner, asked, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn behaves(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// Requests so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    manner: &Mutex<Manner>,
    asked: &AtomicUsize,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await?;
        request.push(byte);
    }
    asked.fetch_add(1, Ordering::SeqCst);
    let manner = manner.lock().unwrap().clone();
    let ok = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let text = match manner {
        Manner::Keys(keys) => ok(&json!({ "keys": keys }).to_string()),
        Manner::Raw(text) => format!("HTTP/1.1 {text}"),
        Manner::Huge(bytes) => ok(&format!("{{\"keys\":[],\"x\":\"{}\"}}", "a".repeat(bytes))),
        Manner::Trickling => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n").await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Manner::Silent => return std::future::pending().await,
    };
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

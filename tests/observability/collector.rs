//! A collector of traces that takes `POST /v1/traces`, OTLP over HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// The longest request.
const MAX_REQUEST: usize = 16 << 20;

/// One span as it was sent.
#[derive(Clone, Debug)]
pub struct Span {
    /// The service that sent it.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Its trace, in hexadecimal.
    pub trace: String,
    /// Its own id, in hexadecimal.
    pub id: String,
    /// Its parent; empty if it has none.
    pub parent: String,
    /// Its attributes, as text.
    pub attributes: Vec<(String, String)>,
}

impl Span {
    /// Returns the text of an attribute, empty if it has none of that name.
    pub fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }
}

/// A collector on loopback.
pub struct Collector {
    /// The address that it listens on.
    pub endpoint: String,
    spans: Arc<Mutex<Vec<Span>>>,
    _serving: AbortOnDropHandle<()>,
}

impl Collector {
    /// Starts to listen.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let spans = Arc::<Mutex<Vec<Span>>>::default();
        let taken = Arc::clone(&spans);
        let serving = tokio::spawn(async move {
            while let Ok((peer, _address)) = listener.accept().await {
                let taken = Arc::clone(&taken);
                tokio::spawn(async move {
                    if let Err(error) = converse(peer, &taken).await {
                        eprintln!("collector: {error:#}");
                    }
                });
            }
        });
        Ok(Self {
            endpoint,
            spans,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// Returns the spans that have arrived so far.
    pub fn spans(&self) -> Vec<Span> {
        lock(&self.spans).clone()
    }
}

fn lock(spans: &Mutex<Vec<Span>>) -> std::sync::MutexGuard<'_, Vec<Span>> {
    spans.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves the requests of one connection, until it ends.
async fn converse(mut peer: TcpStream, spans: &Mutex<Vec<Span>>) -> anyhow::Result<()> {
    let mut read = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            if peer.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
            anyhow::ensure!(read.len() < MAX_REQUEST, "a head without an end");
        };
        let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
        anyhow::ensure!(text.starts_with("post /v1/traces "), "asked for {text}");
        anyhow::ensure!(
            text.contains("content-type: application/x-protobuf"),
            "not protobuf: {text}"
        );
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length
            .ok_or_else(|| anyhow::anyhow!("no length: {text}"))?
            .trim()
            .parse()?;
        anyhow::ensure!(length < MAX_REQUEST, "too long");
        while read.len() < head + length {
            anyhow::ensure!(peer.read_buf(&mut read).await? > 0, "cut off");
        }
        let request = ExportTraceServiceRequest::decode(&read[head..head + length])?;
        lock(spans).extend(flat(request));
        read.drain(..head + length);
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        peer.write_all(answer.as_bytes()).await?;
    }
}

fn flat(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in request.resource_spans {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let service = attributes
            .into_iter()
            .find(|pair| pair.key == "service.name");
        let service = service.map_or_else(String::new, |pair| text(pair.value));
        for span in resource
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans)
        {
            let attributes = span.attributes.into_iter();
            spans.push(Span {
                service: service.clone(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                attributes: attributes
                    .map(|pair| (pair.key, text(pair.value)))
                    .collect(),
            });
        }
    }
    spans
}

fn text(value: Option<opentelemetry_proto::tonic::common::v1::AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

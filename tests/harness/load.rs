//! A light HTTP client, of which many fit on the machine that they load.

use std::time::Instant;

use anyhow::Context;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::http::Answer;
use super::wait::SOON;

/// Posts `body` to `path` at `address` (host and port), with an API key or without, over a connection
/// of its own.
pub async fn post(
    address: &str,
    path: &str,
    key: Option<&str>,
    body: &str,
) -> anyhow::Result<Answer> {
    let asked = Instant::now();
    let raw = timeout(SOON, exchange(address, path, key, body))
        .await
        .context("no answer")??;
    let took = asked.elapsed();
    let (head, raw) = raw.split_once("\r\n\r\n").context("not HTTP")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let header = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_it = name.eq_ignore_ascii_case(wanted);
            is_it.then(|| value.trim().to_owned())
        })
    };
    Ok(Answer {
        status,
        body: serde_json::from_str(raw).unwrap_or(Value::Null),
        raw: raw.to_owned(),
        retry_after: header("retry-after"),
        job_id: header("x-job-id"),
        took,
    })
}

async fn exchange(
    address: &str,
    path: &str,
    key: Option<&str>,
    body: &str,
) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let key = key.map_or_else(String::new, |key| {
        format!("authorization: Bearer {key}\r\n")
    });
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n{key}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).await?;
    Ok(String::from_utf8(raw)?)
}

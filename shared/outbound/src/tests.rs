//! Requests to rude servers on loopback: long answers, slow answers, redirects.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use warren_protocol::limits::ByteSize;

use super::{ClientError, blocking_client, client_builder, command_builder, read_bounded};

/// The bound of a request that a rude server keeps waiting.
const BOUND: Duration = Duration::from_millis(500);
/// The bound of every other request: it only ends a test that hangs.
const SOON: Duration = Duration::from_secs(60);

/// A server that gives every connection the same treatment, and counts them.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn with(answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                counted.fetch_add(1, Ordering::Relaxed);
                let mut stream = stream.unwrap();
                read_request(&mut stream);
                // The client may hang up first.
                let _closed = answer(&mut stream);
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Answers with this head and body, and closes the connection.
    fn saying(head: &'static str, body: Vec<u8>) -> Self {
        Self::with(move |stream| {
            write!(stream, "HTTP/1.1 {head}\r\nconnection: close\r\n\r\n")?;
            stream.write_all(&body)
        })
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

/// Reads to the end of the request's head; none of these requests has a body.
fn read_request(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
}

async fn body_of(server: &Server, limit: ByteSize) -> Result<Vec<u8>, ClientError> {
    let client = client_builder(SOON)?.build()?;
    read_bounded(client.get(server.url()).send().await?, limit).await
}

#[tokio::test]
async fn an_answer_may_be_as_long_as_its_limit_and_no_longer() {
    // Without a length the client cannot know before it has read too much.
    let exact = Server::saying("200 OK", vec![b'x'; 1024]);
    assert_eq!(
        body_of(&exact, ByteSize::kib(1)).await.unwrap(),
        vec![b'x'; 1024]
    );
    let longer = Server::saying("200 OK", vec![b'x'; 1025]);
    let error = body_of(&longer, ByteSize::kib(1)).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLong(_)), "{error:?}");
    assert_eq!(error.to_string(), "the answer is longer than 1024 bytes");
}

#[tokio::test]
async fn an_endless_answer_is_given_up_at_its_limit() {
    let endless = Server::with(|stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 4096])?;
        }
    });
    let error = body_of(&endless, ByteSize::kib(64)).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLong(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error_and_not_a_short_body() {
    let broken = Server::saying("200 OK\r\ncontent-length: 100", vec![b'x'; 50]);
    let error = body_of(&broken, ByteSize::kib(1)).await.unwrap_err();
    assert!(matches!(error, ClientError::Http(_)), "{error:?}");
}

#[tokio::test]
async fn the_bound_covers_the_body_too() {
    // Each byte comes in time, the whole never does.
    let dribbling = Server::with(|stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
        loop {
            stream.write_all(b"x")?;
            thread::sleep(BOUND / 10);
        }
    });
    let client = client_builder(BOUND).unwrap().build().unwrap();
    let began = Instant::now();
    let read = async {
        // A busy machine may use the whole bound for the head already.
        let answer = client.get(dribbling.url()).send().await?;
        read_bounded(answer, ByteSize::kib(64)).await
    };
    let error = read.await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Http(error) if error.is_timeout()),
        "{error:?}"
    );
    assert!(began.elapsed() >= BOUND);
}

#[tokio::test]
async fn what_warren_sends_goes_nowhere_else() {
    let elsewhere = Server::saying("200 OK", Vec::new());
    let redirecting = redirect_to(&elsewhere);
    let client = client_builder(SOON).unwrap().build().unwrap();
    let answer = client.get(redirecting.url()).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(elsewhere.connections.load(Ordering::Relaxed), 0);
}

#[test]
fn of_the_commands_only_those_of_a_person_follow_a_redirect() {
    let elsewhere = Server::saying("200 OK", Vec::new());
    let redirecting = redirect_to(&elsewhere);
    let own = blocking_client(SOON).unwrap();
    assert_eq!(own.get(redirecting.url()).send().unwrap().status(), 302);
    assert_eq!(elsewhere.connections.load(Ordering::Relaxed), 0);
    let person = command_builder(SOON).unwrap().build().unwrap();
    assert_eq!(person.get(redirecting.url()).send().unwrap().status(), 200);
    assert_eq!(elsewhere.connections.load(Ordering::Relaxed), 1);
}

fn redirect_to(target: &Server) -> Server {
    let target = target.url();
    Server::with(move |stream| {
        write!(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: {target}\r\nconnection: close\r\n\r\n"
        )
    })
}

//! Posts a result although the API that took the job dies between two tries.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::harness::machine;
use crate::harness::rabbitmq::Vhost;
use crate::harness::wait::SOON;
use crate::harness::warren::Warren;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request that a receiver got.
struct Received {
    id: String,
    signature: String,
    body: Value,
}

/// Starts a receiver that answers each request with the next of these, and then with 204.
fn receiver(answers: &'static [&str]) -> (SocketAddr, mpsc::Receiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answers = answers.iter();
        for peer in listener.incoming() {
            let mut peer = peer.expect("a connection");
            let request = read(&peer);
            let answer = answers.next().unwrap_or(&"204 No Content");
            let head = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
            peer.write_all(head.as_bytes()).expect("it listens");
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (address, received)
}

fn read(peer: &TcpStream) -> Received {
    let mut peer = BufReader::new(peer);
    let header = |name: &str, head: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = peer.read_line(&mut head).expect("a head");
        assert!(read > 0, "broken off: {head}");
    }
    let length = header("content-length:", &head).parse().expect("a length");
    let mut body = vec![0; length];
    peer.read_exact(&mut body).expect("a body");
    Received {
        id: header("webhook-id:", &head),
        signature: header("webhook-signature:", &head),
        body: serde_json::from_slice(&body).expect("JSON"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_survives_the_api_that_owed_it() {
    let _machine = machine::alone().await;
    let vhost = Vhost::fresh().await;
    let (url, directory) = (vhost.amqp_url(), tempfile::tempdir().expect("a directory"));
    let variables = [
        ("RABBITMQ_URL", url.as_str()),
        ("WARREN_DATA_DIR", directory.path().to_str().expect("UTF-8")),
        ("WARREN_WEBHOOK_SECRET", SECRET),
        ("WARREN_CALLBACK_ALLOW", "127.0.0.0/8"),
        // Time enough to kill the API, on a busy machine too.
        ("WARREN_CALLBACK_RETRY_MS", "8000"),
    ];
    let worker = Warren::start("worker", &variables).await;
    let _worker = worker.expect("a worker starts");
    let mut api = Warren::start("api", &variables).await.expect("an API");

    let (address, received) = receiver(&["500 Internal Server Error"]);
    let mut job = crate::harness::http::program("python", "print('hello')");
    job["callbackUrl"] = json!(format!("http://{address}/hook"));
    // A late answer says where the result will be, and the callback is still posted.
    let answer = api.submit(&job).await.expect("an answer");
    let job_id = answer.job_id.clone().expect("it became a job");
    assert!(answer.status == 200 || answer.is_late(), "{}", answer.body);
    let first = received.recv_timeout(SOON).expect("a first try");
    api.until_logged("receiver did not accept the callback")
        .await;
    api.kill();
    assert!(received.try_recv().is_err(), "not killed between two tries");

    let other = Warren::start("api", &variables).await;
    let _other = other.expect("another API starts");
    let second = received.recv_timeout(SOON).expect("a second try");
    assert_eq!(first.id, job_id);
    assert_eq!((&second.id, &second.body), (&first.id, &first.body));
    assert!(second.signature.starts_with("v1,"), "{}", second.signature);
    assert_eq!(second.body["data"]["status"], "completed");
    assert_eq!(second.body["data"]["result"]["stdout"], "hello\n");
}

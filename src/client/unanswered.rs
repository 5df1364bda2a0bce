//! The advice for a request that got no answer, by its cause.

use std::error::Error;
use std::io::{self, ErrorKind};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A resolver that uses the system's lookup of names and marks its failures for [`unanswered`].
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            match tokio::net::lookup_host((name.as_str(), 0)).await {
                Ok(addresses) => Ok(Box::new(addresses.collect::<Vec<_>>().into_iter()) as Addrs),
                Err(error) => Err(Box::new(NoSuchHost(error)) as Box<dyn Error + Send + Sync>),
            }
        })
    }
}

/// A name that cannot be resolved.
#[derive(Debug)]
struct NoSuchHost(io::Error);

impl std::fmt::Display for NoSuchHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot resolve the name")
    }
}

impl Error for NoSuchHost {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Adds to the error of a request that `server` did not answer the advice for its cause.
pub fn unanswered(server: &str, error: reqwest::Error) -> anyhow::Error {
    let advice = if error.is_builder() {
        "that is not an address; set --server like http://127.0.0.1:5000"
    } else if error.is_timeout() {
        "it took too long; is it overloaded? see `warren health`"
    } else if any_cause(&error, |cause| cause.is::<NoSuchHost>()) {
        "there is no such host; correct --server"
    } else if any_cause(&error, is_refusal) {
        "nothing listens there; start a server with `warren up`, or name another with --server"
    } else if any_cause(&error, is_tls) {
        "its certificate or its TLS is not usable; for a server without TLS use http:// in --server"
    } else {
        "is it running? Start one with `warren up`"
    };
    anyhow::Error::new(error.without_url()).context(format!("no answer from {server}: {advice}"))
}

fn any_cause(error: &reqwest::Error, is: fn(&(dyn Error + 'static)) -> bool) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if is(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn is_refusal(cause: &(dyn Error + 'static)) -> bool {
    let io = cause.downcast_ref::<io::Error>();
    io.is_some_and(|io| io.kind() == ErrorKind::ConnectionRefused)
}

/// Returns whether the cause is an error of TLS. An I/O error holds the TLS error that it wraps as
/// its content, and not as its source.
fn is_tls(cause: &(dyn Error + 'static)) -> bool {
    let io = cause.downcast_ref::<io::Error>();
    let content = io.and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || content.is_some_and(|content| is_tls(content))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn advice(server: &str, within: Duration) -> String {
        let client = warren_outbound::command_builder(within).unwrap();
        let client = client.dns_resolver(Arc::new(SystemResolver)).build();
        let error = client.unwrap().get(server).send().unwrap_err();
        format!("{:?}", unanswered(server, error))
    }

    #[test]
    fn says_that_nothing_listens() {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let advice = advice(&format!("http://{port}"), Duration::from_secs(10));
        assert!(advice.contains("nothing listens there"), "{advice}");
    }

    #[test]
    fn says_that_there_is_no_such_host() {
        let advice = advice("http://nowhere.invalid", Duration::from_secs(30));
        assert!(advice.contains("no such host"), "{advice}");
    }

    #[test]
    fn says_that_it_is_not_an_address() {
        for server in ["localhost:5000", "no address", "ftp://localhost"] {
            let advice = advice(server, Duration::from_secs(10));
            assert!(advice.contains("that is not an address"), "{advice}");
        }
    }

    #[test]
    fn says_that_it_took_too_long() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", silent.local_addr().unwrap());
        let advice = advice(&server, Duration::from_millis(200));
        assert!(advice.contains("it took too long"), "{advice}");
    }

    #[test]
    fn says_that_tls_cannot_be_used() {
        let plain = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("https://{}", plain.local_addr().unwrap());
        let answering = thread::spawn(move || {
            let (mut connection, _) = plain.accept().unwrap();
            let read = connection.read(&mut [0; 4096]).unwrap();
            assert!(read > 0);
            connection
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .unwrap();
        });
        let advice = advice(&server, Duration::from_secs(10));
        assert!(advice.contains("its TLS is not usable"), "{advice}");
        answering.join().unwrap();
    }
}

//! A TCP connection that can be cut from outside the library.
//!
//! The library has no bound on its handshake, and while the broker blocks a connection it does not
//! even send a close. So a peer that falls silent at such a moment would leave a thread, a socket
//! and megabytes of buffers behind at every attempt. Therefore we keep a second handle on the
//! socket.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};

/// The longest that resolving, connecting and TLS may take together.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);

/// The socket of one connection.
#[derive(Clone, Default)]
pub(crate) struct Fuse(Arc<Mutex<Option<TcpStream>>>);

impl Fuse {
    fn hold(&self, socket: TcpStream) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
    }

    /// Ends the connection at once; the library then sees its end.
    pub(crate) fn cut(&self) {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(socket) = socket {
            // It fails only if the peer was first.
            drop(socket.shutdown(Shutdown::Both));
        }
    }
}

/// Connects and completes the handshake. The caller bounds both, and cuts the fuse if it gives up.
pub(crate) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    fuse: &Fuse,
) -> Result<Connection, lapin::Error> {
    let fuse = fuse.clone();
    let runtime = lapin::runtime::default_runtime()?;
    Connection::connector(
        uri,
        runtime,
        async move |uri: AMQPUri, runtime| {
            let address = (uri.authority.host.as_str(), uri.authority.port);
            let connecting = async {
                let mut failure = io::Error::new(
                    io::ErrorKind::AddrNotAvailable,
                    "the broker's host name has no address",
                );
                for address in tokio::net::lookup_host(address).await? {
                    let stream = match AsyncTcpStream::connect(&runtime, address).await {
                        Ok(stream) => stream,
                        Err(error) => {
                            failure = error;
                            continue;
                        }
                    };
                    if let AsyncTcpStream::Plain(plain) = &stream {
                        let socket = plain.get_ref().as_fd().try_clone_to_owned()?;
                        fuse.hold(TcpStream::from(socket));
                    }
                    return match uri.scheme {
                        AMQPScheme::AMQP => Ok(stream),
                        AMQPScheme::AMQPS => {
                            let tls = OwnedTLSConfig::default();
                            stream.into_tls(&uri.authority.host, tls.as_ref()).await
                        }
                    };
                }
                Err(failure)
            };
            tokio::time::timeout(TCP_TIMEOUT, connecting)
                .await
                .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
                .map_err(lapin::Error::from)
        },
        properties,
    )
    .await
}

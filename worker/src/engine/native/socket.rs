//! A socket to the launcher or a template: messages with descriptors, without blocking.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;

use rustix::cmsg_space;
use rustix::io::ioctl_fionbio;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use warren_launcher::wire::{MAX_MESSAGE, Report, Request};

/// The descriptors that go with a message at most: the standard streams of a PID 1.
const DESCRIPTORS: usize = 3;

/// A socket of type `SOCK_SEQPACKET`, on which each packet is one message.
pub(super) struct Socket(UnixStream);

/// What came over a socket: a report, and the socket of a template if it brings one.
pub(super) type Received = (Report, Option<OwnedFd>);

impl Socket {
    /// Takes over one end of a socket. Must be called within the runtime.
    ///
    /// # Errors
    /// The runtime cannot watch it.
    pub(super) fn new(end: OwnedFd) -> io::Result<Self> {
        ioctl_fionbio(&end, true)?;
        // The runtime's type for Unix sockets: which kind it is matters to none of its calls used here.
        Ok(Self(UnixStream::from_std(StdUnixStream::from(end))?))
    }

    /// Sends a request and descriptors, all or nothing. Whoever drops the future before it is done
    /// has sent nothing.
    ///
    /// # Errors
    /// The peer is gone.
    pub(super) async fn send(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let message = postcard::to_stdvec(request).map_err(io::Error::other)?;
        let send = || {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS))];
            let mut beside = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors))
            {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            sendmsg(
                &self.0,
                &[IoSlice::new(&message)],
                &mut beside,
                SendFlags::NOSIGNAL,
            )?;
            Ok(())
        };
        self.0.async_io(Interest::WRITABLE, send).await
    }

    /// Waits for the next report; `None` if the peer has closed its end. `buffer` is reused by each
    /// call.
    ///
    /// # Errors
    /// The socket broke, or what came is no report.
    pub(super) async fn receive(&self, buffer: &mut Buffer) -> io::Result<Option<Received>> {
        let receive = || {
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let parts = &mut [IoSliceMut::new(&mut buffer.0)];
            let got = recvmsg(&self.0, parts, &mut beside, RecvFlags::CMSG_CLOEXEC)?;
            let mut descriptor = None;
            for message in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
                    descriptor = descriptors.next();
                }
            }
            if got
                .flags
                .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
            {
                return Err(io::Error::other("a message is longer than any may be"));
            }
            Ok((got.bytes, descriptor))
        };
        let (length, descriptor) = self.0.async_io(Interest::READABLE, receive).await?;
        if length == 0 {
            return Ok(None);
        }
        let message = buffer.0.get(..length).unwrap_or_default();
        let report = postcard::from_bytes(message).map_err(io::Error::other)?;
        Ok(Some((report, descriptor)))
    }
}

/// Room for one message.
pub(super) struct Buffer(Box<[u8]>);

impl Buffer {
    /// Makes room for the longest message.
    pub(super) fn new() -> Self {
        Self(vec![0; MAX_MESSAGE].into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use rustix::pipe::{PipeFlags, pipe_with};
    use warren_launcher::wire::SandboxId;

    use super::*;

    fn pair() -> (Socket, OwnedFd) {
        let (near, far) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        (Socket::new(near).unwrap(), far)
    }

    /// Receives one packet and its descriptors, as any reader of such a socket does.
    fn received(end: &OwnedFd) -> (Vec<u8>, Vec<OwnedFd>) {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = vec![0; MAX_MESSAGE];
        let parts = &mut [IoSliceMut::new(&mut bytes)];
        let got = recvmsg(end, parts, &mut beside, RecvFlags::CMSG_CLOEXEC).unwrap();
        bytes.truncate(got.bytes);
        let messages = beside.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        (bytes, messages.flatten().collect())
    }

    #[tokio::test]
    async fn a_request_arrives_as_one_packet_with_its_descriptors() {
        let (near, far) = pair();
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let request = Request::Remove(SandboxId(7));
        near.send(&request, &[write.as_fd()]).await.unwrap();
        near.send(&Request::Ping, &[]).await.unwrap();
        drop(write);
        let (bytes, mut descriptors) = received(&far);
        assert_eq!(postcard::from_bytes::<Request>(&bytes).unwrap(), request);
        let written = descriptors.pop().unwrap();
        rustix::io::write(&written, b"through").unwrap();
        drop(written);
        let mut text = String::new();
        std::fs::File::from(read).read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), descriptors.len()), ("through", 0));
        let (bytes, descriptors) = received(&far);
        assert_eq!(
            postcard::from_bytes::<Request>(&bytes).unwrap(),
            Request::Ping
        );
        assert!(descriptors.is_empty());
    }

    #[tokio::test]
    async fn a_closed_end_is_the_end_and_what_is_no_report_an_error() {
        let (near, far) = pair();
        let mut buffer = Buffer::new();
        rustix::io::write(&far, &[0xff; 20]).unwrap();
        assert!(near.receive(&mut buffer).await.is_err());
        let pong = postcard::to_stdvec(&Report::Pong).unwrap();
        rustix::io::write(&far, &pong).unwrap();
        drop(far);
        let (report, descriptor) = near.receive(&mut buffer).await.unwrap().unwrap();
        assert!(report == Report::Pong && descriptor.is_none());
        assert!(near.receive(&mut buffer).await.unwrap().is_none());
        assert!(near.send(&Request::Ping, &[]).await.is_err());
    }

    #[tokio::test]
    async fn a_full_socket_is_waited_for() {
        let (near, far) = pair();
        let mut sent = 0;
        let filling = async {
            loop {
                near.send(&Request::Ping, &[]).await.unwrap();
                sent += 1;
            }
        };
        // It never ends by itself: it is given up once the socket has been full for a while.
        let within = std::time::Duration::from_millis(300);
        assert!(tokio::time::timeout(within, filling).await.is_err());
        let reading = tokio::task::spawn_blocking(move || {
            for _ in 0..=sent {
                received(&far);
            }
        });
        near.send(&Request::Ping, &[]).await.unwrap();
        reading.await.unwrap();
    }
}

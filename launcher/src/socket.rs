//! A `SOCK_SEQPACKET` socket with descriptors beside its messages, blocking and bounded.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_type};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
    recvmsg, sendmsg, shutdown, socketpair,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Doing, Error};
use crate::wire::MAX_MESSAGE;

/// The most descriptors that a message brings: a sandbox's three streams.
const MAX_DESCRIPTORS: usize = 3;

/// The longest time to wait for the other side to read. One that does not is as good as gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// One end of a socket.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
}

/// A message, with the descriptors that came beside it.
#[derive(Debug)]
pub(crate) struct Received<M> {
    pub(crate) message: M,
    pub(crate) descriptors: Vec<OwnedFd>,
}

impl Socket {
    /// Takes over a descriptor. Returns nothing if it is not such a socket.
    pub(crate) fn new(fd: OwnedFd) -> Option<Self> {
        let is_one = socket_type(&fd).is_ok_and(|kind| kind == SocketType::SEQPACKET);
        rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC).ok()?;
        set_socket_timeout(&fd, Timeout::Send, Some(PATIENCE)).ok()?;
        is_one.then_some(Self { fd })
    }

    /// Makes two sockets that are connected. The second is for somebody else.
    pub(crate) fn pair() -> Result<(Self, OwnedFd), Error> {
        let kind = SocketType::SEQPACKET;
        let (near, far) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
            .doing("making a template's socket")?;
        let near = Self::new(near).ok_or(io::Error::other("it is of another kind"));
        Ok((near.doing("making a template's socket")?, far))
    }

    /// Sends a message, with a descriptor if one is given.
    pub(crate) fn send<M: Serialize>(
        &self,
        message: &M,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<(), Error> {
        let bytes = postcard::to_stdvec(message)?;
        let descriptors: Vec<_> = descriptor.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(Error::Socket(io::Error::other("no space for a descriptor")));
        }
        loop {
            let flags = SendFlags::NOSIGNAL;
            match sendmsg(&self.fd, &[IoSlice::new(&bytes)], &mut beside, flags) {
                Err(Errno::INTR) => {}
                sent => return sent.map(drop).map_err(|errno| Error::Socket(errno.into())),
            }
        }
    }

    /// Receives a message; `None` at the end. Blocks if there is none yet.
    pub(crate) fn receive<M: DeserializeOwned>(&self) -> Result<Option<Received<M>>, Error> {
        let mut bytes = vec![0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.fd, &mut parts, &mut beside, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                // The other end closed with something unread in it.
                Err(Errno::CONNRESET) => return Ok(None),
                received => break received.map_err(|errno| Error::Socket(errno.into()))?,
            }
        };
        // Taken first: dropping them closes them, whatever is wrong with the message.
        let descriptors = beside
            .drain()
            .filter_map(|part| match part {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            })
            .flatten()
            .collect();
        if received.bytes == 0 {
            return Ok(None);
        }
        if received
            .flags
            .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
        {
            return Err(Error::Socket(io::ErrorKind::FileTooLarge.into()));
        }
        let message = postcard::from_bytes(&bytes[..received.bytes])?;
        Ok(Some(Received {
            message,
            descriptors,
        }))
    }

    /// Closes both directions for every process that has this end.
    pub(crate) fn close_for_all(&self) {
        // It fails only if the other end is gone, which is as well.
        let _ = shutdown(&self.fd, Shutdown::Both);
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::wire::{Report, Request, SandboxId};

    #[test]
    fn a_descriptor_comes_with_its_message() {
        let (near, far) = Socket::pair().unwrap();
        let far = Socket::new(far).unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        let sent = Report::Launched(SandboxId(7));
        near.send(&sent, Some(reader.as_fd())).unwrap();
        drop(reader);
        let received = far.receive::<Report>().unwrap().unwrap();
        assert_eq!(received.message, sent);
        let [reader] = <[OwnedFd; 1]>::try_from(received.descriptors).unwrap();
        writer.write_all(b"x").unwrap();
        drop(writer);
        let mut read = String::new();
        io::PipeReader::from(reader)
            .read_to_string(&mut read)
            .unwrap();
        assert_eq!(read, "x");
    }

    #[test]
    fn the_end_and_garbage_are_told_apart() {
        let (near, far) = Socket::pair().unwrap();
        rustix::net::send(&far, &[0xff; 40], SendFlags::empty()).unwrap();
        assert!(matches!(near.receive::<Request>(), Err(Error::Message(_))));
        drop(far);
        assert!(near.receive::<Request>().unwrap().is_none());
    }

    #[test]
    fn a_message_that_is_too_long_is_refused() {
        let (near, far) = Socket::pair().unwrap();
        rustix::net::send(&far, &[0; MAX_MESSAGE + 1], SendFlags::empty()).unwrap();
        assert!(matches!(near.receive::<Request>(), Err(Error::Socket(_))));
    }

    #[test]
    fn something_else_is_no_socket() {
        let (reader, _writer) = io::pipe().unwrap();
        assert!(Socket::new(reader.into()).is_none());
    }
}

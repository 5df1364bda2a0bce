//! The worker's end of a launcher's sockets.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use warren_launcher::wire::{MAX_MESSAGE, Report, Request};

/// More than any report may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Socket(OwnedFd);

impl Socket {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        set_socket_timeout(&fd, Timeout::Recv, Some(PATIENCE)).unwrap();
        Self(fd)
    }

    pub(crate) fn send(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) {
        let bytes = postcard::to_stdvec(request).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(beside.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        sendmsg(
            &self.0,
            &[IoSlice::new(&bytes)],
            &mut beside,
            SendFlags::NOSIGNAL,
        )
        .unwrap();
    }

    /// Returns the next report; `None` if the other end is closed.
    pub(crate) fn receive(&self) -> Option<(Report, Option<OwnedFd>)> {
        let mut bytes = vec![0; MAX_MESSAGE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let received = recvmsg(&self.0, &mut parts, &mut beside, RecvFlags::CMSG_CLOEXEC);
        let len = match received {
            Ok(received) => received.bytes,
            Err(rustix::io::Errno::CONNRESET) => 0,
            Err(errno) => panic!("no report in {PATIENCE:?}: {errno}"),
        };
        let descriptor = beside.drain().find_map(|part| match part {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        (len > 0).then(|| (postcard::from_bytes(&bytes[..len]).unwrap(), descriptor))
    }
}

//! Uses of a namespace by a program without capabilities, and those that leave a trace.

use std::io::{Read, Write};
use std::net::{
    Ipv4Addr, Ipv6Addr, SocketAddrV6, TcpListener, TcpStream, ToSocketAddrs, UdpSocket,
};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

pub(crate) fn abstract_name(name: &str) -> SocketAddr {
    SocketAddr::from_abstract_name(name).unwrap()
}

/// Sets an option of an IPv6 datagram socket.
pub(crate) fn with_option(option: i32, value: &[u8]) {
    let socket = UdpSocket::bind("[::]:0").unwrap();
    let length = libc::socklen_t::try_from(value.len()).unwrap();
    let descriptor = socket.as_raw_fd();
    #[expect(unsafe_code, reason = "the option has no safe interface")]
    // SAFETY: the descriptor is open, and the call reads `length` bytes of a value that lives.
    let result = unsafe {
        let value = value.as_ptr().cast();
        libc::setsockopt(descriptor, libc::IPPROTO_IPV6, option, value, length)
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Connects to an address that is too short. MPTCP counts the attempt first, TCP looks at the address then.
#[expect(unsafe_code, reason = "the protocol has no safe interface")]
pub(crate) fn connect_mptcp_to_half_an_address() {
    let (family, kind) = (libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC);
    // SAFETY: makes a descriptor, which is owned right away if there is one.
    let socket = unsafe { libc::socket(family, kind, libc::IPPROTO_MPTCP) };
    assert!(socket >= 0, "this kernel has no MPTCP");
    // SAFETY: as above.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let address = [u16::try_from(family).unwrap(), 0, 0, 0];
    // SAFETY: the descriptor is open, and the call reads 8 bytes, which are there.
    let result = unsafe { libc::connect(socket.as_raw_fd(), address.as_ptr().cast(), 8) };
    assert_eq!(result, -1, "it cannot connect to nothing");
}

pub(crate) const LOCAL: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9_999);

/// Addresses for documentation (RFC 5737, RFC 3849): there is no route to them.
pub(crate) const AWAY: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);
pub(crate) const AWAY6: SocketAddrV6 =
    SocketAddrV6::new(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9, 0, 0);

pub(crate) fn fails_to_connect(address: impl ToSocketAddrs) {
    assert!(TcpStream::connect(address).is_err());
}

/// Uses that leave nothing behind.
pub(crate) const TRACELESS: [(&str, fn()); 4] = [
    ("nothing", || {}),
    ("a datagram socket", || {
        drop(UdpSocket::bind("0.0.0.0:0").unwrap());
    }),
    ("a pair of sockets that talk", || {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.write_all(b"x").unwrap();
        other.read_exact(&mut [0]).unwrap();
    }),
    ("an abstract socket, closed", || {
        drop(UnixListener::bind_addr(&abstract_name("marker")).unwrap());
    }),
];

/// Uses that look up a route, which only some kernels count (`CONFIG_IP_FIB_TRIE_STATS`: Debian's does).
pub(crate) const LOOK_UPS: [(&str, fn()); 2] = [
    ("a bound datagram socket", || {
        drop(UdpSocket::bind(LOCAL).unwrap());
    }),
    ("a listening socket", || {
        drop(TcpListener::bind(LOCAL).unwrap());
    }),
];

/// Uses whose traces the kernel keeps, or makes later.
pub(crate) const TRACES: [(&str, fn()); 12] = [
    ("a datagram to itself", || {
        let socket = UdpSocket::bind(LOCAL).unwrap();
        socket.send_to(b"x", LOCAL).unwrap();
    }),
    ("a datagram to nobody", || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.send_to(b"x", LOCAL).unwrap();
    }),
    ("a refused connection", || fails_to_connect(LOCAL)),
    ("a connection to itself, in TIME_WAIT", || {
        let listener = TcpListener::bind(LOCAL).unwrap();
        let client = TcpStream::connect(LOCAL).unwrap();
        let server = listener.accept().unwrap();
        drop(client);
        drop(server);
    }),
    ("a datagram over IPv6", || {
        let socket = UdpSocket::bind("[::1]:0").unwrap();
        socket.send_to(b"x", "[::1]:9999").unwrap();
    }),
    ("a connection without a route", || fails_to_connect(AWAY)),
    ("a connection without a route over IPv6", || {
        fails_to_connect(AWAY6)
    }),
    ("a connection of MPTCP that ends before it begins", || {
        connect_mptcp_to_half_an_address();
    }),
    ("a connected datagram socket of IPv6", || {
        let socket = UdpSocket::bind("[::1]:0").unwrap();
        socket.connect("[::1]:9999").unwrap();
    }),
    ("a multicast group, whose report comes later", || {
        let socket = UdpSocket::bind(LOCAL).unwrap();
        let group = Ipv4Addr::new(239, 1, 2, 3);
        socket
            .join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)
            .unwrap();
    }),
    (
        "a multicast group of IPv6, whose report comes later",
        || {
            let socket = UdpSocket::bind("[::1]:0").unwrap();
            let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x1234);
            socket.join_multicast_v6(&group, 1).unwrap();
        },
    ),
    ("a flow label, which outlives its socket", || {
        // `struct in6_flowlabel_req`: address, label, action GET, share ANY, flags CREATE, expiry, linger.
        let mut request = Ipv6Addr::LOCALHOST.octets().to_vec();
        request.extend(0x12345_u32.to_be_bytes());
        request.extend([0, 255]);
        request.extend([1_u16, 30, 30, 0].map(u16::to_ne_bytes).concat());
        request.extend([0; 4]);
        with_option(32, &request);
    }),
];

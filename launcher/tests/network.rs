//! Tests of recycled network namespaces against the running kernel. Need root.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in tests a panic is how a test fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::thread;

use rustix::thread::LinkNameSpaceType;
use warren_launcher::network::{Mode, Namespace, Network, Verdict};

/// The files in which a namespace shows what happened in it. `dev` and `unix` are those of the audit; the
/// others say whether the audit sees enough.
const FILES: [&str; 16] = [
    "dev", "unix", "tcp", "tcp6", "udp", "udp6", "raw", "snmp", "snmp6", "netstat", "sockstat",
    "sockstat6", "arp", "route", "igmp", "igmp6",
];

/// Runs something in a namespace, on a thread of its own that ends with its sockets closed.
fn inside<T: Send>(namespace: &Namespace, part: impl FnOnce() -> T + Send) -> T {
    let descriptor = namespace.descriptor();
    let part = move || {
        let network = Some(LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(descriptor, network).unwrap();
        part()
    };
    thread::scope(|scope| scope.spawn(part).join().unwrap())
}

fn identity(namespace: &Namespace) -> u64 {
    rustix::fs::fstat(namespace.descriptor()).unwrap().st_ino
}

/// Reads everything that a program in the namespace could see of those before it.
fn visible(namespace: &Namespace) -> BTreeMap<&'static str, String> {
    let read = |file| {
        let path = format!("/proc/thread-self/net/{file}");
        fs::read_to_string(path).ok().map(|text| (file, text))
    };
    inside(namespace, || FILES.into_iter().filter_map(read).collect())
}

fn network() -> Network {
    Network::new(Mode::Recycled).expect("a network namespace")
}

fn take(network: &mut Network) -> Namespace {
    network.take().unwrap().expect("a namespace")
}

fn abstract_name(name: &str) -> SocketAddr {
    SocketAddr::from_abstract_name(name).unwrap()
}

const LOCAL: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9_999);

/// Uses that leave nothing behind.
const TRACELESS: [(&str, fn()); 7] = [
    ("nothing", || {}),
    ("a socket", || drop(UdpSocket::bind("0.0.0.0:0").unwrap())),
    ("a bound datagram socket", || {
        drop(UdpSocket::bind(LOCAL).unwrap());
    }),
    ("a listening socket", || {
        drop(TcpListener::bind(LOCAL).unwrap());
    }),
    ("a pair of sockets that talk", || {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.write_all(b"x").unwrap();
        other.read_exact(&mut [0]).unwrap();
    }),
    ("an abstract socket, closed", || {
        drop(UnixListener::bind_addr(&abstract_name("marker")).unwrap());
    }),
    ("a group joined on the loopback device", || {
        let socket = UdpSocket::bind(LOCAL).unwrap();
        let group = Ipv4Addr::new(239, 1, 2, 3);
        socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
    }),
];

/// Uses whose traces the kernel keeps.
const TRACES: [(&str, fn()); 5] = [
    ("a datagram to itself", || {
        let socket = UdpSocket::bind(LOCAL).unwrap();
        socket.send_to(b"x", LOCAL).unwrap();
    }),
    ("a datagram to nobody", || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.send_to(b"x", LOCAL).unwrap();
    }),
    ("a refused connection", || {
        assert!(TcpStream::connect(LOCAL).is_err());
    }),
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
];

#[test]
fn a_namespace_without_a_trace_serves_again() {
    let mut network = network();
    let mut first = None;
    for (name, use_it) in TRACELESS {
        let namespace = take(&mut network);
        let before = visible(&namespace);
        let id = identity(&namespace);
        assert_eq!(*first.get_or_insert(id), id, "before {name}");
        inside(&namespace, use_it);
        assert_eq!(network.give_back(namespace), Verdict::Kept, "{name}");
        let namespace = take(&mut network);
        assert_eq!(visible(&namespace), before, "{name} shows");
        assert_eq!(network.give_back(namespace), Verdict::Kept, "{name}");
    }
}

#[test]
fn a_namespace_with_a_trace_serves_nobody_again() {
    let mut network = network();
    let mut seen = BTreeSet::new();
    for (name, use_it) in TRACES {
        let namespace = take(&mut network);
        assert!(seen.insert(identity(&namespace)), "{name} came after a trace");
        inside(&namespace, use_it);
        assert_eq!(network.give_back(namespace), Verdict::Used, "{name}");
    }
}

#[test]
fn a_socket_that_outlives_its_sandbox_retires_the_namespace() {
    let path = std::env::temp_dir().join(format!("warren-network-{}", std::process::id()));
    let mut network = network();
    let uses: [(&str, Box<dyn Fn() -> UnixListener + Send + Sync>); 2] = [
        ("abstract", Box::new(|| UnixListener::bind_addr(&abstract_name("left")).unwrap())),
        ("in a directory", Box::new(|| UnixListener::bind(&path).unwrap())),
    ];
    for (name, open) in uses {
        let namespace = take(&mut network);
        let left = inside(&namespace, &open);
        assert_eq!(network.give_back(namespace), Verdict::Used, "{name}");
        drop(left);
    }
    let namespace = take(&mut network);
    let unbound = inside(&namespace, || UnixDatagram::unbound().unwrap());
    assert_eq!(network.give_back(namespace), Verdict::Used);
    drop(unbound);
    fs::remove_file(&path).unwrap();
}

#[test]
fn no_use_sees_a_marker_of_one_before() {
    let mut network = network();
    let pristine = visible(&take(&mut network));
    let all: Vec<_> = TRACELESS.iter().chain(&TRACES).collect();
    for round in 0..200 {
        let namespace = take(&mut network);
        assert_eq!(visible(&namespace), pristine, "in round {round}");
        // Each order of uses comes about: the strides have no common divisor with the number of uses.
        let (_, use_it) = all[(round * 5 + round / all.len()) % all.len()];
        inside(&namespace, use_it);
        network.give_back(namespace);
        network.replenish().unwrap();
    }
}

#[test]
fn a_namespace_is_never_with_two_at_once() {
    let mut network = network();
    let taken: Vec<_> = (0..8).map(|_| take(&mut network)).collect();
    let ids: BTreeSet<_> = taken.iter().map(identity).collect();
    assert_eq!(ids.len(), taken.len());
    for namespace in taken {
        assert_eq!(network.give_back(namespace), Verdict::Kept);
    }
    let again: Vec<_> = (0..8).map(|_| take(&mut network)).collect();
    let again: BTreeSet<_> = again.iter().map(identity).collect();
    assert!(again.is_subset(&ids), "{again:?}");
}

#[test]
fn the_loopback_device_is_up_and_the_only_one() {
    let mut network = network();
    let namespace = take(&mut network);
    let devices = visible(&namespace).remove("dev").unwrap();
    let names: Vec<_> = devices.lines().skip(2).filter_map(|line| line.split(':').next()).collect();
    assert_eq!(names.iter().map(|name| name.trim()).collect::<Vec<_>>(), ["lo"]);
    inside(&namespace, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.write_all(b"x").unwrap();
        listener.accept().unwrap().0.read_exact(&mut [0]).unwrap();
    });
}

#[test]
fn the_thread_stays_in_its_own_namespace() {
    let own = || fs::read_link("/proc/thread-self/ns/net").unwrap();
    let before = own();
    let mut network = network();
    let namespace = take(&mut network);
    assert_eq!(own(), before);
    let other = inside(&namespace, own);
    assert_ne!(other, before);
}

#[test]
fn a_dropped_namespace_is_replaced_when_asked_and_only_then() {
    let mut network = network();
    let namespace = take(&mut network);
    inside(&namespace, TRACES[0].1);
    network.give_back(namespace);
    assert_eq!(network.owed(), 1);
    network.replenish().unwrap();
    assert_eq!(network.owed(), 0);
    network.replenish().unwrap();
    assert_eq!(network.owed(), 0);
}

#[test]
fn a_fresh_network_has_nothing_to_take() {
    let mut network = Network::new(Mode::Fresh).unwrap();
    assert!(network.take().unwrap().is_none());
}

#[test]
fn a_namespace_serves_a_thousand_sandboxes_and_no_more() {
    let mut network = network();
    let mut seen = BTreeSet::new();
    let mut worn = 0;
    for _ in 0..2_500 {
        let namespace = take(&mut network);
        seen.insert(identity(&namespace));
        worn += u32::from(network.give_back(namespace) == Verdict::Worn);
    }
    assert_eq!((worn, seen.len()), (2, 3));
}

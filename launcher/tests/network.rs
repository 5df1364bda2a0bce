//! Tests of recycled network namespaces against the running kernel. Need root.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in tests a panic is how a test fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{
    Ipv4Addr, Ipv6Addr, SocketAddrV6, TcpListener, TcpStream, ToSocketAddrs, UdpSocket,
};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::LinkNameSpaceType;
use rustix::time::{ClockId, clock_gettime};
use warren_launcher::network::{Mode, Namespace, Network};

/// The files in which a namespace shows what happened in it: those of the audit, and others that say
/// whether the audit sees enough.
const FILES: [&str; 25] = [
    "dev",
    "unix",
    "snmp",
    "netstat",
    "igmp",
    "snmp6",
    "igmp6",
    "ipv6_route",
    "rt6_stats",
    "ip6_flowlabel",
    "fib_triestat",
    "tcp",
    "tcp6",
    "udp",
    "udp6",
    "raw",
    "raw6",
    "sockstat",
    "sockstat6",
    "arp",
    "route",
    "fib_trie",
    "if_inet6",
    "mcfilter",
    "xfrm_stat",
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
        let text = fs::read_to_string(path).ok()?;
        // The number of sockets that are allocated, and their memory, are the whole machine's.
        let own = text
            .lines()
            .filter_map(|line| line.split(" alloc ").next()?.split(" mem ").next());
        Some((file, own.collect::<Vec<_>>().join("\n")))
    };
    inside(namespace, || FILES.into_iter().filter_map(read).collect())
}

/// Asserts that a namespace shows what it showed before.
fn assert_shows(namespace: &Namespace, before: &BTreeMap<&str, String>, after: &str) {
    for (file, text) in visible(namespace) {
        let (mut lines, mut expected) = (text.lines(), before[file].lines());
        while let (Some(line), Some(same)) = (lines.next(), expected.next()) {
            assert_eq!(line, same, "{file} after {after}");
        }
        assert_eq!(
            (lines.next(), expected.next()),
            (None, None),
            "{file} after {after}"
        );
    }
}

fn network() -> Network {
    Network::new(Mode::Recycled).expect("a network namespace")
}

fn take(network: &mut Network) -> Namespace {
    network.take().unwrap().expect("a namespace")
}

/// Tends until nothing rests and nothing is owed.
fn settle(network: &mut Network) {
    while let Some(next) = network.tend().unwrap() {
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn abstract_name(name: &str) -> SocketAddr {
    SocketAddr::from_abstract_name(name).unwrap()
}

/// Sets an option of an IPv6 datagram socket.
fn with_option(option: i32, value: &[u8]) {
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

const LOCAL: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 9_999);

/// Addresses for documentation (RFC 5737, RFC 3849): there is no route to them.
const AWAY: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);
const AWAY6: SocketAddrV6 =
    SocketAddrV6::new(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9, 0, 0);

fn fails_to_connect(address: impl ToSocketAddrs) {
    assert!(TcpStream::connect(address).is_err());
}

/// Uses that leave nothing behind.
const TRACELESS: [(&str, fn()); 4] = [
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
const LOOK_UPS: [(&str, fn()); 2] = [
    ("a bound datagram socket", || {
        drop(UdpSocket::bind(LOCAL).unwrap());
    }),
    ("a listening socket", || {
        drop(TcpListener::bind(LOCAL).unwrap());
    }),
];

/// Uses whose traces the kernel keeps, or makes later.
const TRACES: [(&str, fn()); 11] = [
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

#[test]
fn a_namespace_without_a_trace_serves_again() {
    for (name, use_it) in TRACELESS.into_iter().chain(LOOK_UPS) {
        let mut network = network();
        let namespace = take(&mut network);
        let (before, id) = (visible(&namespace), identity(&namespace));
        inside(&namespace, use_it);
        let counted = visible(&namespace).get("fib_triestat") != before.get("fib_triestat");
        network.give_back(namespace);
        settle(&mut network);
        if counted {
            assert!(LOOK_UPS.iter().any(|(other, _)| *other == name), "{name}");
            assert_eq!(
                (network.tally().used, network.tally().kept),
                (1, 0),
                "{name}"
            );
            continue;
        }
        let namespace = take(&mut network);
        assert_eq!(identity(&namespace), id, "after {name}");
        assert_shows(&namespace, &before, name);
        assert_eq!((network.tally().kept, network.tally().made), (1, 1));
    }
}

#[test]
fn a_namespace_with_a_trace_serves_nobody_again() {
    for (name, use_it) in TRACES {
        let mut network = network();
        let namespace = take(&mut network);
        inside(&namespace, use_it);
        network.give_back(namespace);
        settle(&mut network);
        assert_eq!(
            (network.tally().used, network.tally().kept),
            (1, 0),
            "{name}"
        );
    }
}

#[test]
fn a_socket_that_outlives_its_sandbox_retires_the_namespace() {
    let path = std::env::temp_dir().join(format!("warren-network-{}", std::process::id()));
    let mut network = network();
    let namespaces = [(); 3].map(|()| take(&mut network));
    let left = (
        inside(&namespaces[0], || {
            UnixListener::bind_addr(&abstract_name("left")).unwrap()
        }),
        inside(&namespaces[1], || UnixListener::bind(&path).unwrap()),
        inside(&namespaces[2], || UnixDatagram::unbound().unwrap()),
    );
    for namespace in namespaces {
        network.give_back(namespace);
    }
    settle(&mut network);
    assert_eq!((network.tally().used, network.tally().kept), (3, 0));
    drop(left);
    fs::remove_file(&path).unwrap();
}

#[test]
fn no_use_sees_a_marker_of_one_before() {
    let mut network = network();
    let pristine = visible(&take(&mut network));
    let all: Vec<_> = TRACELESS.iter().chain(&LOOK_UPS).chain(&TRACES).collect();
    let mut served: BTreeSet<u64> = BTreeSet::new();
    let mut again = 0;
    for round in 0..6 {
        let mut taken = Vec::new();
        for shift in 0..all.len() {
            let namespace = take(&mut network);
            assert_shows(&namespace, &pristine, &format!("{round} rounds"));
            again += u32::from(!served.insert(identity(&namespace)));
            let (_, use_it) = all[(shift + 5 * round) % all.len()];
            inside(&namespace, use_it);
            taken.push(namespace);
        }
        for namespace in taken {
            network.give_back(namespace);
        }
        settle(&mut network);
    }
    assert!(again > 0, "none was used again");
    let rested: Vec<_> = (0..all.len()).map(|_| take(&mut network)).collect();
    // Longer than any report is put off.
    thread::sleep(Duration::from_millis(2_500));
    for namespace in &rested {
        assert_shows(namespace, &pristine, "a long rest");
    }
}

#[test]
fn a_namespace_is_never_with_two_at_once() {
    let mut network = network();
    let taken: Vec<_> = (0..8).map(|_| take(&mut network)).collect();
    let ids: BTreeSet<_> = taken.iter().map(identity).collect();
    assert_eq!(ids.len(), taken.len());
    for namespace in taken {
        network.give_back(namespace);
    }
    settle(&mut network);
    let taken: Vec<_> = (0..8).map(|_| take(&mut network)).collect();
    assert_eq!(taken.iter().map(identity).collect::<BTreeSet<_>>(), ids);
}

#[test]
fn a_namespace_rests_before_it_serves_again() {
    let mut network = network();
    let namespace = take(&mut network);
    let id = identity(&namespace);
    network.give_back(namespace);
    let next = take(&mut network);
    assert_ne!(identity(&next), id);
    assert_eq!(network.tally().made, 2);
}

#[test]
fn the_loopback_device_is_up_and_the_only_one() {
    let mut network = network();
    let namespace = take(&mut network);
    let devices = visible(&namespace).remove("dev").unwrap();
    let names = devices
        .lines()
        .skip(2)
        .filter_map(|line| line.split(':').next());
    assert_eq!(names.map(str::trim).collect::<Vec<_>>(), ["lo"]);
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
    assert_ne!(inside(&namespace, own), before);
    network.give_back(namespace);
    settle(&mut network);
    assert_eq!(own(), before);
}

#[test]
fn a_dropped_namespace_is_replaced_once() {
    let mut network = network();
    let namespace = take(&mut network);
    inside(&namespace, TRACES[0].1);
    network.give_back(namespace);
    settle(&mut network);
    assert_eq!((network.tally().made, network.tally().used), (2, 1));
    let _replacement = take(&mut network);
    assert_eq!(network.tally().made, 2);
}

#[test]
fn more_namespaces_than_could_be_needed_are_dropped() {
    let mut network = network();
    let taken: Vec<_> = (0..80).map(|_| take(&mut network)).collect();
    for namespace in taken {
        network.give_back(namespace);
    }
    settle(&mut network);
    assert_eq!((network.tally().kept, network.tally().worn), (64, 16));
}

#[test]
fn a_fresh_network_has_nothing_to_take() {
    let mut network = Network::new(Mode::Fresh).unwrap();
    assert!(network.take().unwrap().is_none());
    assert_eq!(network.tend().unwrap(), None);
}

#[test]
fn the_cost_of_a_recycled_namespace_is_told_beside_that_of_a_fresh_one() {
    const ROUNDS: u32 = 60;
    let mut network = network();
    // Of this thread: the kernel's own threads destroy a namespace later, unseen.
    let cpu = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let begun = cpu();
    let taken: Vec<_> = (0..ROUNDS).map(|_| take(&mut network)).collect();
    let made = cpu() - begun;
    for namespace in taken {
        network.give_back(namespace);
    }
    thread::sleep(Duration::from_millis(300));
    let begun = cpu();
    settle(&mut network);
    let audited = cpu() - begun;
    assert_eq!(network.tally().kept, u64::from(ROUNDS));
    let each = |time: Duration| time.as_micros() / u128::from(ROUNDS);
    eprintln!("make {} us CPU, audit {}", each(made), each(audited));
}

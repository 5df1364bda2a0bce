//! Counts descriptors over many network namespaces, in a process without any other test.

#![expect(clippy::unwrap_used, reason = "in tests a panic is how a test fails")]

use std::fs;
use std::net::UdpSocket;
use std::thread;
use std::time::Instant;

use rustix::thread::LinkNameSpaceType;
use warren_launcher::network::{Mode, Namespace, Network};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn send(namespace: &Namespace) {
    let send = || {
        let kind = Some(LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(namespace.descriptor(), kind).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"x", "127.0.0.1:9").unwrap();
    };
    thread::scope(|scope| scope.spawn(send).join().unwrap());
}

#[test]
fn used_and_replaced_namespaces_leave_no_descriptor() {
    let mut network = Network::new(Mode::Recycled).unwrap();
    let mut counts = Vec::new();
    for _ in 0..10 {
        let taken: Vec<_> = (0..30).map(|_| network.take().unwrap().unwrap()).collect();
        for (number, namespace) in taken.into_iter().enumerate() {
            if number % 3 == 0 {
                send(&namespace);
            }
            network.give_back(namespace);
        }
        while let Some(next) = network.tend().unwrap() {
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        counts.push(descriptors());
    }
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    assert_eq!((network.tally().used, network.tally().kept), (100, 200));
}

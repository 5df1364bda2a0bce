//! Counts descriptors over many network namespaces, in a process without any other test.

#![expect(
    clippy::unwrap_used,
    reason = "in tests a panic is how a test fails"
)]

use std::fs;
use std::net::UdpSocket;
use std::thread;

use rustix::thread::LinkNameSpaceType;
use warren_launcher::network::{Mode, Network, Verdict};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn used_and_replaced_namespaces_leave_no_descriptor() {
    let mut network = Network::new(Mode::Recycled).unwrap();
    let before = descriptors();
    for round in 0..300 {
        let namespace = network.take().unwrap().unwrap();
        let send = || {
            let kind = Some(LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(namespace.descriptor(), kind).unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.send_to(b"x", "127.0.0.1:9").unwrap();
        };
        if round % 3 == 0 {
            thread::scope(|scope| scope.spawn(send).join().unwrap());
            assert_eq!(network.give_back(namespace), Verdict::Used);
            network.replenish().unwrap();
        } else {
            assert_eq!(network.give_back(namespace), Verdict::Kept);
        }
        assert_eq!(descriptors(), before, "in round {round}");
    }
}

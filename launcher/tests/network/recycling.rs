//! Verifies that a namespace serves again only if nobody could tell that it has served.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::thread;
use std::time::Duration;

use warren_launcher::network::{Mode, Network};

use crate::place::{assert_shows, identity, inside, network, settle, take, visible};
use crate::uses::{LOOK_UPS, TRACELESS, TRACES, abstract_name};

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

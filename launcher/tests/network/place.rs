//! A namespace as a program in it sees it.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Instant;

use rustix::thread::LinkNameSpaceType;
use warren_launcher::network::{Mode, Namespace, Network};

/// The files in which a namespace shows what happened in it: those of the audit, and others that say
/// whether the audit sees enough.
pub(crate) const FILES: [&str; 25] = [
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
pub(crate) fn inside<T: Send>(namespace: &Namespace, part: impl FnOnce() -> T + Send) -> T {
    let descriptor = namespace.descriptor();
    let part = move || {
        let network = Some(LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(descriptor, network).unwrap();
        part()
    };
    thread::scope(|scope| scope.spawn(part).join().unwrap())
}

pub(crate) fn identity(namespace: &Namespace) -> u64 {
    rustix::fs::fstat(namespace.descriptor()).unwrap().st_ino
}

/// Leaves out the figures of `sockstat` that are the whole machine's.
pub(crate) fn own_figures(text: &str) -> String {
    let own = |line: &str| {
        let words: Vec<_> = line.split(' ').collect();
        let [name, pairs @ ..] = &words[..] else {
            return line.to_owned();
        };
        let own = pairs
            .chunks(2)
            .filter(|pair| !["orphan", "alloc", "mem", "memory"].contains(&pair[0]));
        format!(
            "{name} {}",
            own.flatten().copied().collect::<Vec<_>>().join(" ")
        )
    };
    let is_of_sockets = text.starts_with("sockets:") || text.starts_with("TCP6:");
    match is_of_sockets {
        true => text.lines().map(own).collect::<Vec<_>>().join("\n"),
        false => text.to_owned(),
    }
}

/// Reads everything that a program in the namespace could see of those before it.
pub(crate) fn visible(namespace: &Namespace) -> BTreeMap<&'static str, String> {
    let read = |file| {
        let path = format!("/proc/thread-self/net/{file}");
        let text = fs::read_to_string(path).ok()?;
        Some((file, own_figures(&text)))
    };
    inside(namespace, || FILES.into_iter().filter_map(read).collect())
}

/// Asserts that a namespace shows what it showed before.
pub(crate) fn assert_shows(namespace: &Namespace, before: &BTreeMap<&str, String>, after: &str) {
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

pub(crate) fn network() -> Network {
    Network::new(Mode::Recycled).expect("a network namespace")
}

pub(crate) fn take(network: &mut Network) -> Namespace {
    network.take().unwrap().expect("a namespace")
}

/// Tends until nothing rests and nothing is owed.
pub(crate) fn settle(network: &mut Network) {
    while let Some(next) = network.tend().unwrap() {
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

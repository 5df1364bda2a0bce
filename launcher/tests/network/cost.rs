//! Prints the cost of a recycled namespace beside that of a fresh one.

use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::place::{network, settle, take};

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

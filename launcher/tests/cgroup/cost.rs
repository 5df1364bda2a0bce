//! Prints the cost of a sandbox's groups beside that of bare directories.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::world::{World, make};

const ROUNDS: u32 = 300;

/// Adds the CPU time of this thread to `sum`. The kernel's own threads free the groups later, unseen.
fn timed<T>(sum: &mut Duration, part: impl FnOnce() -> T) -> T {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let begun = now();
    let result = part();
    *sum += now() - begun;
    result
}

#[test]
fn the_cost_of_a_group_is_told_beside_that_of_bare_directories() {
    let world = World::new();
    let groups = world.prepare("a");
    let [mut made, mut removed, mut bare] = [Duration::ZERO; 3];
    let bare_ones: Vec<_> = world
        .directories("warren-a/bare")
        .into_iter()
        .take(4)
        .collect();
    for _ in 0..ROUNDS {
        let group = timed(&mut made, || make(&groups, "box"));
        timed(&mut removed, || group.remove()).unwrap();
        timed(&mut bare, || {
            bare_ones.iter().try_for_each(fs::create_dir)?;
            bare_ones.iter().try_for_each(fs::remove_dir)
        })
        .unwrap();
    }
    let each = |time: Duration| time.as_micros() / u128::from(ROUNDS);
    eprintln!(
        "make {} us CPU, remove {}; bare mkdir and rmdir of {} directories {}",
        each(made),
        each(removed),
        bare_ones.len(),
        each(bare)
    );
    let left = world.directories("warren-a/box");
    assert!(left.iter().all(|directory| !directory.exists()));
}

//! Prints the cost of a sandbox's groups beside that of bare directories.

use std::fs;
use std::time::{Duration, Instant};

use crate::world::{World, make};

const ROUNDS: u32 = 300;

#[test]
fn the_cost_of_a_group_is_told_beside_that_of_bare_directories() {
    let world = World::new();
    let groups = world.prepare("a");
    let (mut made, mut removed, mut bare) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let directories: Vec<_> = world
        .directories("warren-a/bare")
        .into_iter()
        .take(4)
        .collect();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let group = make(&groups, "box");
        made += begun.elapsed();
        let begun = Instant::now();
        group.remove().unwrap();
        removed += begun.elapsed();
        let begun = Instant::now();
        for directory in &directories {
            fs::create_dir(directory).unwrap();
        }
        for directory in &directories {
            fs::remove_dir(directory).unwrap();
        }
        bare += begun.elapsed();
    }
    let each = |time: Duration| time.as_micros() / u128::from(ROUNDS);
    eprintln!(
        "make {} us, remove {} us; bare mkdir and rmdir of {} directories {} us",
        each(made),
        each(removed),
        directories.len(),
        each(bare)
    );
    assert!(
        world
            .directories("warren-a/box")
            .iter()
            .all(|it| !it.exists())
    );
}

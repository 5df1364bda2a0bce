//! Every exit status and every deadly signal, each reported as it was.

use std::time::Duration;

use warren_runner::wire::{Ending, Exit, ToRunner};

use crate::harness::{Container, Image, python};

/// Signals that end a program which does nothing about them, of the 31 classical ones: all but
/// SIGCHLD, SIGCONT, SIGURG, SIGWINCH and the stop signals.
const DEADLY: &[i32] = &[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31,
];

/// The real-time signals. Those that the C library reserves lie below.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

#[test]
fn every_exit_status_and_every_deadly_signal_is_reported() {
    let exits: Vec<Exit> = (0..=255)
        .map(Exit::Status)
        .chain(DEADLY.iter().copied().chain(REAL_TIME).map(Exit::Signal))
        .collect();
    let mut job = python("read how number; [ $how = exit ] && exit $number; kill -$number $$")
        .time_limit(Duration::from_secs(20))
        .budget(Duration::from_secs(600));
    job.execute.command.args = vec!["sh".to_owned(), "main.py".to_owned()];
    job.execute.inputs = exits
        .iter()
        .map(|exit| match exit {
            Exit::Status(status) => format!("exit {status}\n").into_bytes(),
            Exit::Signal(number) => format!("kill {number}\n").into_bytes(),
        })
        .collect();
    let mut container = Container::start_for(Image::Python, Duration::from_secs(600));
    container.send(&ToRunner::Execute(job.execute));
    for exit in exits {
        assert_eq!(container.finished().ending, Ending::Ended(exit));
    }
}

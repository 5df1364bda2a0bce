//! Runs that each wait for the worker to continue.

use std::time::{Duration, Instant};

use warren_runner::wire::{Ending, Exit, FromRunner, Start, ToRunner};

use crate::harness::{Container, Image, python};

#[test]
fn the_next_run_waits_for_the_worker_to_continue() {
    let mut container = Container::start(Image::Python);
    let job = python("import time\nprint(input(), time.time())").inputs(&["a", "b", "c"]);
    container.park(&job);
    container.send(&ToRunner::Execute(
        job.stepwise().start(Start::Parked).execute,
    ));
    let mut told = 0.0;
    for name in ["a", "b", "c"] {
        let stdout = String::from_utf8(container.finished().stdout.bytes).unwrap();
        let (given, begun) = stdout.trim().split_once(' ').unwrap();
        assert_eq!(given, name);
        assert!(begun.parse::<f64>().unwrap() > told, "{name} did not wait");
        if name != "c" {
            std::thread::sleep(Duration::from_millis(300));
            told = seconds_since_the_epoch();
            container.send(&ToRunner::Continue);
        }
    }
    assert_eq!(container.next(), FromRunner::Done);
    assert!(container.close().success());
}

fn seconds_since_the_epoch() -> f64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64()
}

#[test]
fn a_worker_that_wants_no_more_runs_just_disconnects() {
    let mut container = Container::start(Image::Python);
    let job = python("print(input())").inputs(&["a", "b"]).stepwise();
    container.send(&ToRunner::Execute(job.execute));
    assert_eq!(container.finished().stdout.bytes, b"a\n");
    assert!(container.close().success());
    assert!(container.is_silent());
}

#[test]
fn waiting_for_the_worker_uses_up_the_jobs_time() {
    let mut container = Container::start(Image::Python);
    let job = python("print(input())").inputs(&["a", "b", "c"]).stepwise();
    // Enough for a busy machine to come to the end of the first run.
    let budget = Duration::from_secs(6);
    container.send(&ToRunner::Execute(job.budget(budget).execute));
    let begun = Instant::now();
    assert_eq!(container.finished().ending, Ending::Ended(Exit::Status(0)));
    assert_eq!(container.next(), FromRunner::NotRun);
    assert!(begun.elapsed() > Duration::from_secs(1));
    // A `Continue` that comes too late, or for a run that is not run, changes nothing.
    container.send(&ToRunner::Continue);
    assert_eq!(container.next(), FromRunner::NotRun);
    container.send(&ToRunner::Continue);
    assert_eq!(container.next(), FromRunner::Done);
    container.send(&ToRunner::Continue);
    assert!(container.close().success());
}

//! The conversation: what comes when, and what ends it.

use std::time::Duration;

use warren_runner::wire::{Ending, FromRunner, ToRunner};

use crate::harness::{Container, Image, python};

#[test]
fn a_program_is_run_and_its_verdict_reported() {
    let mut container = Container::start(Image::Python);
    let report = container.run(python("print(input()[::-1])").input("olleh"));
    assert_eq!(report.ending, Ending::Exited(0));
    assert_eq!(report.stdout.bytes, b"hello\n");
    assert!(!report.stdout.truncated);
    assert_eq!(report.stderr.bytes, b"");
    assert!(report.wall < Duration::from_secs(2), "{:?}", report.wall);
    assert!(report.cpu > Duration::from_millis(1), "{:?}", report.cpu);
    assert!(report.memory > 4 << 20, "{}", report.memory);
    assert!(report.memory < 64 << 20, "{}", report.memory);
    assert_eq!(container.next(), FromRunner::Done);
    assert!(container.close().success());
}

#[test]
fn each_input_is_a_fresh_process_in_order() {
    let mut container = Container::start(Image::Python);
    let program = python("import os\nprint(input(), os.listdir('.'))\nopen('left', 'w')");
    let job = program.inputs(&["a", "b", "c"]);
    container.send(&ToRunner::Execute(job.execute));
    for name in ["a", "b", "c"] {
        let report = container.finished();
        let expected = format!("{name} ['main.py']\n");
        assert_eq!(String::from_utf8_lossy(&report.stdout.bytes), expected);
    }
    assert_eq!(container.next(), FromRunner::Done);
}

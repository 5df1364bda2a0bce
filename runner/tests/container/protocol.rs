//! The conversation with the worker: the order of messages, and its end.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use warren_runner::wire::{Ending, Exit, FromRunner, ToRunner};

use crate::harness::{Container, Image, Job, python, static_runner};

/// The kernel's resolution of CPU time.
const TICK: Duration = Duration::from_millis(20);

#[test]
fn a_program_is_run_and_its_verdict_reported() {
    let mut container = Container::start(Image::Python);
    let sent = Instant::now();
    let report = container.run(python("print(input()[::-1])").input("olleh"));
    println!(
        "answered after {:?}, of which {:?} ran",
        sent.elapsed(),
        report.wall
    );
    assert_eq!(report.ending, Ending::Ended(Exit::Status(0)));
    assert_eq!(report.stdout.bytes, b"hello\n");
    assert!(!report.stdout.truncated);
    assert_eq!(report.stderr.bytes, b"");
    // It has one thread, and a container half a CPU: it cannot have more of the one than of the other.
    assert!(report.wall <= sent.elapsed(), "{:?}", report.wall);
    assert!(report.cpu > Duration::from_millis(1), "{:?}", report.cpu);
    assert!(report.cpu < report.wall + TICK, "{:?}", report.cpu);
    assert!(report.memory > 4 << 20, "{}", report.memory);
    assert!(report.memory < 64 << 20, "{}", report.memory);
    assert_eq!(container.next(), FromRunner::Done);
    assert!(container.close().success());
}

#[test]
fn each_input_is_a_fresh_process_on_an_empty_scratch_directory() {
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

#[test]
fn a_job_without_inputs_is_done_at_once() {
    let mut container = Container::start(Image::Python);
    container.send(&ToRunner::Execute(python("print()").times(0).execute));
    assert_eq!(container.next(), FromRunner::Done);
}

#[test]
fn the_job_may_come_in_pieces() {
    let mut container = Container::start(Image::Python);
    let job = ToRunner::Execute(python("print('whole')").execute);
    let frame = warren_runner::wire::encode(&job).unwrap();
    for piece in frame.chunks(7) {
        container.send_raw(piece);
    }
    assert_eq!(container.finished().stdout.bytes, b"whole\n");
}

#[test]
fn the_container_ends_when_the_worker_does() {
    // Before there is a job, and in the midst of one.
    let mut container = Container::start(Image::Python);
    assert!(container.close().success());
    assert!(container.is_silent());

    // Neither the job's time nor the container's would be over before the test gives up waiting.
    let mut container = Container::start(Image::Python);
    let job = python("while True: pass").time_limit(Duration::from_secs(600));
    container.send(&ToRunner::Execute(job.execute));
    assert!(container.close().success());
    assert!(container.is_silent());
}

#[test]
fn the_runner_ends_itself_after_its_life_whatever_happens() {
    let mut idle = Container::start_for(Image::Python, Duration::from_secs(1));
    assert!(!idle.wait().success());

    // The job's own time would not be over before the test gives up waiting.
    let mut busy = Container::start_for(Image::Python, Duration::from_secs(5));
    let job = python("while True: pass").time_limit(Duration::from_secs(600));
    busy.send(&ToRunner::Execute(job.execute));
    assert!(!busy.wait().success());
}

/// Returns the reason that the runner gives for not running a job.
fn refusal(job: Job) -> String {
    let mut container = Container::start(Image::Python);
    container.send(&ToRunner::Execute(job.execute));
    let FromRunner::Failed { reason } = container.next() else {
        panic!("the job was not refused");
    };
    assert!(!container.wait().success());
    reason
}

#[test]
fn a_job_that_cannot_be_run_is_refused_with_its_reason() {
    let mut missing = python("");
    missing.execute.command.args = vec!["python9".to_owned(), "main.py".to_owned()];
    let reason = refusal(missing);
    assert!(reason.contains("failed to start `python9`"), "{reason}");

    for name in ["", "..", "../main.py", "/etc/main.py", "a\0b"] {
        let mut astray = python("");
        name.clone_into(&mut astray.execute.command.file_name);
        let reason = refusal(astray);
        assert!(reason.contains("file name"), "{reason}");
    }
    let mut nothing = python("");
    nothing.execute.command.args.clear();
    assert!(refusal(nothing).contains("command"));
}

#[test]
fn bytes_that_are_no_frame_of_this_version_are_refused() {
    for noise in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[3, 0, 0, 0, 0xff, 0xff, 0xff],
    ] {
        let mut container = Container::start(Image::Python);
        container.send_raw(noise);
        assert!(matches!(container.next(), FromRunner::Failed { .. }));
        assert!(!container.wait().success());
    }
}

#[test]
fn the_runner_refuses_to_run_anywhere_but_as_pid_1() {
    let output = Command::new(static_runner())
        .args(["--max-life", "5"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("only as PID 1"), "{message}");
}

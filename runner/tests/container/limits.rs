//! The limits of a program, and the verdict on one that exceeds them.

use std::time::Duration;

use warren_runner::wire::{Ending, Exit, FromRunner, ToRunner};

use crate::harness::{Container, Image, javascript, python};

#[test]
fn an_endless_program_is_cut_off_with_its_output_so_far() {
    let mut container = Container::start(Image::Python);
    let code = "print('begun', flush=True)\nwhile True: pass";
    // Enough for a busy machine to come to the first line.
    let limit = Duration::from_secs(3);
    let report = container.run(python(code).time_limit(limit));
    assert_eq!(report.ending, Ending::TimeLimit);
    assert_eq!(report.stdout.bytes, b"begun\n");
    assert!(report.wall >= limit, "{:?}", report.wall);
}

#[test]
fn runs_that_do_not_fit_into_the_budget_are_not_run() {
    let mut container = Container::start(Image::Python);
    let job = python("import time\ntime.sleep(float(input()))")
        .inputs(&["0.1", "60", "0.1", "0.1"])
        .budget(Duration::from_secs(6));
    container.send(&ToRunner::Execute(job.execute));
    assert_eq!(container.finished().ending, Ending::Ended(Exit::Status(0)));
    for _ in 0..3 {
        assert_eq!(container.next(), FromRunner::NotRun);
    }
    assert_eq!(container.next(), FromRunner::Done);
}

#[test]
fn a_run_that_reaches_its_own_limit_within_the_budget_has_a_verdict() {
    let mut container = Container::start(Image::Python);
    let job = python("while True: pass")
        .times(2)
        .time_limit(Duration::from_millis(300))
        .budget(Duration::from_secs(20));
    container.send(&ToRunner::Execute(job.execute));
    for _ in 0..2 {
        assert_eq!(container.finished().ending, Ending::TimeLimit);
    }
    assert_eq!(container.next(), FromRunner::Done);
}

#[test]
fn input_that_is_never_read_blocks_nothing() {
    let mut container = Container::start(Image::Python);
    let long = "x".repeat(200 * 1024);
    let report = container.run(python("print('done')").input(&long));
    assert_eq!(report.ending, Ending::Ended(Exit::Status(0)));
    assert_eq!(report.stdout.bytes, b"done\n");
}

#[test]
fn input_arrives_complete_and_ends() {
    let mut container = Container::start(Image::Python);
    let long = "0123456789".repeat(20 * 1024);
    let code = "import sys, zlib\ntext = sys.stdin.buffer.read()\nprint(len(text), text == b'0123456789' * 20480)";
    let report = container.run(python(code).input(&long));
    assert_eq!(report.stdout.bytes, b"204800 True\n");
}

#[test]
fn without_an_input_standard_input_is_empty() {
    let mut container = Container::start(Image::Python);
    let report = container.run(python("import sys\nprint(repr(sys.stdin.read()))"));
    assert_eq!(report.stdout.bytes, b"''\n");
}

#[test]
fn output_is_kept_byte_by_byte_up_to_the_cap() {
    let mut container = Container::start(Image::Python);
    let code = "import os\nos.write(1, bytes(range(256)) * 256)\nos.write(2, b'\\xff\\0')";
    let report = container.run(python(code));
    let all: Vec<u8> = (0..=255).collect::<Vec<u8>>().repeat(256);
    assert_eq!(report.stdout.bytes, all);
    assert!(!report.stdout.truncated);
    assert_eq!(report.stderr.bytes, b"\xff\0");
}

#[test]
fn output_past_the_cap_is_read_and_dropped() {
    let mut container = Container::start(Image::Python);
    let mut job = python("print('a' * 500_000)\nimport sys\nsys.exit(4)");
    job.execute.output_kept = 1000;
    let report = container.run(job);
    assert_eq!(report.ending, Ending::Ended(Exit::Status(4)));
    assert_eq!(report.stdout.bytes, [b'a'; 1000]);
    assert!(report.stdout.truncated);
}

#[test]
fn a_flood_counts_whether_or_not_the_program_lives_to_be_killed() {
    for code in ["while True: print('x' * 100)", "print('x' * 200_000)"] {
        let mut container = Container::start(Image::Python);
        let mut job = python(code);
        job.execute.output_flood = 100_000;
        let report = container.run(job);
        assert_eq!(report.ending, Ending::OutputLimit, "{code}");
        assert_eq!(report.stdout.bytes.len(), 64 * 1024);
    }
}

#[test]
fn no_byte_is_lost_when_the_program_ends_at_once() {
    let mut container = Container::start(Image::Python);
    // The first piece is small and seen by itself; the rest comes with the end.
    let code = "import os, time\nos.write(1, b'x')\ntime.sleep(0.0005)\n\
        os.write(1, b'x' * 60_000)\nos.write(2, b'end')\nos._exit(0)";
    container.send(&ToRunner::Execute(python(code).times(40).execute));
    for _ in 0..40 {
        let report = container.finished();
        assert_eq!(report.stdout.bytes.len(), 60_001);
        assert_eq!(report.stderr.bytes, b"end");
    }
}

#[test]
fn exit_codes_and_signals_are_the_programs_own() {
    let mut container = Container::start(Image::Python);
    let code = "import os, sys\nend = input()\nif end[0] == 's': os.kill(os.getpid(), int(end[1:]))\nsys.exit(int(end))";
    let job = python(code).inputs(&["0", "1", "255", "137", "s9", "s11", "s6", "s15"]);
    container.send(&ToRunner::Execute(job.execute));
    for code in [0, 1, 255, 137] {
        assert_eq!(
            container.finished().ending,
            Ending::Ended(Exit::Status(code))
        );
    }
    for signal in [9, 11, 6, 15] {
        assert_eq!(
            container.finished().ending,
            Ending::Ended(Exit::Signal(signal))
        );
    }
}

#[test]
fn node_with_a_full_heap_gets_a_memory_verdict() {
    let mut container = Container::start(Image::JavaScript);
    let mut job = javascript("const held = []; for (;;) held.push({ n: held.length });");
    job.execute
        .command
        .args
        .insert(1, "--max-old-space-size=40".to_owned());
    let report = container.run(job);
    let stderr = String::from_utf8_lossy(&report.stderr.bytes);
    assert!(stderr.contains("FATAL ERROR"), "{stderr}");
    assert_eq!(report.ending, Ending::MemoryLimit(Exit::Signal(6)));
}

#[test]
fn a_program_sees_a_plain_environment() {
    let mut container = Container::start(Image::Python);
    let code = "import os\nprint(sorted(os.environ), os.getcwd(), os.listdir('/proc/self/fd'))\n\
        print(os.getsid(0) == os.getpid(), open('/proc/self/oom_score_adj').read().strip())\n\
        print(__name__, oct(os.umask(0)))";
    let report = container.run(python(code));
    let stdout = String::from_utf8_lossy(&report.stdout.bytes);
    // Descriptor 3 is the listing itself.
    let expected = "['HOME', 'LANG', 'PATH', 'TMPDIR'] /tmp ['0', '1', '2', '3']\nTrue 1000\n\
        __main__ 0o22\n";
    assert_eq!(
        stdout,
        expected,
        "{}",
        String::from_utf8_lossy(&report.stderr.bytes)
    );
}

#[test]
fn a_program_starts_confined_and_with_default_signals() {
    let mut container = Container::start(Image::Python);
    let mut job = python("");
    job.execute.command.args = vec!["cat".to_owned(), "/proc/self/status".to_owned()];
    let report = container.run(job);
    let status = String::from_utf8_lossy(&report.stdout.bytes);
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.strip_prefix(':')).map(str::trim)
    };
    for name in [
        "SigBlk", "SigIgn", "SigCgt", "CapPrm", "CapEff", "CapBnd", "CapAmb",
    ] {
        assert_eq!(value(name), Some("0000000000000000"), "{name}");
    }
    assert_eq!(value("NoNewPrivs"), Some("1"));
    assert_eq!(value("Seccomp"), Some("2"));
}

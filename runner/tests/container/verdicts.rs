//! Ends that look alike, each with its own verdict.

use std::time::Duration;

use warren_runner::wire::{Ending, Exit, RunReport};

use crate::harness::{Container, Image, Job, javascript, python};

const KILLED: Exit = Exit::Signal(9);
const ABORTED: Exit = Exit::Signal(6);

/// Has a child allocate until the kernel kills it. Returns whether that happened.
const PYTHON_HUNGRY_CHILD: &str = "
import os, signal, subprocess, sys
def hungry_child():
    child = os.fork()
    if child == 0:
        held = []
        while True: held.append(bytearray(1 << 22))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
";

fn judged(image: Image, job: Job) -> RunReport {
    // The time that it takes on a busy machine is not what is tested here.
    Container::start(image).run(job.time_limit(Duration::from_secs(20)))
}

fn check(image: Image, program: fn(&str) -> Job, cases: &[(&str, String, Ending)]) {
    let mut complaints = Vec::new();
    for (name, code, expected) in cases {
        let report = judged(image, program(code));
        let stderr = String::from_utf8_lossy(&report.stderr.bytes);
        println!(
            "{name}: {:?} in {:?}, {} MiB",
            report.ending,
            report.wall,
            report.memory >> 20
        );
        if report.ending != *expected {
            let found = report.ending;
            complaints.push(format!(
                "{name}: {found:?} instead of {expected:?}\n{stderr}"
            ));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn python_verdicts_on_ends_that_look_alike() {
    let child = |then: &str| format!("{PYTHON_HUNGRY_CHILD}{then}");
    let plain = str::to_owned;
    check(
        Image::Python,
        python,
        &[
            (
                "the kernel kills it for lack of memory",
                plain("held = []\nwhile True: held.append(bytearray(1 << 20))"),
                Ending::MemoryLimit(KILLED),
            ),
            (
                "it kills itself",
                plain("import os\nos.kill(os.getpid(), 9)"),
                Ending::Ended(KILLED),
            ),
            (
                "its child kills it",
                plain(
                    "import os, time\nif os.fork() == 0: os.kill(os.getppid(), 9)\ntime.sleep(9)",
                ),
                Ending::Ended(KILLED),
            ),
            (
                "its child is killed for lack of memory, which it survives",
                child("sys.exit(0 if hungry_child() else 2)"),
                Ending::Ended(Exit::Status(0)),
            ),
            (
                "it gives up for its child's end",
                child("sys.exit(1 if hungry_child() else 2)"),
                Ending::Ended(Exit::Status(1)),
            ),
            (
                "an error for its child's end",
                plain(
                    "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'held = []\\nwhile True: held.append(bytearray(1 << 20))'], check=True)",
                ),
                Ending::Ended(Exit::Status(1)),
            ),
            (
                "another signal after its child's end",
                child("hungry_child() and os.kill(os.getpid(), signal.SIGTERM)"),
                Ending::Ended(Exit::Signal(15)),
            ),
            (
                "an allocation is refused",
                plain("bytearray(1 << 50)"),
                Ending::MemoryLimit(Exit::Status(1)),
            ),
            (
                "an allocation is refused, which it handles",
                plain("import sys\ntry: bytearray(1 << 50)\nexcept MemoryError: sys.exit(3)"),
                Ending::Ended(Exit::Status(3)),
            ),
            (
                "a source too deep for the parser, which calls that a MemoryError",
                format!("x = {}1", "-".repeat(9000)),
                Ending::Ended(Exit::Status(1)),
            ),
            (
                "processes up to the limit",
                plain("import os, time\nwhile True:\n    if os.fork() == 0: time.sleep(60)"),
                Ending::Ended(Exit::Status(1)),
            ),
            (
                "threads up to the limit",
                plain(
                    "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(1,)).start()",
                ),
                Ending::Ended(Exit::Status(1)),
            ),
            (
                "recursion without end",
                plain("def f(): f()\nf()"),
                Ending::Ended(Exit::Status(1)),
            ),
            (
                "the stack overflows",
                plain(
                    "import sys\nsys.setrecursionlimit(10 ** 9)\nf = lambda x: f((x,))\nclass A:\n    def __repr__(self): return repr(self)\nrepr(A())",
                ),
                Ending::Ended(Exit::Signal(11)),
            ),
        ],
    );
}

#[test]
fn javascript_verdicts_on_ends_that_look_alike() {
    let plain = str::to_owned;
    check(
        Image::JavaScript,
        javascript,
        &[
            (
                "it aborts by itself",
                plain("process.abort();"),
                Ending::Ended(ABORTED),
            ),
            (
                "the kernel kills it for lack of memory",
                plain("const held = []; for (;;) held.push(Buffer.alloc(1 << 20, 1));"),
                Ending::MemoryLimit(KILLED),
            ),
            (
                "it kills itself",
                plain("process.kill(process.pid, 'SIGKILL'); for (;;);"),
                Ending::Ended(KILLED),
            ),
            (
                "the heap of its child is full, which it survives",
                plain(
                    "const end = require('child_process').spawnSync(process.execPath, ['--max-old-space-size=20', '-e', 'const held = []; for (;;) held.push([1]);'], { stdio: 'inherit' }); process.exit(end.signal === 'SIGABRT' ? 5 : 6);",
                ),
                Ending::Ended(Exit::Status(5)),
            ),
            (
                "the heap of its thread is full",
                plain(
                    "new (require('worker_threads').Worker)('const held = []; for (;;) held.push({ n: [held.length] });', { eval: true, resourceLimits: { maxOldGenerationSizeMb: 30 } });",
                ),
                Ending::MemoryLimit(Exit::Status(1)),
            ),
            (
                "an allocation is refused",
                plain("new ArrayBuffer(2 ** 45);"),
                Ending::MemoryLimit(Exit::Status(1)),
            ),
            (
                "a length that no array may have",
                plain("new Array(-1);"),
                Ending::Ended(Exit::Status(1)),
            ),
            (
                "processes up to the limit",
                plain(
                    "const { spawn } = require('child_process'); for (let n = 0; n < 60; n++) spawn('sleep', ['60']);",
                ),
                Ending::Ended(Exit::Status(1)),
            ),
            (
                "threads up to the limit",
                plain(
                    "const { Worker } = require('worker_threads'); for (let n = 0; n < 30; n++) require('child_process').spawn('sleep', ['60']); for (let n = 0; n < 20; n++) new Worker('setInterval(() => {}, 1000)', { eval: true });",
                ),
                Ending::Ended(Exit::Status(1)),
            ),
            (
                "recursion without end",
                plain("function f() { f(); } f();"),
                Ending::Ended(Exit::Status(1)),
            ),
        ],
    );
}

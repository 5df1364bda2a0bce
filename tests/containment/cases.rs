//! Test cases with a sandbox each are apart: nothing that one leaves reaches another.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{machine, warren::Warren};

/// Prints what it reads of everything that is known to stay in a sandbox between two runs, and then
/// leaves a mark on all of it: the number of the next process, the number of the next file, the times
/// of devices, the counters of the loopback device and of control groups, the table of connections.
const MARKS: &str = r#"
import io, os, socket, time

def read(path, of):
    try:
        return of(io.open(path).read())
    except OSError:
        return None

def lines_with(word):
    return lambda text: [line.split()[1:] for line in text.splitlines() if word in line]

def peak(text):
    return int(text) > 140 << 20

io.open("/tmp/fresh", "w").close()
times = [os.stat("/dev/" + name).st_mtime for name in ("null", "zero", "full")]
groups = [read(path, peak) for path in ("/sys/fs/cgroup/memory.peak", "/sys/fs/cgroup/memory/memory.max_usage_in_bytes")]
print("process", os.getpid() > 50, "file", os.stat("/tmp/fresh").st_ino, "devices", max(times) - min(times) > 0.1)
print("loopback", read("/proc/net/dev", lines_with("lo:")), "connections", read("/proc/net/tcp", len), "memory", groups)

for n in range(100):
    if os.fork() == 0:
        os._exit(0)
    os.wait()
    io.open("/tmp/%d" % n, "w").close()
time.sleep(0.2)
try:
    os.utime("/dev/null")
except OSError:
    pass
try:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(4)
    caller = socket.create_connection(listener.getsockname())
    answer, _ = listener.accept()
    caller.sendall(b"x" * 4242)
    caller.close()
    answer.recv(9999)
    answer.close()
except OSError:
    pass
held = bytearray(150 << 20)
for n in range(0, len(held), 4096):
    held[n] = 1
"#;

/// Prints what no two sandboxes have in common, as long as both live, or one was started later.
const WHO: &str = "\
import os
started = open('/proc/1/stat').read().rsplit(')', 1)[1].split()[19]
print(os.readlink('/proc/self/ns/mnt'), started)
";

/// Starts a worker that isolates the runs of a job so, without a pool: a parked sandbox differs from
/// one that was not, whatever runs in it.
async fn start(isolation: &str, slots: &str) -> Warren {
    let variables = [
        ("WARREN_ISOLATION", isolation),
        ("WARREN_POLICY", "off"),
        ("WARREN_POOL_SIZE", "0"),
        ("WARREN_SLOTS", slots),
    ];
    let warren = Warren::start("up", &variables).await;
    warren.expect("warren up starts")
}

fn submission(code: &str, cases: usize) -> Value {
    let case = json!({"input": "", "expectedOutput": ""});
    json!({"language": "python", "code": code, "testCases": vec![case; cases]})
}

/// Runs a program on so many cases. Returns what each printed.
async fn printed(warren: &Warren, code: &str, cases: usize) -> Vec<String> {
    let answer = warren.judged(&submission(code, cases)).await;
    let results = answer.body["testResults"].as_array().expect("results");
    let text = |result: &Value| {
        result["actualOutput"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let texts: Vec<_> = results.iter().map(text).collect();
    assert!(texts.iter().all(|text| !text.is_empty()), "{}", answer.body);
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn no_case_finds_the_marks_of_another() {
    let _machine = machine::shared().await;
    // One slot, so that each case begins after the one before has left its marks.
    let warren = start("case", "1").await;
    let apart = printed(&warren, MARKS, 4).await;
    assert!(apart.iter().all(|text| *text == apart[0]), "{apart:#?}");
    drop(warren);
    // In one sandbox the program sees its own marks: it can tell.
    let warren = start("job", "1").await;
    let together = printed(&warren, MARKS, 2).await;
    assert_ne!(together[0], together[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_case_and_the_run_on_input_have_a_sandbox_for_themselves() {
    let _machine = machine::shared().await;
    for (isolation, distinct) in [("case", 6), ("job", 1)] {
        let warren = start(isolation, "3").await;
        let mut submission = submission(WHO, 5);
        submission["input"] = json!("");
        let answer = warren.judged(&submission).await;
        let results = answer.body["testResults"].as_array().expect("results");
        let cases = results.iter().map(|result| result["actualOutput"].clone());
        let seen: BTreeSet<_> = cases
            .chain([answer.body["stdout"].clone()])
            .map(|sandbox| sandbox.to_string())
            .collect();
        assert_eq!(seen.len(), distinct, "{isolation}: {}", answer.body);
    }
}

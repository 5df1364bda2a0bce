//! Runs the hostile programs of `tests/corpus/hostile` under PID 1 alone.
//!
//! Each must get the right verdict, and leave nothing for the run after it.

use std::path::Path;
use std::time::Duration;

use warren_runner::wire::{Ending, Exit, FromRunner, RunReport, ToRunner};

use crate::harness::{Container, Image, Job, javascript, programs, python};

/// Code before each program: on the input `probe` it looks for what the last run has left.
const PYTHON_PROBE: &str = r"
import sys as _s
if _s.stdin.readline() == 'probe':
    import os as _o
    _p = sorted(int(p) for p in _o.listdir('/proc') if p.isdigit())
    _v = _o.statvfs('.')
    _free = _v.f_blocks - _v.f_bfree < 64 and _v.f_files - _v.f_ffree < 64
    print(_o.listdir('.'), len(_p), _o.listdir('/dev/mqueue') if _o.path.isdir('/dev/mqueue') else [], _free)
    raise SystemExit
";
const JAVASCRIPT_PROBE: &str = r"
if (require('fs').readFileSync(0, 'utf8') === 'probe') {
  const fs = require('fs');
  console.log(fs.readdirSync('.'), fs.readdirSync('/proc').filter(name => /^\d+$/.test(name)).length);
  process.exit();
}
";

/// The expectations that a fixture states in its first lines.
struct Fixture {
    name: String,
    code: String,
    verdict: String,
    /// Another verdict that is as honest.
    or: Option<String>,
    /// Whether it may keep PID 1 from judging it: then the worker does.
    may_disable_init: bool,
    /// Whether what it leaves may keep the next run from beginning.
    may_be_last: bool,
    exit: Option<i32>,
    signal: Option<String>,
    within: Option<Duration>,
}

impl Fixture {
    fn read(path: &Path) -> Self {
        let code = std::fs::read_to_string(path).unwrap();
        let said = |key: &str| {
            code.lines()
                .map_while(|line| line.strip_prefix("# ").or_else(|| line.strip_prefix("// ")))
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
                .map(str::to_owned)
        };
        Self {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            verdict: said("verdict").expect("a fixture says its verdict"),
            or: said("or"),
            may_disable_init: said("judge").as_deref() == Some("worker"),
            may_be_last: said("then").as_deref() == Some("not_run"),
            exit: said("exit").map(|code| code.parse().unwrap()),
            signal: said("signal"),
            within: said("within").map(|ms| Duration::from_millis(ms.parse().unwrap())),
            code,
        }
    }

    fn is_python(&self) -> bool {
        self.name.ends_with(".py")
    }

    fn job(&self) -> Job {
        if self.is_python() {
            python(&format!("{PYTHON_PROBE}{}", self.code))
        } else {
            javascript(&format!("{JAVASCRIPT_PROBE}{}", self.code))
        }
    }

    /// Finds the fault of this report.
    fn complaint(&self, report: &RunReport) -> Option<String> {
        let status = match report.ending {
            Ending::Ended(Exit::Status(0)) => "completed",
            Ending::Ended(_) => "runtime_error",
            Ending::TimeLimit => "time_limit_exceeded",
            Ending::MemoryLimit(_) => "memory_limit_exceeded",
            Ending::OutputLimit => "output_limit_exceeded",
        };
        let exit = match report.ending {
            Ending::Ended(Exit::Status(code)) => Some(code),
            _ => None,
        };
        let killed = report.ending == Ending::Ended(Exit::Signal(9));
        let last_line = report
            .stdout
            .bytes
            .trim_ascii_end()
            .rsplit(|byte| *byte == b'\n');
        let contained = last_line.clone().next() == Some(b"contained");
        let right = (status == self.verdict || self.or.as_deref() == Some(status))
            && self.exit.is_none_or(|code| exit == Some(code))
            && self
                .signal
                .as_deref()
                .is_none_or(|name| name == "SIGKILL" && killed)
            && (status != "completed" || contained)
            && self
                .within
                .is_none_or(|within| self.may_disable_init || report.wall < within);
        (!right).then(|| {
            format!(
                "{}: {:?} after {:?}, expected {}\n  stdout: {}\n  stderr: {}",
                self.name,
                report.ending,
                report.wall,
                self.verdict,
                shown(&report.stdout.bytes),
                shown(&report.stderr.bytes),
            )
        })
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(600)..]).into_owned()
}

/// Returns all fixtures of one kind, or those named in `WARREN_HOSTILE` if it is set.
fn fixtures(extension: &str) -> Vec<Fixture> {
    let paths = programs("hostile", extension, "WARREN_HOSTILE");
    assert!(!paths.is_empty(), "no hostile programs found");
    paths.iter().map(|path| Fixture::read(path)).collect()
}

/// Runs each, and then looks, in the same container, at what is left.
fn check(fixtures: &[Fixture], image: Image, clean: &str) {
    let mut complaints = Vec::new();
    for fixture in fixtures {
        let mut container = Container::start(image);
        let mut job = fixture.job().inputs(&["", "probe"]);
        job = match fixture.verdict.as_str() {
            // They would use up any limit, and there are many of them.
            "time_limit_exceeded" => job.time_limit(Duration::from_millis(1500)),
            // What they need on a busy machine.
            _ => job
                .time_limit(Duration::from_secs(15))
                .budget(Duration::from_secs(60)),
        };
        container.send(&ToRunner::Execute(job.execute));
        let report = match container.next_unless_killed() {
            Some(FromRunner::Finished(report)) => report,
            None if fixture.may_disable_init => {
                println!("{:<36} the memory killer took PID 1", fixture.name);
                continue;
            }
            other => {
                complaints.push(format!("{}: no report but {other:?}", fixture.name));
                continue;
            }
        };
        println!(
            "{:<36} {:?} wall {:?} cpu {:?} memory {} MiB",
            fixture.name,
            report.ending,
            report.wall,
            report.cpu,
            report.memory >> 20,
        );
        complaints.extend(fixture.complaint(&report));
        let probe = match container.next() {
            FromRunner::Finished(probe) => probe,
            FromRunner::NotRun if fixture.may_be_last => continue,
            other => {
                complaints.push(format!("after {}: {other:?}", fixture.name));
                continue;
            }
        };
        let found = String::from_utf8_lossy(&probe.stdout.bytes).into_owned();
        if found != clean {
            let stderr = shown(&probe.stderr.bytes);
            complaints.push(format!("{} left: {found}{stderr}", fixture.name));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn hostile_python_is_contained_and_leaves_nothing() {
    check(&fixtures("py"), Image::Python, "['main.py'] 2 [] True\n");
}

#[test]
fn hostile_javascript_is_contained_and_leaves_nothing() {
    check(&fixtures("js"), Image::JavaScript, "[ 'main.js' ] 2\n");
}

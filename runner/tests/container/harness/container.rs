//! A container with the runner as PID 1.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use warren_runner::parked::NODE_CLOCKS;
use warren_runner::wire::{
    FromRunner, HEAD, RunReport, ToRunner, VERSION, body_len, decode, encode,
};

use super::build::static_runner;
use super::engine::{Deviation, Wanted, create};
use super::permits::Permit;
use super::{Image, Job};

/// More than any frame may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// The exit status of a container whose PID 1 was ended by SIGKILL.
const KILLED: i32 = 128 + 9;

/// A running container; dropping it removes it, with everything in it.
pub(crate) struct Container {
    name: String,
    engine: Child,
    to_runner: Option<ChildStdin>,
    frames: Receiver<FromRunner>,
    _permit: Permit,
}

impl Container {
    /// Starts a container and waits for its first frame.
    pub(crate) fn start(image: Image) -> Self {
        Self::start_for(image, Duration::from_secs(600))
    }

    pub(crate) fn start_for(image: Image, max_life: Duration) -> Self {
        Self::start_unlike(image, max_life, Deviation::None)
    }

    pub(crate) fn start_deviating(image: Image, deviation: Deviation) -> Self {
        Self::start_unlike(image, Duration::from_secs(600), deviation)
    }

    fn start_unlike(image: Image, max_life: Duration, deviation: Deviation) -> Self {
        let permit = Permit::take();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("warren-runner-test-{}-{number}", std::process::id());
        let runner = static_runner().display();
        let clocks = Path::new(env!("CARGO_MANIFEST_DIR")).join("parked/node-clocks.js");
        let wanted = Wanted {
            name: &name,
            image: &image.name(),
            command: &[
                "/.warren/runner",
                "--max-life",
                &max_life.as_secs().to_string(),
            ],
            binds: &[
                format!("{runner}:/.warren/runner:ro"),
                format!("{}:{NODE_CLOCKS}:ro", clocks.display()),
            ],
            writable: &[],
            deviation,
        };
        let mut engine = create(&wanted)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("docker is installed; `make test` provisions it");
        let to_runner = engine.stdin.take();
        let from_runner = engine.stdout.take().unwrap();
        let (sender, frames) = channel();
        std::thread::spawn(move || {
            let mut stream = from_runner;
            while let Some(frame) = read_frame(&mut stream) {
                if sender.send(frame).is_err() {
                    break;
                }
            }
        });
        let mut container = Self {
            name,
            engine,
            to_runner,
            frames,
            _permit: permit,
        };
        assert_eq!(container.next(), FromRunner::Ready { version: VERSION });
        container
    }

    pub(crate) fn send(&mut self, message: &ToRunner) {
        self.send_raw(&encode(message).unwrap());
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        let stream = self.to_runner.as_mut().unwrap();
        stream.write_all(bytes).unwrap();
        stream.flush().unwrap();
    }

    /// Returns the next frame; a missing one fails the test.
    pub(crate) fn next(&mut self) -> FromRunner {
        self.frames
            .recv_timeout(PATIENCE)
            .expect("the runner answers")
    }

    /// Returns the next frame; `None` if a SIGKILL has ended PID 1 instead. Any other end fails the
    /// test.
    pub(crate) fn next_unless_killed(&mut self) -> Option<FromRunner> {
        match self.frames.recv_timeout(PATIENCE) {
            Ok(frame) => Some(frame),
            Err(RecvTimeoutError::Timeout) => panic!("the runner answers"),
            Err(RecvTimeoutError::Disconnected) => {
                assert_eq!(self.wait().code(), Some(KILLED), "how PID 1 ended");
                None
            }
        }
    }

    /// Sends a job of one run and returns its report.
    pub(crate) fn run(&mut self, job: Job) -> RunReport {
        self.send(&ToRunner::Execute(job.execute));
        self.finished()
    }

    /// Parks the job's interpreter.
    pub(crate) fn park(&mut self, job: &Job) {
        self.send(&ToRunner::Park(job.park()));
        assert_eq!(self.next(), FromRunner::Parked);
    }

    /// Returns the process that PID 1 has started, by its number in the container.
    pub(crate) fn program(&self) -> u32 {
        let script =
            "cd /proc; for p in [0-9]*; do grep -qs '^PPid:.1$' $p/status && echo $p; done; true";
        self.exec(script).trim().parse().expect("one process")
    }

    /// Kills a process and waits until it is dead.
    pub(crate) fn kill(&self, pid: u32) {
        let dead = format!("grep -qs '^State:.Z' /proc/{pid}/status");
        self.exec(&format!("kill -9 {pid}; until {dead}; do :; done"));
    }

    /// Returns the output of a shell in the container.
    fn exec(&self, script: &str) -> String {
        let output = Command::new("docker")
            .args(["exec", &self.name, "timeout", "20", "sh", "-c", script])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns the report that must come next.
    pub(crate) fn finished(&mut self) -> RunReport {
        match self.next() {
            FromRunner::Finished(report) => report,
            other => panic!("expected a report, got {other:?}"),
        }
    }

    /// Closes the worker's end, and waits for the container to end because of it.
    pub(crate) fn close(&mut self) -> ExitStatus {
        self.to_runner = None;
        self.wait()
    }

    /// Waits for the container to end by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.engine.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < give_up, "the container does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns whether the runner has closed its stream.
    pub(crate) fn is_silent(&mut self) -> bool {
        matches!(
            self.frames.recv_timeout(PATIENCE),
            Err(RecvTimeoutError::Disconnected)
        )
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.to_runner = None;
        if self.engine.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = Command::new("docker")
                .args(["rm", "--force", &self.name])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            let _ = self.engine.kill();
            let _ = self.engine.wait();
        }
    }
}

fn read_frame(stream: &mut impl Read) -> Option<FromRunner> {
    let mut head = [0; HEAD];
    stream.read_exact(&mut head).ok()?;
    let mut body = vec![0; body_len(head).unwrap()];
    stream.read_exact(&mut body).ok()?;
    Some(decode(&body).unwrap())
}

//! A sandbox with the runner, spoken to as a worker does.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::time::Duration;

use warren_launcher::wire::{Launch, SandboxId};
use warren_runner::wire::{
    Command, Ending, Execute, Exit, FromRunner, HEAD, Pace, RunReport, Start, ToRunner, VERSION,
    body_len, decode, encode,
};

pub(crate) struct Sandbox {
    pub(crate) id: SandboxId,
    pub(crate) user: u32,
    pub(crate) input: Option<PipeWriter>,
    output: PipeReader,
    pub(crate) errors: PipeReader,
}

impl Sandbox {
    /// Waits until the runner greets.
    pub(crate) fn greeted(
        launch: &Launch,
        (input, output, errors): (PipeWriter, PipeReader, PipeReader),
    ) -> Self {
        let mut sandbox = Self {
            id: launch.id,
            user: launch.user,
            input: Some(input),
            output,
            errors,
        };
        match sandbox.next() {
            Some(FromRunner::Ready { version }) => assert_eq!(version, VERSION),
            other => {
                let mut text = String::new();
                let _ = sandbox.errors.read_to_string(&mut text);
                panic!("{other:?}: {text}");
            }
        }
        sandbox
    }

    /// Returns the next frame; `None` if the runner has closed its stream.
    pub(crate) fn next(&mut self) -> Option<FromRunner> {
        let mut head = [0; HEAD];
        self.output.read_exact(&mut head).ok()?;
        let mut body = vec![0; body_len(head).unwrap()];
        self.output.read_exact(&mut body).unwrap();
        Some(decode(&body).unwrap())
    }

    /// Starts a Python program.
    pub(crate) fn start(&mut self, code: &str) {
        let execute = Execute {
            command: Command {
                args: ["/usr/bin/python3", "-u", "main.py"]
                    .map(str::to_owned)
                    .to_vec(),
                file_name: "main.py".to_owned(),
                pipe_size: 65_536,
            },
            start: Start::Fresh,
            pace: Pace::Through,
            code: code.as_bytes().to_vec(),
            inputs: vec![Vec::new()],
            // An emulated machine takes a minute for what takes a second.
            time_limit: Duration::from_secs(300),
            budget: Duration::from_secs(400),
            output_kept: 65_536,
            output_flood: 1 << 20,
        };
        let frame = encode(&ToRunner::Execute(execute)).unwrap();
        self.input.as_mut().unwrap().write_all(&frame).unwrap();
    }

    /// Runs a Python program.
    pub(crate) fn run(&mut self, code: &str) -> RunReport {
        self.start(code);
        let report = match self.next() {
            Some(FromRunner::Finished(report)) => report,
            other => panic!("{other:?}"),
        };
        assert_eq!(self.next(), Some(FromRunner::Done));
        report
    }

    /// Runs a Python program that must end well, and returns its output.
    pub(crate) fn output_of(&mut self, code: &str) -> String {
        let report = self.run(code);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (output, errors) = (text(report.stdout.bytes), text(report.stderr.bytes));
        assert_eq!(report.ending, Ending::Ended(Exit::Status(0)), "{errors}");
        output
    }
}

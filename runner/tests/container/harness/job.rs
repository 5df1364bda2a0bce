//! Jobs for the runner.

use std::time::Duration;

use warren_runner::parked::NODE_CLOCKS;
use warren_runner::wire::{Command, Execute, Pace, Park, Start};

/// A job with the contract's limits, except those of time: a busy machine has to finish it. Tests
/// of a time limit set their own.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) execute: Execute,
}

pub(crate) fn python(code: &str) -> Job {
    job("python3", "main.py", code)
}

pub(crate) fn javascript(code: &str) -> Job {
    job("node", "main.js", code)
}

fn job(interpreter: &str, file_name: &str, code: &str) -> Job {
    Job {
        execute: Execute {
            command: Command {
                args: vec![interpreter.to_owned(), file_name.to_owned()],
                file_name: file_name.to_owned(),
                pipe_size: 1024 * 1024,
            },
            start: Start::Fresh,
            pace: Pace::Through,
            code: code.into(),
            inputs: vec![Vec::new()],
            time_limit: Duration::from_secs(60),
            budget: Duration::from_secs(600),
            output_kept: 64 * 1024,
            output_flood: 1024 * 1024,
        },
    }
}

impl Job {
    pub(crate) fn input(self, input: &str) -> Self {
        self.inputs(&[input])
    }

    pub(crate) fn inputs(mut self, inputs: &[&str]) -> Self {
        self.execute.inputs = inputs
            .iter()
            .map(|input| input.as_bytes().to_vec())
            .collect();
        self
    }

    /// Sets the number of runs, each without input.
    pub(crate) fn times(mut self, runs: usize) -> Self {
        self.execute.inputs = vec![Vec::new(); runs];
        self
    }

    pub(crate) fn start(mut self, start: Start) -> Self {
        self.execute.start = start;
        self
    }

    /// Makes each run but the first wait for the worker's `Continue`.
    pub(crate) fn stepwise(mut self) -> Self {
        self.execute.pace = Pace::Stepwise;
        self
    }

    /// Returns the request to park its interpreter.
    pub(crate) fn park(&self) -> Park {
        Park {
            command: self.execute.command.clone(),
            environment: match self.execute.command.file_name.as_str() {
                "main.js" => vec![("NODE_OPTIONS".into(), format!("--require={NODE_CLOCKS}"))],
                _ => Vec::new(),
            },
        }
    }

    pub(crate) fn time_limit(mut self, limit: Duration) -> Self {
        self.execute.time_limit = limit;
        self
    }

    pub(crate) fn budget(mut self, budget: Duration) -> Self {
        self.execute.budget = budget;
        self
    }
}

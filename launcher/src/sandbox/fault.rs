//! Fault points of the tests: a named step that fails, or never ends.
//!
//! Only an environment variable enables one, and a worker starts its launcher without any.

use std::io;

use rustix::io::Errno;

use super::step::Step;

/// The variable: `fail:STEP` or `hang:STEP`, with the name of a sandbox's step.
const VARIABLE: &str = "WARREN_LAUNCHER_FAULT";

/// The fault that a test asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fault(Option<(Kind, Step)>);

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// The step is an error instead of being done.
    Fail,
    /// The process stops there for ever.
    Hang,
}

impl Fault {
    /// Reads the variable, before the environment is wiped.
    pub(crate) fn of_environment() -> Self {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        let kind = |kind, step: &str| Step::named(step).map(|step| (kind, step));
        Self(match text.split_once(':') {
            Some(("fail", step)) => kind(Kind::Fail, step),
            Some(("hang", step)) => kind(Kind::Hang, step),
            _ => None,
        })
    }

    /// Does what the test asked for at this step. Safe between clone and exec.
    pub(crate) fn at(self, step: Step) -> io::Result<()> {
        match self.0 {
            Some((Kind::Fail, asked)) if asked == step => Err(Errno::NOTRECOVERABLE.into()),
            Some((Kind::Hang, asked)) if asked == step => loop {
                // Only SIGKILL ends this.
                rustix::event::pause();
            },
            _ => Ok(()),
        }
    }
}

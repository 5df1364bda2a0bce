//! The stages of one sandbox, as its template reports them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use warren_launcher::wire;

use crate::engine::{Consumed, Death, Life};

/// The exit status that stands for a signal: this and the signal's number.
const SIGNALLED: i64 = 128;

/// The stage that a sandbox has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was asked for.
    Asked,
    /// PID 1 runs.
    Running,
    /// PID 1 has ended.
    Ended(Ended),
    /// It was not made, for this reason.
    Refused(Arc<str>),
    /// Nothing is left of it. How it ended, if that was reported.
    Removed(Option<Ended>),
    /// Its template is gone, and the sandbox with it.
    Lost,
}

/// The end of a sandbox's PID 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) death: wire::Death,
    pub(super) consumed: wire::Consumed,
}

impl Stage {
    /// Returns whether there is nothing to be removed any more.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Removed(_) | Self::Lost)
    }

    /// Returns whether PID 1 runs. A sandbox that was lost was killed by its launcher's end.
    pub(super) fn life(&self) -> Life {
        match self {
            Self::Asked | Self::Running => Life::Running,
            Self::Ended(ended) | Self::Removed(Some(ended)) => Life::Ended(death(ended.death)),
            Self::Refused(_) | Self::Removed(None) | Self::Lost => Life::Ended(Death::Killed),
        }
    }

    /// Returns how it ended, if that was reported.
    pub(super) fn ended(&self) -> Option<Ended> {
        match self {
            Self::Ended(ended) | Self::Removed(Some(ended)) => Some(*ended),
            _ => None,
        }
    }
}

/// Translates a launcher's answer. It has counted the kernel's kills for memory, so any other SIGKILL
/// is somebody's.
fn death(death: wire::Death) -> Death {
    match death {
        wire::Death::OutOfMemory => Death::OutOfMemory,
        wire::Death::Killed => Death::Killed,
        wire::Death::Exited(status) => Death::Exited(i64::from(status)),
        wire::Death::Signalled(signal) => Death::Exited(SIGNALLED + i64::from(signal)),
    }
}

/// Translates a launcher's answer.
pub(super) fn consumed(used: wire::Consumed) -> Consumed {
    Consumed {
        cpu: used.cpu,
        memory: used.memory,
    }
}

/// One sandbox under watch: its stage, and the answers on what it has used.
pub(super) struct SandboxWatch {
    pub(super) stage: watch::Sender<Stage>,
    pub(super) consumed: watch::Sender<Consumed>,
}

impl SandboxWatch {
    /// Creates the watch of a sandbox that is asked for.
    pub(super) fn new() -> Self {
        Self {
            stage: watch::Sender::new(Stage::Asked),
            consumed: watch::Sender::default(),
        }
    }

    /// Waits until its stage is so, at most for `within`. Returns the stage then, or `None`.
    pub(super) async fn until(
        &self,
        within: Duration,
        is_so: impl FnMut(&Stage) -> bool,
    ) -> Option<Stage> {
        let mut stages = self.stage.subscribe();
        let waited = tokio::time::timeout(within, stages.wait_for(is_so)).await;
        let stage = waited.ok()?.ok()?.clone();
        Some(stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(death: wire::Death) -> Ended {
        Ended {
            death,
            consumed: wire::Consumed::default(),
        }
    }

    #[test]
    fn only_what_the_launcher_has_counted_is_the_memory_limit() {
        let life = |death| Stage::Removed(Some(ended(death))).life();
        assert_eq!(
            life(wire::Death::OutOfMemory),
            Life::Ended(Death::OutOfMemory)
        );
        assert_eq!(
            life(wire::Death::Signalled(9)),
            Life::Ended(Death::Exited(137))
        );
        assert_eq!(Stage::Lost.life(), Life::Ended(Death::Killed));
    }

    #[test]
    fn what_has_ended_is_still_to_be_removed() {
        assert!(!Stage::Ended(ended(wire::Death::Exited(0))).is_gone());
        assert!(!Stage::Running.is_gone() && !Stage::Asked.is_gone());
        assert!(Stage::Removed(None).is_gone() && Stage::Lost.is_gone());
        assert!(Stage::Refused("no".into()).is_gone());
    }
}

//! The operator's choice of an engine.

use std::str::FromStr;

/// An engine that a worker can be started with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// Docker, which most hosts have.
    #[default]
    Docker,
    /// The native engine: a launcher of Warren's own, without a daemon.
    Native,
}

impl EngineChoice {
    /// The variable that chooses it.
    pub const VARIABLE: &'static str = "WARREN_ENGINE";
}

impl FromStr for EngineChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "docker" => Ok(Self::Docker),
            "native" => Ok(Self::Native),
            _ => Err("is neither docker nor native"),
        }
    }
}

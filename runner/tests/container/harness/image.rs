//! The images that the programs run in.

use std::process::{Command, Stdio};

/// A language's image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    Python,
    JavaScript,
}

impl Image {
    /// Returns its name: the configured one, else the first of the usual ones that is present.
    ///
    /// # Panics
    /// If none is present.
    pub(crate) fn name(self) -> String {
        let (variable, usual) = match self {
            Self::Python => (
                "WARREN_IMAGE_PYTHON",
                ["python:3.10-alpine", "warren-base/python:3.11-debian"],
            ),
            Self::JavaScript => (
                "WARREN_IMAGE_JAVASCRIPT",
                ["node:18-alpine", "warren-base/node:18-npm"],
            ),
        };
        std::env::var(variable)
            .ok()
            .or_else(|| usual.map(str::to_owned).into_iter().find(|name| is_here(name)))
            .unwrap_or_else(|| {
                panic!("no image to run {self:?} in: start Docker and run `make test`, which provisions one, or name one in {variable}")
            })
    }
}

fn is_here(name: &str) -> bool {
    Command::new("docker")
        .args(["image", "inspect", name])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

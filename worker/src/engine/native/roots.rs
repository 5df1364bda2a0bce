//! The languages' root file systems, checked before each launcher is started.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use warren_languages::LanguageName;
use warren_rootfs::{Root, additions, check};

use crate::engine::RUNNER_BINARY;
use crate::{Error, Result};

/// The roots of all languages.
#[derive(Debug, Default)]
pub(super) struct CheckedRoots {
    /// Those that are fit for use. An import does not remove them as long as this lives.
    pub(super) fit: BTreeMap<LanguageName, Root>,
    /// The languages that have none, each with the reason and what to do.
    pub(super) unfit: BTreeMap<LanguageName, Arc<str>>,
}

impl CheckedRoots {
    /// Checks the root of each language.
    ///
    /// # Errors
    /// The check panicked.
    pub(super) async fn check(roots: BTreeMap<LanguageName, PathBuf>) -> Result<Self> {
        let checking = tokio::task::spawn_blocking(move || {
            let additions = additions(RUNNER_BINARY);
            let mut checked = Self::default();
            for (language, path) in roots {
                match check(&path, &additions) {
                    Ok(root) => drop(checked.fit.insert(language, root)),
                    Err(faults) => {
                        let says = faults.to_string();
                        let lines: Vec<&str> = says.lines().map(str::trim).collect();
                        checked.unfit.insert(language, lines.join("; ").into());
                    }
                }
            }
            checked
        });
        checking
            .await
            .map_err(|_panicked| Error::Panicked("checking the roots"))
    }

    /// Returns the name of what a language's root was made from.
    pub(super) fn origin(&self, language: &LanguageName) -> Option<String> {
        let root = self.fit.get(language)?;
        Some(root.provenance().origin.name.clone())
    }
}

//! Examines sandboxes and host once, for a person.

use std::collections::BTreeMap;

use warren_languages::{LanguageName, Languages};
use warren_protocol::limits::Limits;

use crate::Result;
use crate::engine::Engine;
use crate::host::{self, Finding, Severity};
use crate::posture::{Fault, Posture};

/// The result of an examination.
pub struct Examination {
    /// Each language's sandbox, or the reason why there is none.
    pub languages: BTreeMap<LanguageName, Result<Examined>>,
    /// The findings about the host; none if no sandbox could be examined.
    pub host: Vec<Finding>,
}

/// One language's sandbox.
pub struct Examined {
    /// Everything that was read.
    pub posture: Posture,
    /// What it falls short of: the worker would not run the language.
    pub faults: Vec<Fault>,
}

impl Examination {
    /// Returns whether every sandbox is as it must be.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        let mut examined = self.languages.values();
        !self.languages.is_empty()
            && examined.all(|it| it.as_ref().is_ok_and(|it| it.faults.is_empty()))
    }

    /// Returns the weightiest finding about the host.
    #[must_use]
    pub fn worst(&self) -> Severity {
        let severities = self.host.iter().map(|finding| finding.severity);
        severities.max().unwrap_or(Severity::Ok)
    }
}

/// Examines a sandbox of each language, one after another, and the host of a worker with so many
/// slots.
///
/// # Errors
/// The engine does not answer, or no image is ready.
pub async fn examine(
    engine: &dyn Engine,
    languages: &Languages,
    slots: u16,
) -> Result<Examination> {
    engine.prepare().await?;
    let of_engine = engine.host().await?;
    let mut examination = Examination {
        languages: BTreeMap::new(),
        host: Vec::new(),
    };
    for language in languages.iter() {
        let posture = Posture::read(engine, language).await;
        if let Ok(posture) = &posture
            && examination.host.is_empty()
        {
            examination.host = host::examine(posture, &of_engine, slots);
        }
        let examined = posture.map(|posture| Examined {
            faults: posture.faults(&Limits::default()),
            posture,
        });
        examination
            .languages
            .insert(language.name().clone(), examined);
    }
    Ok(examination)
}

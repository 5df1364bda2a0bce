//! A language's interpreter and image, for the systems that are not Warren.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;

use crate::Setup;
use crate::workload::Workload;

/// Where programs stand for the interpreter.
pub const CODE: &str = "/code";

/// How a language's programs are started.
pub struct Interpreter {
    /// The base image, the same that Warren's containers are made from.
    pub image: String,
    /// What the source is saved as.
    pub file: String,
    /// The language's own command, on a source in [`CODE`].
    pub command: Vec<String>,
}

impl Interpreter {
    /// That of the workload's language.
    ///
    /// # Errors
    /// The language file does not have it.
    pub fn of(job: &Workload, setup: &Setup) -> anyhow::Result<Self> {
        let name = job.language;
        let language = setup.languages.get(name).with_context(|| {
            format!("the benchmark needs the language {name}, and WARREN_LANGUAGES has none of that name; unset it")
        })?;
        let image = setup.images.get(language.name());
        let file = language.file_name();
        let in_code = |word: &String| {
            if word == file {
                format!("{CODE}/{file}")
            } else {
                word.clone()
            }
        };
        Ok(Self {
            image: image
                .with_context(|| format!("{name} has no image"))?
                .clone(),
            file: file.to_owned(),
            command: language.command().iter().map(in_code).collect(),
        })
    }

    /// Saves a program in a new directory, readable for everybody.
    pub fn save(&self, job: &Workload, directory: &Path) -> anyhow::Result<()> {
        let save = || {
            DirBuilder::new()
                .mode(0o755)
                .recursive(true)
                .create(directory)?;
            let file = directory.join(&self.file);
            fs::write(&file, job.code)?;
            // Whatever the umask is.
            fs::set_permissions(&file, Permissions::from_mode(0o644))?;
            fs::set_permissions(directory, Permissions::from_mode(0o755))
        };
        save().with_context(|| format!("{} cannot be written", directory.display()))
    }
}

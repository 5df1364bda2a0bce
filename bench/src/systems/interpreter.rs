//! A language's interpreter and image, for the systems other than Warren.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;

use crate::setup::Setup;
use crate::workload::Workload;

/// The directory in which the interpreter finds programs.
pub const CODE: &str = "/code";

/// The interpreter of a language.
pub struct Interpreter {
    /// The base image, the same as that of Warren's containers.
    pub image: String,
    /// The name of the source file.
    pub file: String,
    /// The language's own command, on a source in [`CODE`].
    pub command: Vec<String>,
}

impl Interpreter {
    /// Returns the interpreter of the workload's language.
    ///
    /// # Errors
    /// The language file does not have the language.
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

    /// Saves a program in a new directory that everyone may read.
    pub fn save(&self, job: &Workload, directory: &Path) -> anyhow::Result<()> {
        let save = || {
            DirBuilder::new()
                .mode(0o755)
                .recursive(true)
                .create(directory)?;
            let file = directory.join(&self.file);
            fs::write(&file, job.code)?;
            // Independent of the umask.
            fs::set_permissions(&file, Permissions::from_mode(0o644))?;
            fs::set_permissions(directory, Permissions::from_mode(0o755))
        };
        save().with_context(|| format!("cannot write {}", directory.display()))
    }
}

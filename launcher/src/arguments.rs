//! The launcher's command line.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::network::Mode;

/// The most sandboxes that one launcher makes at a time: there are not many more users.
const MAX_SANDBOXES: i64 = 400;

/// Arguments of `warren launcher`.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// A language and the directory with its root file system; repeated for each
    #[arg(long = "root", value_name = "LANGUAGE=DIR", required = true, value_parser = OsStringValueParser::new().try_map(Root::parse))]
    pub roots: Vec<Root>,
    /// The delegated control group, below the hierarchy's mount; by default the one it is started in
    #[arg(long, value_name = "DIR")]
    pub cgroup: Option<PathBuf>,
    /// The network namespaces of sandboxes, which have no network in either case
    #[arg(long, alias = "netns", value_enum, default_value_t)]
    pub network: NetworkMode,
    /// The launcher's rights on the host
    #[arg(long, value_enum, default_value_t)]
    pub rights: RightsMode,
    /// The name of its control group; by default its process id
    #[arg(long, value_name = "NAME")]
    pub instance: Option<String>,
    /// The most sandboxes at a time, those being removed included
    #[arg(long, value_name = "NUMBER", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=MAX_SANDBOXES))]
    pub sandboxes: u32,
}

/// A language and its root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The language's name.
    pub language: String,
    /// The directory with its root file system.
    pub directory: PathBuf,
}

impl Root {
    fn parse(text: OsString) -> Result<Self, &'static str> {
        let bytes = text.as_bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=');
        let (language, directory) = equals
            .map(|at| (&bytes[..at], &bytes[at + 1..]))
            .ok_or("it has no `=`")?;
        let language = str::from_utf8(language)
            .ok()
            .filter(|name| !name.is_empty());
        let directory = PathBuf::from(OsString::from_vec(directory.to_vec()));
        if !directory.is_absolute() {
            return Err("the directory must be absolute");
        }
        Ok(Self {
            language: language.ok_or("it names no language")?.to_owned(),
            directory,
        })
    }
}

/// The way in which sandboxes get network namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum NetworkMode {
    /// From earlier sandboxes that left no trace in theirs
    #[default]
    Recycled,
    /// Each makes its own
    Fresh,
}

impl From<NetworkMode> for Mode {
    fn from(mode: NetworkMode) -> Self {
        match mode {
            NetworkMode::Recycled => Self::Recycled,
            NetworkMode::Fresh => Self::Fresh,
        }
    }
}

/// The rights that the launcher is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RightsMode {
    /// None on the host if that can be, else root's
    #[default]
    Auto,
    /// None on the host: it is root in a user namespace of its own
    Rootless,
    /// The host's root
    Root,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_has_a_language_and_an_absolute_directory() {
        let root = Root::parse("python=/srv/a=b".into()).unwrap();
        assert_eq!(root.language, "python");
        assert_eq!(root.directory, PathBuf::from("/srv/a=b"));
        for bad in ["python", "=/srv", "python=srv", "python="] {
            assert!(Root::parse(bad.into()).is_err(), "{bad}");
        }
    }
}

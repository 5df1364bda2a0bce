//! The native engine's settings, and the launcher's arguments that they become.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use warren_config::Env;
use warren_languages::LanguageName;

use crate::engine::core::CpuSet;

/// The most sandboxes of one launcher: there are not many more users.
const MAX_SANDBOXES: usize = 400;

/// The rights that a launcher is to have on the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RightsChoice {
    /// None if that can be, else root's.
    #[default]
    Auto,
    /// None: it is root in a user namespace of its own.
    Rootless,
    /// The host's root.
    Root,
}

impl RightsChoice {
    /// Returns it as the variable has it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Rootless => "rootless",
            Self::Root => "root",
        }
    }
}

impl FromStr for RightsChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Auto, Self::Rootless, Self::Root];
        let chosen = all.into_iter().find(|choice| choice.as_str() == text);
        chosen.ok_or("is neither auto, rootless nor root")
    }
}

/// The network namespace of a sandbox, which has no network in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkChoice {
    /// One that an earlier sandbox had, if an audit finds no trace of it.
    #[default]
    Recycled,
    /// One that is made for it, which costs two milliseconds.
    Fresh,
}

impl NetworkChoice {
    /// Returns it as the variable has it.
    fn as_str(self) -> &'static str {
        match self {
            Self::Recycled => "recycled",
            Self::Fresh => "fresh",
        }
    }
}

impl FromStr for NetworkChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Recycled, Self::Fresh];
        let chosen = all.into_iter().find(|choice| choice.as_str() == text);
        chosen.ok_or("is neither recycled nor fresh")
    }
}

/// The operator's settings of the native engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeSettings {
    /// The launcher's rights.
    pub rights: RightsChoice,
    /// The network namespaces of sandboxes.
    pub network: NetworkChoice,
    /// The control group that was delegated to this worker; `None` for the one that it is in.
    pub cgroup: Option<PathBuf>,
}

impl NativeSettings {
    /// The variable that chooses the launcher's rights.
    const RIGHTS: &'static str = "WARREN_NATIVE_RIGHTS";
    /// The variable that chooses the network namespaces.
    const NETWORK: &'static str = "WARREN_NATIVE_NETNS";
    /// The variable that names the delegated control group.
    const CGROUP: &'static str = "WARREN_NATIVE_CGROUP";

    /// Reads the settings; faults are recorded in `env`.
    pub(crate) fn from_env(env: &mut Env) -> Self {
        Self {
            rights: env.parse(Self::RIGHTS).unwrap_or_default(),
            network: env.parse(Self::NETWORK).unwrap_or_default(),
            cgroup: env.text(Self::CGROUP).map(PathBuf::from),
        }
    }
}

/// The native engine's configuration.
#[derive(Clone, Debug)]
pub struct NativeConfig {
    /// The operator's settings.
    pub settings: NativeSettings,
    /// The absolute path of each language's root.
    pub roots: BTreeMap<LanguageName, PathBuf>,
    /// The CPUs that sandboxes run on; `None` for all that the worker may use.
    pub cpus: Option<CpuSet>,
    /// The most sandboxes that exist at a time, those being removed included.
    pub max_sandboxes: usize,
}

impl NativeConfig {
    /// Returns the most sandboxes at a time, as far as one launcher can have them.
    pub(super) fn sandboxes(&self) -> usize {
        self.max_sandboxes.clamp(1, MAX_SANDBOXES)
    }

    /// Makes the arguments of a launcher with these roots.
    pub(super) fn arguments<'a>(
        &self,
        roots: impl Iterator<Item = (&'a LanguageName, &'a Path)>,
    ) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            "--rights".into(),
            self.settings.rights.as_str().into(),
            "--network".into(),
            self.settings.network.as_str().into(),
            "--sandboxes".into(),
            self.sandboxes().to_string().into(),
        ];
        if let Some(cgroup) = &self.settings.cgroup {
            arguments.extend(["--cgroup".into(), cgroup.into()]);
        }
        for (language, root) in roots {
            let mut named = OsString::from(format!("{language}="));
            named.push(root);
            arguments.extend(["--root".into(), named]);
        }
        arguments
    }
}

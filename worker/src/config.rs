//! The worker's configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use warren_config::Env;
use warren_http::HostNames;
use warren_languages::{LanguageName, Languages, PolicyMode};

use crate::engine::core::CpuSet;
use crate::engine::docker::{BaseImage, RUNTIME_VARIABLE, RuntimeName};
use crate::engine::native::NativeSettings;
use crate::engine::{EngineChoice, Isolation};
use crate::intake::{Access, Share};
use crate::roots;
use crate::sandbox::PoolConfig;

/// The most slots of one worker; for more, start another worker.
const MAX_SLOTS: u16 = 256;
/// The default grace period of a stop: a job's five seconds and a little.
const DRAIN: Duration = Duration::from_secs(8);

/// A worker's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address that its HTTP listens on.
    pub address: SocketAddr,
    /// The number of jobs it runs at a time.
    pub slots: NonZeroU16,
    /// The share of their time that unattended jobs get while callers come.
    pub unattended_share: Share,
    /// The pool of containers that are started ahead of jobs.
    pub pool: PoolConfig,
    /// The engine that makes its containers.
    pub engine: EngineChoice,
    /// The native engine's settings.
    pub native: NativeSettings,
    /// The base image of each language.
    pub images: BTreeMap<LanguageName, BaseImage>,
    /// The root of each language, which the native engine uses.
    pub roots: BTreeMap<LanguageName, PathBuf>,
    /// The Docker runtime that makes its containers; `None` for Docker's default.
    pub runtime: Option<RuntimeName>,
    /// The isolation of a job's runs; `None` for what its engine suggests.
    pub isolation: Option<Isolation>,
    /// The CPUs that its containers run on; `None` for all that it and Docker may use.
    pub cpus: Option<CpuSet>,
    /// The policy on submissions to its own HTTP.
    pub policy: PolicyMode,
    /// The grace period of a stop.
    pub drain: Duration,
    /// The rule for who may send submissions to its own HTTP.
    pub access: Access,
    /// The names by which they may call it without a secret, besides this machine's own.
    pub hosts: HostNames,
}

impl Config {
    /// Reads the settings; faults are recorded in `env`.
    pub fn from_env(env: &mut Env, languages: &Languages) -> Self {
        let slots = slots(env);
        let default_address = SocketAddr::from(([127, 0, 0, 1], 5001));
        Self {
            address: env.parse("WARREN_WORKER_ADDR").unwrap_or(default_address),
            slots,
            unattended_share: env.parse(Share::VARIABLE).unwrap_or_default(),
            pool: PoolConfig::from_env(env, slots),
            engine: env.parse(EngineChoice::VARIABLE).unwrap_or_default(),
            native: NativeSettings::from_env(env),
            images: languages
                .iter()
                .map(|language| {
                    let variable = language.name().variable("WARREN_IMAGE_<LANGUAGE>");
                    let reference = env
                        .parse(&variable)
                        .unwrap_or_else(|| language.default_image().clone());
                    (
                        language.name().clone(),
                        BaseImage {
                            reference,
                            variable,
                        },
                    )
                })
                .collect(),
            roots: roots::places(env, languages),
            runtime: env.parse(RUNTIME_VARIABLE),
            isolation: env.parse(Isolation::VARIABLE),
            cpus: env.parse(CpuSet::VARIABLE),
            policy: env.parse("WARREN_POLICY").unwrap_or(PolicyMode::Enforce),
            drain: env.span_ms("WARREN_DRAIN_MS", DRAIN, 0..=60_000),
            access: Access::from_env(env),
            hosts: env.parse(HostNames::VARIABLE).unwrap_or_default(),
        }
    }

    /// Checks that a worker may start with this configuration; faults are recorded in `env`. This
    /// is separate from reading, since an API reads these settings, too.
    pub fn check(&self, env: &mut Env) {
        self.access.check(self.address, env);
    }
}

/// Reads the number of slots. A job may use half a CPU, so two a core keep the machine busy and no
/// more.
fn slots(env: &mut Env) -> NonZeroU16 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let default = u16::try_from(cores * 2)
        .unwrap_or(MAX_SLOTS)
        .clamp(1, MAX_SLOTS);
    NonZeroU16::new(env.number("WARREN_SLOTS", default, 1..=MAX_SLOTS)).unwrap_or(NonZeroU16::MIN)
}

//! A worker's settings.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use warren_config::Env;
use warren_languages::{Languages, PolicyMode};

use crate::access::Access;
use crate::engine::docker::{BaseImage, RUNTIME_VARIABLE, RuntimeName};
use crate::pool::PoolSettings;
use crate::unattended::Share;
use warren_languages::LanguageName;

/// The most slots of one worker: beyond it, start another.
const MAX_SLOTS: u16 = 256;
/// How long running jobs may take to end when the worker is asked to stop: a job's five seconds
/// and a little.
const DRAIN: Duration = Duration::from_secs(8);

/// What a worker is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where its HTTP listens.
    pub address: SocketAddr,
    /// How many jobs it runs at a time.
    pub slots: NonZeroU16,
    /// The part of their time that jobs have which nobody waits for, while callers come.
    pub unattended_share: Share,
    /// What is started ahead of them.
    pub pool: PoolSettings,
    /// The base image of each language.
    pub images: BTreeMap<LanguageName, BaseImage>,
    /// Which of Docker's runtimes makes its containers; the default if there is none.
    pub runtime: Option<RuntimeName>,
    /// Whether submissions to its own HTTP are held to the patterns.
    pub policy: PolicyMode,
    /// How long a stop may take.
    pub drain: Duration,
    /// Who may send submissions to its own HTTP.
    pub access: Access,
}

impl Config {
    /// Reads the settings; faults are kept in `env`.
    pub fn from_env(env: &mut Env, languages: &Languages) -> Self {
        let slots = slots(env);
        let default_address = SocketAddr::from(([127, 0, 0, 1], 5001));
        Self {
            address: env.parse("WARREN_WORKER_ADDR").unwrap_or(default_address),
            slots,
            unattended_share: env.parse(Share::VARIABLE).unwrap_or_default(),
            pool: PoolSettings::from_env(env, slots),
            images: languages
                .iter()
                .map(|language| {
                    let variable = image_variable(language.name());
                    let reference = env
                        .text(&variable)
                        .unwrap_or_else(|| language.default_image().to_owned());
                    (
                        language.name().clone(),
                        BaseImage {
                            reference,
                            variable,
                        },
                    )
                })
                .collect(),
            runtime: env.parse(RUNTIME_VARIABLE),
            policy: env.parse("WARREN_POLICY").unwrap_or(PolicyMode::Enforce),
            drain: env.span_ms("WARREN_DRAIN_MS", DRAIN, 0..=60_000),
            access: Access::from_env(env),
        }
    }

    /// Whether a worker may start like this; what it may not is recorded in `env` as a fault. Apart
    /// from the reading, since an API reads these settings, too.
    pub fn check(&self, env: &mut Env) {
        self.access.check(self.address, env);
    }
}

/// A job may use half a CPU, so two a core keep the machine busy and not more.
fn slots(env: &mut Env) -> NonZeroU16 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let default = u16::try_from(cores * 2)
        .unwrap_or(MAX_SLOTS)
        .clamp(1, MAX_SLOTS);
    NonZeroU16::new(env.number("WARREN_SLOTS", default, 1..=MAX_SLOTS)).unwrap_or(NonZeroU16::MIN)
}

/// `WARREN_IMAGE_PYTHON`, `WARREN_IMAGE_C__`: what is no letter or digit becomes `_`.
fn image_variable(language: &LanguageName) -> String {
    let name: String = language
        .as_str()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    format!("WARREN_IMAGE_{name}")
}

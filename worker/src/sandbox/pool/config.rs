//! What the pool is told.

use std::num::NonZeroU16;
use std::time::Duration;

use warren_config::Env;

/// The most parked containers of a language: each holds memory, and the users that containers run
/// as are a thousand.
const MAX_SIZE: u16 = 64;
/// How long a container is parked: long enough that replacing it costs nothing, short enough that
/// nothing of an engine's or an image's past stays around.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// The bounds of it, in milliseconds; PID 1 lives for a day at most.
const MAX_AGES: std::ops::RangeInclusive<u64> = 1_000..=12 * 60 * 60 * 1_000;
/// The most refills at a time that can be asked for.
const MAX_REFILLS: u16 = 16;

/// How many containers are parked, for how long, and how they are replaced.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Parked containers of each language; with none, every job starts its own.
    pub size: u16,
    /// How long one is kept at most.
    pub max_age: Duration,
    /// How many are started at a time.
    pub refills: NonZeroU16,
}

impl PoolConfig {
    /// Reads the settings; faults are kept in `env`. The default size is that of a burst that
    /// takes every slot.
    pub(crate) fn from_env(env: &mut Env, slots: NonZeroU16) -> Self {
        let refills = env.number("WARREN_POOL_REFILL", 1, 1..=MAX_REFILLS);
        Self {
            size: env.number("WARREN_POOL_SIZE", slots.get().min(MAX_SIZE), 0..=MAX_SIZE),
            max_age: env.span_ms("WARREN_POOL_MAX_AGE_MS", MAX_AGE, MAX_AGES),
            refills: NonZeroU16::new(refills).unwrap_or(NonZeroU16::MIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_one_for_each_slot() {
        let slots = NonZeroU16::new(6).unwrap();
        let settings = PoolConfig::from_env(&mut Env::from([]), slots);
        assert_eq!((settings.size, settings.refills.get()), (6, 1));
        let many = NonZeroU16::new(256).unwrap();
        assert_eq!(
            PoolConfig::from_env(&mut Env::from([]), many).size,
            MAX_SIZE
        );
    }

    #[test]
    fn it_can_be_switched_off_and_faults_are_told() {
        let slots = NonZeroU16::MIN;
        let off = PoolConfig::from_env(&mut Env::from([("WARREN_POOL_SIZE", "0")]), slots);
        assert_eq!(off.size, 0);
        let mut wrong = Env::from([
            ("WARREN_POOL_SIZE", "65"),
            ("WARREN_POOL_MAX_AGE_MS", "10"),
            ("WARREN_POOL_REFILL", "0"),
        ]);
        PoolConfig::from_env(&mut wrong, slots);
        let faults = wrong.finish().unwrap_err();
        assert_eq!(faults.0.len(), 3, "{faults}");
    }
}

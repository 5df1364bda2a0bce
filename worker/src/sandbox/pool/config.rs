//! The pool's configuration.

use std::num::NonZeroU16;
use std::time::Duration;

use warren_config::Env;

/// The most parked containers of a language: each holds memory, and there are 478 user ids for
/// containers.
const MAX_SIZE: u16 = 64;
/// The default maximum age of a parked container: long enough that replacing it costs little, short
/// enough that no old state of an engine or image survives.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);
/// The bounds of that age, in milliseconds; PID 1 lives for a day at most.
const MAX_AGES: std::ops::RangeInclusive<u64> = 1_000..=12 * 60 * 60 * 1_000;
/// The highest number of concurrent refills that can be set.
const MAX_REFILLS: u16 = 16;

/// The pool's size, the age of its containers, and the pace of refills.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// The number of parked containers of each language. With 0, every job starts its own.
    pub size: u16,
    /// The maximum age of a parked container.
    pub max_age: Duration,
    /// The number of concurrent refills.
    pub refills: NonZeroU16,
}

impl PoolConfig {
    /// Reads the settings; faults are recorded in `env`. The default size suits a burst that takes
    /// every slot.
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
    fn it_can_be_switched_off_and_faults_are_recorded() {
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

//! The numbers of jobs and faults, from `WARREN_CHAOS*`, and the seed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;

/// The plan of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed of everything random.
    pub seed: u64,
    /// The least number of requests, unattended jobs included.
    pub jobs: u32,
    /// The time over which the faults are spread, not counting the time that they take themselves.
    pub span: Duration,
    /// Requests per second.
    pub rate: u32,
    /// The share of unattended submissions: one in so many.
    pub unattended_every: u32,
    /// Workers that get SIGKILL.
    pub kills: u32,
    /// Broker restarts; half of them by SIGKILL.
    pub restarts: u32,
    /// Connections reset after a few bytes more.
    pub cuts: u32,
    /// Times at which a process's connections stay open and carry nothing.
    pub silences: u32,
    /// Times at which they are slow.
    pub delays: u32,
    /// Queues deleted and connections closed by the management API.
    pub orders: u32,
    /// APIs that get SIGKILL.
    pub api_kills: u32,
    /// Processes that get SIGTERM and a successor.
    pub rolls: u32,
    /// API processes.
    pub apis: usize,
    /// Worker processes.
    pub workers: usize,
    /// The longest that the whole may take, start and end included.
    pub limit: Duration,
    /// Whether the run waits for jobs without a result until they count as lost, and whether the
    /// figures are written to docs/RELIABILITY.md.
    pub length: Length,
}

/// The length of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Part of every test run.
    Bounded,
    /// `make soak`.
    Soak,
}

impl Plan {
    /// Returns the plan that the environment asks for.
    pub fn of_environment() -> anyhow::Result<Self> {
        let plan = match std::env::var("WARREN_CHAOS").as_deref() {
            Ok("soak") => Self::soak(),
            Err(_) | Ok("" | "bounded") => Self::bounded(),
            Ok(other) => {
                anyhow::bail!("WARREN_CHAOS={other:?}: it is `bounded` (the default) or `soak`")
            }
        };
        Ok(Self {
            seed: number("WARREN_CHAOS_SEED", plan.seed)?,
            jobs: number("WARREN_CHAOS_JOBS", plan.jobs)?,
            span: Duration::from_secs(number("WARREN_CHAOS_SPAN_S", plan.span.as_secs())?),
            rate: number("WARREN_CHAOS_RATE", plan.rate)?,
            unattended_every: number("WARREN_CHAOS_UNATTENDED_EVERY", plan.unattended_every)?,
            kills: number("WARREN_CHAOS_KILLS", plan.kills)?,
            restarts: number("WARREN_CHAOS_RESTARTS", plan.restarts)?,
            cuts: number("WARREN_CHAOS_CUTS", plan.cuts)?,
            silences: number("WARREN_CHAOS_SILENCES", plan.silences)?,
            delays: number("WARREN_CHAOS_DELAYS", plan.delays)?,
            orders: number("WARREN_CHAOS_ORDERS", plan.orders)?,
            api_kills: number("WARREN_CHAOS_API_KILLS", plan.api_kills)?,
            rolls: number("WARREN_CHAOS_ROLLS", plan.rolls)?,
            workers: number("WARREN_CHAOS_WORKERS", plan.workers)?,
            limit: Duration::from_secs(number("WARREN_CHAOS_LIMIT_S", plan.limit.as_secs())?),
            ..plan
        })
    }

    fn bounded() -> Self {
        Self {
            seed: clock(),
            jobs: 110,
            span: Duration::from_secs(18),
            rate: 5,
            unattended_every: 10,
            kills: 10,
            // Each is up to ten seconds without verdicts; the other test has one more.
            restarts: 1,
            cuts: 5,
            silences: 2,
            delays: 1,
            orders: 4,
            api_kills: 1,
            rolls: 2,
            apis: 2,
            workers: 3,
            limit: Duration::from_secs(900),
            length: Length::Bounded,
        }
    }

    fn soak() -> Self {
        Self {
            // More than a quarter of them are sent while there is no broker, and are refused.
            jobs: 14_000,
            span: Duration::from_secs(1_000),
            rate: 9,
            unattended_every: 20,
            kills: 500,
            restarts: 50,
            cuts: 50,
            silences: 25,
            delays: 15,
            orders: 50,
            api_kills: 20,
            rolls: 40,
            workers: 4,
            limit: Duration::from_secs(40 * 60),
            length: Length::Soak,
            ..Self::bounded()
        }
    }
}

/// Returns another seed for each run.
fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

fn number<N: std::str::FromStr>(variable: &str, default: N) -> anyhow::Result<N>
where
    N::Err: std::error::Error + Send + Sync + 'static,
{
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{variable}={text:?} is no number")),
        Err(_unset) => Ok(default),
    }
}

//! The command line of `warren bench`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

/// Arguments of `warren bench`.
#[derive(Debug, Args)]
pub struct BenchArguments {
    /// Use fewer rounds and shorter windows, about a minute in all; other options still apply
    #[arg(long)]
    pub quick: bool,
    /// Rounds of hello, one job at a time; the other jobs have fewer [default: 100]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rounds: Option<u32>,
    /// The shortest time from the end of one of Warren's jobs to the start of the next, one at a time
    /// [default: 500]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub gap_ms: Option<u64>,
    /// The numbers of jobs at a time, in the sustained part
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "N,N…",
        conflicts_with = "no_sustained"
    )]
    pub concurrency: Option<Vec<NonZeroUsize>>,
    /// The time for which each number of jobs is sustained [default: 6]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=3_600), conflicts_with = "no_sustained")]
    pub window_s: Option<u64>,
    /// Sustain the highest number of jobs at a time for a minute
    #[arg(long, conflicts_with = "no_sustained")]
    pub soak: bool,
    /// Skip the sustained part
    #[arg(long)]
    pub no_sustained: bool,
    /// The file for the figures
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    pub json: PathBuf,
}

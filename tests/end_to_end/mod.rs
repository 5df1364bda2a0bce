//! Warren as its users meet it: real processes, real broker, real containers.

mod bench;
mod cli;
mod drain;
mod engine;
mod images;
mod judging;
mod leftovers;
mod pool;
mod programs;
mod requests;
mod test_cases;
mod workers;

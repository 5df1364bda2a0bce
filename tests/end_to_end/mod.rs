//! Warren as its users meet it: real processes, real broker, real containers.

mod bench;
mod cancel;
mod cli;
mod drain;
mod duplicates;
mod engine;
mod history;
mod images;
mod judging;
mod leftovers;
mod overload;
mod poison;
mod pool;
mod programs;
mod requests;
mod test_cases;
mod workers;

//! Warren as its users meet it: real processes, real broker, real containers.

mod cli;
mod examples;
mod operations;
mod reliability;
mod running;

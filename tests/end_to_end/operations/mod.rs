//! A worker's machine: its engine, images, pool of containers, and other workers.

mod engine;
mod images;
mod native;
mod pool;
mod workers;

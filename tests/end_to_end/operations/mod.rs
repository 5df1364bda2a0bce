//! A worker's machine: its engine, images, pool of containers, and other workers.

mod engine;
mod images;
mod pool;
mod workers;

//! PID 1 of every Warren container.
fn main() {}

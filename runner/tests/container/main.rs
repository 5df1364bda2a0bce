//! The real runner as PID 1 of real containers, spoken to in its wire format.

mod harness;
mod hostile;
mod protocol;

//! Warren under load and loss: no job is lost, run twice, or starved.

mod drain;
mod duplicates;
mod fairness;
mod fallback;
mod leftovers;
mod overload;
mod poison;
mod slow_readers;

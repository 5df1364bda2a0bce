//! Warren under load and loss: no job lost, none run twice, none starved.

mod drain;
mod duplicates;
mod fairness;
mod fallback;
mod leftovers;
mod overload;
mod poison;

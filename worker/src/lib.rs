//! Warren's worker.

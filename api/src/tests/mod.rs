//! The API from the outside, over a real queue and a real store.

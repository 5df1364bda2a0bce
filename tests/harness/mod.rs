//! What the tests share: the real services they run against.

pub(crate) mod mongo;

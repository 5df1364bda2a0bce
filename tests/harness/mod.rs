//! What the tests share: the real services they run against.

//! The root file systems of the tests, for the native engine: made once of the base images.

//! Error codes of the server.

use mongodb::error::{Error as MongoError, ErrorKind, WriteFailure};

/// MongoDB's codes for a violated unique index, and for documents that are too large or that the
/// collection's validator refuses. A retry cannot change any of these.
const DUPLICATE_KEY: i32 = 11_000;

/// Returns the error code of the server, if the error has one.
pub(super) fn code_of(error: &MongoError) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::Command(error) => Some(error.code),
        _ => None,
    }
}

/// Returns whether a document with that key exists.
pub(super) fn is_duplicate(error: &MongoError) -> bool {
    code_of(error) == Some(DUPLICATE_KEY)
}

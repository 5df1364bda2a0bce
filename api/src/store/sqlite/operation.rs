//! An operation on the connection.

use rusqlite::Connection;

/// A piece of work for the thread that has the connection.
pub(super) type Operation = Box<dyn FnOnce(&Connection) + Send>;

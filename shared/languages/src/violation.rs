//! One forbidden thing found in a piece of code.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One forbidden thing in a piece of code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Violation {
    /// The id of the rule.
    pub rule: String,
    /// The line, from 1; lines end at `\n`, `\r\n` or `\r`.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The explanation, and the alternative to use.
    pub message: String,
}

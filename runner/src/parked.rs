//! The file that a parked Node.js preloads, so that its clocks start with its program.
//!
//! It is the only code of Warren's that runs in a program's process, and it cannot be left out: no
//! clock of an interpreter's can be set from outside. CPython counts nothing from its own start.

/// Its place in sandbox images, which `park_env` in the language file names.
pub const NODE_CLOCKS: &str = "/.warren/node-clocks.js";

/// Its content.
pub const NODE_CLOCKS_CODE: &str = include_str!("../parked/node-clocks.js");

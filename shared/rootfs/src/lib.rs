//! Root file systems of sandboxes: what they get and lose, their import and their check.
//!
//! Knows neither Docker nor any engine, and starts nothing: it reads archives and directories, and
//! writes one directory. Each module may use those listed below it and none above:
//!
//! ```text
//! install     replaces a language's root by a new one, whole or not at all
//! source      tells apart and opens what a root can be made from: directories and archives
//! archive     reads the layers of an image's archive, each by its digest
//! directory   copies a directory into a tree
//! layer       unpacks a tar archive into a tree
//! furnish     gives a tree what every sandbox gets
//! check       examines a root before it is used
//! provenance  the record of what a root was made from
//! tree        a directory that is filled and cannot be left
//! entry_path  a checked path inside a root
//! additions   the list of what every sandbox's root gets and loses
//! error       the crate's one error type
//! faults      the faults of a root, each with its remedy
//! hash        SHA-256 in the forms that images use
//! bounds      the most that is unpacked
//! ```

mod additions;
mod archive;
mod bounds;
mod check;
mod directory;
mod entry_path;
mod error;
mod faults;
mod furnish;
mod hash;
mod install;
mod layer;
mod provenance;
mod source;
mod tree;

pub use additions::{Addition, MOUNT_POINTS, RUNNER, SET_ID, USERS, WARREN, additions, recipe_of};
pub use bounds::Bounds;
pub use check::{Root, check, examine};
pub use error::{EntryFault, Error, Result};
pub use faults::{Fault, Faults, Problem};
pub use install::{Import, Place};
pub use layer::unpack_flat;
pub use provenance::{Origin, Provenance};
pub use source::Source;
pub use tree::Tree;

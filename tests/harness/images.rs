//! The base images of the tests.
//!
//! They come from the environment, else from what `scripts/provision` wrote into `.env`, else from the
//! defaults.

use std::collections::BTreeMap;
use std::path::Path;

/// Returns the variables that choose images, for Warren's processes.
pub fn variables() -> BTreeMap<String, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(".env");
    let of_file = dotenvy::from_path_iter(file)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let of_process = std::env::vars();
    of_file
        .chain(of_process)
        .filter(|(name, _)| name.starts_with("WARREN_IMAGE_"))
        .collect()
}

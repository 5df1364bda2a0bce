//! The recipe of a sandbox image: adds runner, files and users, removes setuid bits.

use std::ops::Range;

use warren_runner::parked::{NODE_CLOCKS, NODE_CLOCKS_CODE};

use super::super::hardening::{RUNNER, UIDS};

/// The static runner, built by `build.rs`.
const RUNNER_BINARY: &[u8] = include_bytes!(env!("WARREN_RUNNER_BINARY"));

/// The repository of all sandbox images.
pub(super) const REPOSITORY: &str = "warren-sandbox";

/// The label that marks a sandbox image, even one that has lost its name.
pub(super) const LABEL: &str = "warren.sandbox";

/// Returns the name of the image derived from this base by this runner and recipe.
pub(super) fn derived_tag(base_id: &str) -> String {
    // For identity, not for secrecy: any change of base, runner or recipe gives another tag.
    let mut hash = Fnv::default();
    hash.write(base_id.as_bytes());
    hash.write(RUNNER_BINARY);
    hash.write(NODE_CLOCKS_CODE.as_bytes());
    hash.write(recipe("").as_bytes());
    format!("{REPOSITORY}:{:016x}", hash.0)
}

/// Makes the Dockerfile. Of the base image it needs only a shell and `find`.
fn recipe(base: &str) -> String {
    let Range { start, end } = UIDS;
    format!(
        "FROM {base}\n\
         LABEL {LABEL}=1\n\
         USER 0\n\
         COPY runner {RUNNER}\n\
         COPY node-clocks.js {NODE_CLOCKS}\n\
         RUN set -e; \
         find / -xdev -type f \\( -perm -4000 -o -perm -2000 \\) -exec chmod a-s {{}} +; \
         uid={start}; while [ $uid -lt {end} ]; do \
         echo \"warren:x:$uid:$uid::/tmp:/bin/false\" >&3; echo \"warren:x:$uid:\" >&4; \
         uid=$((uid + 1)); done 3>>/etc/passwd 4>>/etc/group\n\
         USER {start}:{start}\n\
         ENTRYPOINT [\"{RUNNER}\"]\n\
         CMD []\n"
    )
}

/// Makes the build context: recipe and runner, as a tar archive.
pub(super) fn context(base: &str) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let recipe = recipe(base);
    for (name, mode, content) in [
        ("Dockerfile", 0o644, recipe.as_bytes()),
        ("runner", 0o555, RUNNER_BINARY),
        ("node-clocks.js", 0o444, NODE_CLOCKS_CODE.as_bytes()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        archive.append_data(&mut header, name, content)?;
    }
    archive.into_inner()
}

/// FNV-1a, 64 bits: the same in every build, unlike the standard library's hashers.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_base_gives_another_image() {
        assert_ne!(derived_tag("sha256:a"), derived_tag("sha256:b"));
        assert_eq!(derived_tag("sha256:a"), derived_tag("sha256:a"));
    }

    /// Returns the types of an ELF file's segments (elf(5); 64 bits, little-endian).
    fn segments(elf: &[u8]) -> Vec<u32> {
        let number = |at: usize, len: usize| {
            elf[at..at + len]
                .iter()
                .rev()
                .fold(0, |n, byte| n << 8 | usize::from(*byte))
        };
        let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
        (0..count)
            .map(|n| u32::try_from(number(table + n * size, 4)).unwrap())
            .collect()
    }

    #[test]
    fn the_runner_needs_no_dynamic_loader() {
        const LOADABLE: u32 = 1;
        const INTERPRETER: u32 = 3;
        assert!(RUNNER_BINARY.starts_with(b"\x7fELF\x02\x01"));
        let segments = segments(RUNNER_BINARY);
        assert!(
            segments.contains(&LOADABLE) && !segments.contains(&INTERPRETER),
            "{segments:?}"
        );
    }
}

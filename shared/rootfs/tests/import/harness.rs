//! Archives of any content, and imports of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};
use tempfile::TempDir;
use warren_rootfs::{
    Addition, Bounds, Import, Origin, Place, Provenance, RUNNER, Result, unpack_flat,
};

/// A tar archive that is being made, with names that the library would refuse to write.
pub struct Tar(Builder<Vec<u8>>);

impl Tar {
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// Adds an entry. Names and targets longer than a header holds become GNU long names.
    pub fn entry(mut self, kind: EntryType, name: &str, mode: u32, content: &[u8]) -> Self {
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        if name.len() > 100 {
            self = self.raw(
                EntryType::GNULongName,
                b"././@LongLink",
                b"",
                0o644,
                name.as_bytes(),
            );
        }
        if is_link && content.len() > 100 {
            self = self.raw(
                EntryType::GNULongLink,
                b"././@LongLink",
                b"",
                0o644,
                content,
            );
        }
        let (target, content) = if is_link {
            (content, &b""[..])
        } else {
            (&b""[..], content)
        };
        self.raw(kind, name.as_bytes(), target, mode, content)
    }

    fn raw(
        mut self,
        kind: EntryType,
        name: &[u8],
        target: &[u8],
        mode: u32,
        content: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        let fields = header.as_gnu_mut().unwrap();
        let fill = |field: &mut [u8], bytes: &[u8]| {
            let length = bytes.len().min(field.len());
            field[..length].copy_from_slice(&bytes[..length]);
        };
        fill(&mut fields.name, name);
        fill(&mut fields.linkname, target);
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_234_567_890);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    pub fn file(self, name: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, name, 0o644, content.as_bytes())
    }

    pub fn folder(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, 0o755, b"")
    }

    pub fn link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, 0o777, target.as_bytes())
    }

    pub fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Link, name, 0o644, target.as_bytes())
    }

    pub fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A directory with a root's place in it, and something beside it that must stay as it is.
pub struct Ground {
    pub directory: TempDir,
    pub bounds: Bounds,
}

impl Ground {
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("outside")).unwrap();
        fs::write(directory.path().join("outside/secret"), "secret").unwrap();
        Self {
            directory,
            bounds: Bounds::default(),
        }
    }

    pub fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("roots/python")
    }

    pub fn place(&self) -> Place {
        Place::new(&self.root()).unwrap()
    }

    pub fn begin(&self) -> Import {
        self.place().begin().unwrap()
    }

    pub fn import(&self, archive: &[u8]) -> Result<Provenance> {
        let unpack = |tree: &mut _| unpack_flat(tree, archive);
        self.begin()
            .replace(origin(), self.bounds, &runner(), unpack)
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    pub fn mode(&self, path: &str) -> u32 {
        let found = fs::symlink_metadata(self.root().join(path)).unwrap();
        found.permissions().mode() & 0o7777
    }

    /// Asserts that what lies beside the roots is as it was, and that no rubbish is left.
    pub fn assert_clean(&self) {
        let outside: Vec<_> = names(&self.outside());
        assert_eq!(outside, ["secret"]);
        let secret = fs::read_to_string(self.outside().join("secret")).unwrap();
        assert_eq!(secret, "secret");
        let roots = self.directory.path().join("roots");
        if !roots.exists() {
            return;
        }
        let left = names(&roots);
        let left: Vec<_> = left.iter().filter(|name| *name != "python").collect();
        assert_eq!(left, [".python.lock"]);
    }
}

/// Returns the names in a directory.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub fn origin() -> Origin {
    Origin {
        name: "python:test".to_owned(),
        id: None,
        path: None,
        chosen: false,
    }
}

/// Returns a short list of additions: the world's zones would take most of the time.
pub fn runner() -> Vec<Addition<'static>> {
    vec![
        Addition::File {
            at: RUNNER,
            mode: 0o555,
            content: b"runner"[..].into(),
        },
        Addition::Lines {
            at: "/etc/passwd",
            lines: "warren:x:60706:60706::/tmp:/bin/false\n".to_owned(),
        },
        Addition::Default {
            at: "/etc/nsswitch.conf",
            content: "hosts: files\n",
        },
        Addition::Link {
            at: "/etc/mtab",
            target: "/proc/mounts",
        },
    ]
}

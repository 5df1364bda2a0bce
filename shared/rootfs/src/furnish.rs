//! Gives a tree what every sandbox's root gets.

use crate::additions::{Addition, MOUNT_POINTS, WARREN};
use crate::entry_path::EntryPath;
use crate::error::Result;
use crate::tree::Tree;

/// The largest file that lines are added to, in bytes.
const LARGEST: u64 = 4 << 20;

/// Adds everything, and makes the mount points. What the base image has in Warren's own directory is
/// removed.
///
/// # Errors
/// Something cannot be written.
pub(crate) fn furnish(tree: &mut Tree, additions: &[Addition<'_>]) -> Result<()> {
    let warren = EntryPath::own(WARREN);
    tree.remove(&warren)?;
    tree.directory(&warren, 0o755)?;
    for place in MOUNT_POINTS {
        tree.directory(&EntryPath::own(place), 0o755)?;
    }
    additions
        .iter()
        .try_for_each(|addition| add(tree, addition))
}

fn add(tree: &mut Tree, addition: &Addition<'_>) -> Result<()> {
    let at = EntryPath::own(addition.at());
    match addition {
        Addition::File { mode, content, .. } => tree.file(&at, *mode, None, &mut &content[..]),
        Addition::Folder { files, .. } => files.iter().try_for_each(|(name, content)| {
            tree.file(&at.join(name.as_ref()), 0o644, None, &mut &content[..])
        }),
        Addition::Default { content, .. } => {
            if tree.has(&at) {
                return Ok(());
            }
            tree.file(&at, 0o644, None, &mut content.as_bytes())
        }
        Addition::Lines { lines, .. } => {
            let mut text = tree.read(&at, LARGEST)?.unwrap_or_default();
            add_lines(&mut text, lines);
            tree.file(&at, 0o644, None, &mut text.as_slice())
        }
        Addition::Link { target, .. } => tree.symbolic_link(&at, target.as_bytes()),
    }
}

/// Appends those of the lines that the text does not have. A root that is furnished again has them.
fn add_lines(text: &mut Vec<u8>, lines: &str) {
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    let has: std::collections::HashSet<Vec<u8>> = text
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    for line in lines.lines().filter(|line| !has.contains(line.as_bytes())) {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_once_and_behind_a_whole_line() {
        let mut text = b"root:x:0:0".to_vec();
        add_lines(&mut text, "a\nb\n");
        add_lines(&mut text, "b\nc\n");
        assert_eq!(text, b"root:x:0:0\na\nb\nc\n");
    }
}

//! The setting of a launcher's templates.

use std::ops::Range;

use crate::cgroup::Groups;
use crate::network::Mode;
use crate::sandbox::Fault;

/// What is the same for all templates of a launcher.
pub(crate) struct Setting {
    pub(crate) groups: Groups,
    /// The users that sandboxes may have.
    pub(crate) users: Range<u32>,
    pub(crate) network: Mode,
    /// The most sandboxes of one template.
    pub(crate) max_sandboxes: usize,
    pub(crate) fault: Fault,
}

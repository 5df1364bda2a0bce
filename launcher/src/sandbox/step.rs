//! The steps by which a new process becomes a sandbox's PID 1.

/// A step, by which a failed launch is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    JoinGroups,
    GroupNamespace,
    Network,
    Session,
    Proc,
    Mask,
    ReadOnly,
    ShowGroups,
    Scratch,
    SharedMemory,
    Directory,
    OomScore,
    Streams,
    Descriptors,
    Limits,
    Bounding,
    Groups,
    User,
    Filter,
    Execute,
}

impl Step {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 20] = [
        Self::JoinGroups,
        Self::GroupNamespace,
        Self::Network,
        Self::Session,
        Self::Proc,
        Self::Mask,
        Self::ReadOnly,
        Self::ShowGroups,
        Self::Scratch,
        Self::SharedMemory,
        Self::Directory,
        Self::OomScore,
        Self::Streams,
        Self::Descriptors,
        Self::Limits,
        Self::Bounding,
        Self::Groups,
        Self::User,
        Self::Filter,
        Self::Execute,
    ];

    /// Returns its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::JoinGroups => "joining the control groups",
            Self::GroupNamespace => "unsharing the control group namespace",
            Self::Network => "entering the network namespace",
            Self::Session => "beginning a session",
            Self::Proc => "mounting /proc",
            Self::Mask => "masking paths of /proc",
            Self::ReadOnly => "making paths of /proc read-only",
            Self::ShowGroups => "mounting the control groups",
            Self::Scratch => "mounting /tmp",
            Self::SharedMemory => "mounting /dev/shm",
            Self::Directory => "changing to /tmp",
            Self::OomScore => "setting the memory killer's score",
            Self::Streams => "placing the standard streams",
            Self::Descriptors => "closing all other descriptors",
            Self::Limits => "setting resource limits",
            Self::Bounding => "emptying the bounding set",
            Self::Groups => "leaving all groups",
            Self::User => "becoming its user",
            Self::Filter => "loading the filter",
            Self::Execute => "executing the runner",
        }
    }

    /// Returns the step with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }

    /// Returns the step with this number.
    pub(super) fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_found_by_its_number_and_name() {
        for step in Step::ALL {
            assert_eq!(Step::numbered(step as u8), Some(step));
            assert_eq!(Step::named(step.name()), Some(step));
        }
        assert_eq!(Step::numbered(20), None);
    }
}

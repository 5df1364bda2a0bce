//! Gives up capabilities, in every set that the kernel keeps.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, remove_capability_from_bounding_set,
    set_capabilities, set_capabilities_secure_bits,
};

use crate::error::{Doing, Error};

/// The rules of exec that give root its capabilities back are off, and stay so. Those of `setresuid`,
/// by which a sandbox loses them, stay on.
const SECURE_BITS: CapabilitiesSecureBits = CapabilitiesSecureBits::NO_ROOT
    .union(CapabilitiesSecureBits::NO_ROOT_LOCKED)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE)
    .union(CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED);

/// Gives up every capability of the calling thread but these, irrevocably.
///
/// # Errors
/// It has not `CAP_SETPCAP`, or not all of these.
pub(super) fn keep_only(kept: CapabilitySet) -> Result<(), Error> {
    set_capabilities_secure_bits(SECURE_BITS).doing("locking the rules for root")?;
    bound(kept).doing("reducing the bounding set")?;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    // This empties the ambient set as well: nothing is in it that is not inheritable.
    set_capabilities(None, sets).doing("giving up capabilities")?;
    Ok(())
}

/// Takes all others out of the bounding set, those included that this code does not know.
fn bound(kept: CapabilitySet) -> Result<(), Errno> {
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(one) {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            // The kernel's last capability was the one before.
            Err(Errno::INVAL) => return Ok(()),
            result => result?,
        }
    }
    Ok(())
}

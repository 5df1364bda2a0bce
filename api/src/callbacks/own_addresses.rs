//! Addresses of this machine's own network interfaces, which callbacks never reach.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sync::Lock;

/// How long the addresses are used before they are read again. An address that the machine gets is
/// refused after that.
const FRESH: Duration = Duration::from_secs(1);

/// Addresses of the machine as they were read last.
#[derive(Default)]
pub(super) struct OwnAddresses(Lock<Option<(Instant, Arc<[IpAddr]>)>>);

impl OwnAddresses {
    /// Returns the addresses of all interfaces, read within the last second.
    ///
    /// # Errors
    /// The system does not tell them.
    pub(super) fn get(&self) -> io::Result<Arc<[IpAddr]>> {
        let mut last = self.0.lock();
        if let Some((read_at, addresses)) = &*last
            && read_at.elapsed() < FRESH
        {
            return Ok(Arc::clone(addresses));
        }
        let interfaces = if_addrs::get_if_addrs()?;
        let addresses = interfaces.iter().map(|interface| interface.ip());
        let addresses: Arc<[IpAddr]> = addresses.map(|ip| ip.to_canonical()).collect();
        *last = Some((Instant::now(), Arc::clone(&addresses)));
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::*;

    #[test]
    fn every_address_that_a_socket_can_have_is_among_them() {
        let own = OwnAddresses::default();
        let addresses = own.get().unwrap();
        assert!(addresses.contains(&Ipv4Addr::LOCALHOST.into()));
        // Only an address of the machine can be bound.
        for address in addresses.iter().filter(|address| address.is_ipv4()) {
            UdpSocket::bind((*address, 0)).unwrap();
        }
        assert!(
            Arc::ptr_eq(&addresses, &own.get().unwrap()),
            "read again at once"
        );
    }
}

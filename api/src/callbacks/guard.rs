//! Guard against callbacks to addresses that only Warren can reach (SSRF).
//!
//! The submitter of a job chooses where its result is posted, but must not reach through Warren
//! what they could not reach themselves. So only globally reachable unicast addresses are called,
//! unless the operator allows more. Pure: names are resolved elsewhere.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::Host;
use warren_protocol::callback::CallbackUrl;

use super::ports::is_denied;
use super::ranges::{DENIED_V4, DENIED_V6, GLOBAL_V6, NAT64};

/// A guard, with the networks that the operator allows beside public addresses, and those that it
/// denies although they are public or allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    allowed: Vec<IpNet>,
    denied: Vec<IpNet>,
}

/// The reason why a target may not be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeniedTarget {
    /// Its address.
    #[error("{address} is not an address that Warren may call ({kind})")]
    Address { address: IpAddr, kind: &'static str },
    /// Its name, which stands for this machine by definition.
    #[error("localhost is not an address that Warren may call (loopback)")]
    Localhost,
    /// Its port.
    #[error("port {0} is another protocol's")]
    Port(u16),
    /// Its name resolves to no address.
    #[error("its name has no address")]
    NoAddress,
}

impl Guard {
    /// Creates a guard that also allows these networks.
    #[must_use]
    pub fn allowing(allowed: Vec<IpNet>) -> Self {
        let denied = Vec::new();
        Self { allowed, denied }
    }

    /// Returns the guard with these networks denied, even where they are allowed.
    #[must_use]
    pub fn denying(self, denied: Vec<IpNet>) -> Self {
        Self { denied, ..self }
    }

    /// Refuses an address that is certain to be refused when it is called, so that its submitter
    /// learns of it. `own` are the addresses of this machine.
    pub(crate) fn check_url(
        &self,
        callback: &CallbackUrl,
        own: &[IpAddr],
    ) -> Result<(), DeniedTarget> {
        let url = callback.url();
        if let Some(port) = url.port_or_known_default()
            && is_denied(port)
        {
            return Err(DeniedTarget::Port(port));
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into(), own),
            Some(Host::Ipv6(address)) => self.check(address.into(), own),
            Some(Host::Domain(name)) if is_localhost(name) => {
                let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
                let any_allowed = loopback
                    .iter()
                    .any(|address| self.check(*address, own).is_ok());
                any_allowed.then_some(()).ok_or(DeniedTarget::Localhost)
            }
            Some(Host::Domain(_)) => Ok(()),
            None => Err(DeniedTarget::NoAddress),
        }
    }

    /// Checks the addresses of a name: all of them must be allowed. A name with both allowed and
    /// denied addresses is broken or meant to deceive, and the choice of which one is called is not
    /// ours.
    pub(crate) fn check_all(
        &self,
        addresses: &[IpAddr],
        own: &[IpAddr],
    ) -> Result<(), DeniedTarget> {
        if addresses.is_empty() {
            return Err(DeniedTarget::NoAddress);
        }
        addresses
            .iter()
            .try_for_each(|address| self.check(*address, own))
    }

    fn check(&self, address: IpAddr, own: &[IpAddr]) -> Result<(), DeniedTarget> {
        // An IPv4-mapped IPv6 address reaches what the IPv4 address does.
        let address = address.to_canonical();
        if self.denied.iter().any(|net| net.contains(&address)) {
            let kind = "denied by WARREN_CALLBACK_DENY";
            return Err(DeniedTarget::Address { address, kind });
        }
        if self.allowed.iter().any(|net| net.contains(&address)) {
            return Ok(());
        }
        // A public address of this machine is reached over loopback, past every outer firewall.
        if own.contains(&address) {
            let kind = "this machine's own";
            return Err(DeniedTarget::Address { address, kind });
        }
        let kind = match address {
            IpAddr::V4(address) => denied_v4(address),
            IpAddr::V6(address) if NAT64.contains(&address) => {
                // Allowed if the embedded IPv4 address is.
                return self.check(embedded(address).into(), own);
            }
            IpAddr::V6(address) => denied_v6(address),
        };
        match kind {
            None => Ok(()),
            Some(kind) => Err(DeniedTarget::Address { address, kind }),
        }
    }
}

fn denied_v4(address: Ipv4Addr) -> Option<&'static str> {
    let denied = DENIED_V4.iter().find(|(net, _)| net.contains(&address));
    denied.map(|(_, kind)| *kind)
}

fn denied_v6(address: Ipv6Addr) -> Option<&'static str> {
    if !GLOBAL_V6.contains(&address) {
        return Some("not global unicast");
    }
    let denied = DENIED_V6.iter().find(|(net, _)| net.contains(&address));
    denied.map(|(_, kind)| *kind)
}

fn embedded(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// Returns whether a name is `localhost` or below it (RFC 6761), with or without the root's dot.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.rsplit('.')
        .next()
        .is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

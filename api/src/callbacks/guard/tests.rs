//! Tests of the guard.

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn url(text: &str) -> CallbackUrl {
    text.parse().unwrap()
}

fn allowing(nets: &[&str]) -> Guard {
    Guard::allowing(nets.iter().map(|net| net.parse().unwrap()).collect())
}

#[test]
fn what_everybody_reaches_may_be_called() {
    for good in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001::1",
        "2001:200::1",
        "64:ff9b::1.1.1.1",
        "::ffff:1.1.1.1",
    ] {
        assert_eq!(Guard::default().check(ip(good), &[]), Ok(()), "{good}");
    }
}

#[test]
fn what_only_we_reach_may_not_be_called() {
    for bad in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::1.1.1.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::1.1.1.1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        let checked = Guard::default().check(ip(bad), &[]);
        assert!(
            matches!(checked, Err(DeniedTarget::Address { .. })),
            "{bad}"
        );
    }
}

#[test]
fn the_operator_may_allow_networks_and_nothing_beside_them() {
    let guard = allowing(&["127.0.0.0/8", "10.1.0.0/16", "fd00::/8"]);
    for good in [
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "10.1.2.3",
        "fd00::1",
        "1.1.1.1",
    ] {
        assert_eq!(guard.check(ip(good), &[]), Ok(()), "{good}");
    }
    assert_eq!(guard.check(ip("64:ff9b::10.1.2.3"), &[]), Ok(()));
    for bad in [
        "::1",
        "10.2.0.1",
        "169.254.169.254",
        "fe80::1",
        "::127.0.0.1",
    ] {
        assert!(guard.check(ip(bad), &[]).is_err(), "{bad}");
    }
}

#[test]
fn what_is_denied_stays_denied_and_allowed_and_public_addresses_too() {
    let nets = ["10.1.2.0/24", "1.1.1.0/24", "2606:4700::/32"];
    let denied = nets.map(|net| net.parse().unwrap()).to_vec();
    let guard = allowing(&["10.0.0.0/8"]).denying(denied);
    for good in ["10.1.3.1", "1.1.2.1", "2a00:1450:4001::1"] {
        assert_eq!(guard.check(ip(good), &[]), Ok(()), "{good}");
    }
    for bad in [
        "10.1.2.3",
        "1.1.1.1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2606:4700::1",
    ] {
        assert!(guard.check(ip(bad), &[]).is_err(), "{bad}");
    }
}

#[test]
fn this_machines_own_addresses_may_not_be_called_unless_they_are_allowed() {
    let own = [ip("1.1.1.1"), ip("2606:4700::1"), ip("10.1.2.3")];
    for bad in [
        "1.1.1.1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2606:4700::1",
        "10.1.2.3",
    ] {
        assert!(Guard::default().check(ip(bad), &own).is_err(), "{bad}");
    }
    assert!(
        Guard::default()
            .check_url(&url("http://1.1.1.1/"), &own)
            .is_err()
    );
    assert_eq!(Guard::default().check(ip("1.1.1.2"), &own), Ok(()));
    let allowed = allowing(&["10.1.2.3/32"]);
    assert_eq!(allowed.check(ip("10.1.2.3"), &own), Ok(()));
    assert!(
        allowed
            .check_all(&[ip("1.1.1.2"), ip("1.1.1.1")], &own)
            .is_err()
    );
}

#[test]
fn one_bad_address_is_enough() {
    let guard = Guard::default();
    assert_eq!(
        guard.check_all(&[ip("1.1.1.1"), ip("2606:4700::1")], &[]),
        Ok(())
    );
    assert!(
        guard
            .check_all(&[ip("1.1.1.1"), ip("127.0.0.1")], &[])
            .is_err()
    );
    assert!(guard.check_all(&[ip("::1"), ip("1.1.1.1")], &[]).is_err());
    assert_eq!(guard.check_all(&[], &[]), Err(DeniedTarget::NoAddress));
}

#[test]
fn every_spelling_of_a_forbidden_address_is_refused_at_once() {
    for bad in [
        "http://127.0.0.1/",
        "http://127.0.0.1./",
        "http://127.1/",
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://2130706433/",
        "http://017700000001/",
        "http://127.0.0.1:8080/hook",
        "http://①②⑦.0.0.1/",
        "http://%31%32%37.0.0.1/",
        "http://0/",
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://[::1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[fe80::1]/",
        "https://localhost/",
        "https://LOCALHOST:8443/",
        "https://localhost./",
        "https://app.localhost/",
        "https://ｌocalhost/",
        "https://192.168.1.1/",
    ] {
        assert!(Guard::default().check_url(&url(bad), &[]).is_err(), "{bad}");
    }
    for good in [
        "https://example.com/hook",
        "http://example.com:8080/",
        "https://localhost.example.com/",
        "https://notlocalhost/",
        "https://1.1.1.1/",
        "https://[2606:4700:4700::1111]/",
    ] {
        assert_eq!(
            Guard::default().check_url(&url(good), &[]),
            Ok(()),
            "{good}"
        );
    }
    let allowed = allowing(&["127.0.0.1/32"]);
    assert_eq!(
        allowed.check_url(&url("http://localhost:9000/"), &[]),
        Ok(())
    );
    assert_eq!(allowed.check_url(&url("http://127.1:9000/"), &[]), Ok(()));
    assert!(allowed.check_url(&url("http://127.0.0.2/"), &[]).is_err());
}

#[test]
fn other_protocols_ports_are_refused() {
    for port in [
        0, 22, 25, 465, 587, 6667, 10080, 2375, 2376, 2379, 2380, 5672, 5984, 6379, 8086, 9090,
        9200, 9300, 10250, 11211, 15672, 27017,
    ] {
        let bad = url(&format!("http://example.com:{port}/"));
        assert_eq!(
            Guard::default().check_url(&bad, &[]),
            Err(DeniedTarget::Port(port))
        );
    }
    for port in [80, 443, 3000, 5000, 8080, 8443, 65535] {
        let good = url(&format!("http://example.com:{port}/"));
        assert_eq!(Guard::default().check_url(&good, &[]), Ok(()), "{port}");
    }
}

proptest! {
    /// Compares with the standard library where it has an opinion.
    #[test]
    fn nothing_that_the_library_calls_special_passes(bits: u32, high: u64, low: u64) {
        let four = Ipv4Addr::from_bits(bits);
        let special = four.is_private() || four.is_loopback() || four.is_link_local()
            || four.is_multicast() || four.is_broadcast() || four.is_documentation()
            || four.is_unspecified();
        let six = Ipv6Addr::from_bits((u128::from(high) << 64) | u128::from(low));
        let special_six = six.is_loopback() || six.is_multicast() || six.is_unspecified()
            || six.is_unicast_link_local() || six.is_unique_local();
        let guard = Guard::default();
        if special {
            prop_assert!(guard.check(four.into(), &[]).is_err());
            prop_assert!(guard.check(four.to_ipv6_mapped().into(), &[]).is_err());
        }
        if special_six {
            prop_assert!(guard.check(six.into(), &[]).is_err());
        }
        let translated = Ipv6Addr::from_bits((0x0064_ff9b << 96) | u128::from(bits));
        prop_assert_eq!(guard.check(four.into(), &[]), guard.check(translated.into(), &[]));
    }
}

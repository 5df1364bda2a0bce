//! Arguments of the calls on descriptors: options of sockets, requests to devices, commands.

/// A descriptor, address or process that does not exist.
pub(super) const NONE: i64 = -1;

/// One argument to try: the fact's key, the call's number, its arguments.
pub(super) type Try = (String, i64, [i64; 6]);

pub(super) fn options_of_sockets() -> Vec<Try> {
    /// Name, level, option: from `asm-generic/socket.h`, `linux/tcp.h`, `linux/in.h`, `linux/udp.h`.
    const OPTIONS: [(&str, i64, i64); 41] = [
        ("attach_bpf", 1, 50),
        ("attach_filter", 1, 26),
        ("attach_reuseport_cbpf", 1, 51),
        ("attach_reuseport_ebpf", 1, 52),
        ("bindtodevice", 1, 25),
        ("broadcast", 1, 6),
        ("busy_poll", 1, 46),
        ("detach_filter", 1, 27),
        ("keepalive", 1, 9),
        ("linger", 1, 13),
        ("lock_filter", 1, 44),
        ("mark", 1, 36),
        ("oobinline", 1, 10),
        ("passcred", 1, 16),
        ("peek_off", 1, 42),
        ("priority", 1, 12),
        ("rcvbuf", 1, 8),
        ("rcvbufforce", 1, 33),
        ("rcvlowat", 1, 18),
        ("rcvtimeo", 1, 20),
        ("reuseaddr", 1, 2),
        ("reuseport", 1, 15),
        ("sndbuf", 1, 7),
        ("sndbufforce", 1, 32),
        ("sndtimeo", 1, 21),
        ("timestamping", 1, 37),
        ("txtime", 1, 61),
        ("zerocopy", 1, 60),
        ("ip add_membership", 0, 35),
        ("ip msfilter", 0, 41),
        ("ip replace_tables", 0, 64),
        ("ip tos", 0, 1),
        ("ipv6 replace_tables", 41, 64),
        ("ipv6 v6only", 41, 26),
        ("tcp congestion", 6, 13),
        ("tcp fastopen", 6, 23),
        ("tcp nodelay", 6, 1),
        ("tcp repair", 6, 19),
        ("tcp ulp", 6, 31),
        ("udp encap", 17, 100),
        ("udp segment", 17, 103),
    ];
    let options = OPTIONS.into_iter().map(|(name, level, option)| {
        let key = format!("setsockopt {name}");
        (key, libc::SYS_setsockopt, [NONE, level, option, NONE, 4, 0])
    });
    options.collect()
}

pub(super) fn requests() -> Vec<Try> {
    /// From `asm-generic/ioctls.h`, `linux/sockios.h`, `linux/fs.h` and others, as on all
    /// architectures that Warren runs on.
    const REQUESTS: [(&str, i64); 43] = [
        ("blkroset", 0x125d),
        ("fiasync", 0x5452),
        ("ficlone", 0x4004_9409),
        ("fifreeze", 0xc004_5877),
        ("fioclex", 0x5451),
        ("fionbio", 0x5421),
        ("fionclex", 0x5450),
        ("fionread", 0x541b),
        ("fioqsize", 0x5460),
        ("fitrim", 0xc018_5879),
        ("fs_fiemap", 0xc020_660b),
        ("fs_getflags", 0x8008_6601),
        ("fs_setflags", 0x4008_6602),
        ("kvm_create_vm", 0xae01),
        ("loop_ctl_get_free", 0x4c82),
        ("ns_get_userns", 0xb701),
        ("pidfd_get_net_namespace", 0xff04),
        ("siocatmark", 0x8905),
        ("siocgifconf", 0x8912),
        ("siocgifhwaddr", 0x8927),
        ("siocgifindex", 0x8933),
        ("siocgstamp", 0x8906),
        ("siocsifflags", 0x8914),
        ("tcgets", 0x5401),
        ("tcsbrk", 0x5409),
        ("tcsets", 0x5402),
        ("tcsetsf", 0x5404),
        ("tcsetsw", 0x5403),
        ("tioccons", 0x541d),
        ("tiocexcl", 0x540c),
        ("tiocgpgrp", 0x540f),
        ("tiocgptn", 0x8004_5430),
        ("tiocgptpeer", 0x5441),
        ("tiocgsid", 0x5429),
        ("tiocgwinsz", 0x5413),
        ("tioclinux", 0x541c),
        ("tiocoutq", 0x5411),
        ("tiocsctty", 0x540e),
        ("tiocsetd", 0x5423),
        ("tiocspgrp", 0x5410),
        ("tiocsptlck", 0x4004_5431),
        ("tiocsti", 0x5412),
        ("tunsetiff", 0x4004_54ca),
    ];
    let mut tries: Vec<Try> = REQUESTS
        .into_iter()
        .map(|(name, request)| {
            let key = format!("ioctl {name}");
            (key, libc::SYS_ioctl, [NONE, request, NONE, 0, 0, 0])
        })
        .collect();
    // The kernel reads 32 bits of the request; a filter that compares 64 could be passed by.
    let high = [NONE, (1 << 32) | 0x5423, NONE, 0, 0, 0];
    tries.push((
        "ioctl tiocsetd with high bits".to_owned(),
        libc::SYS_ioctl,
        high,
    ));
    tries
}

pub(super) fn commands_of_files() -> Vec<Try> {
    const COMMANDS: [(&str, i64); 17] = [
        ("add_seals", 1033),
        ("dupfd", 0),
        ("getfl", 3),
        ("getlk", 5),
        ("notify", 1026),
        ("ofd_getlk", 36),
        ("ofd_setlk", 37),
        ("ofd_setlkw", 38),
        ("set_rw_hint", 1036),
        ("setfl", 4),
        ("setlease", 1024),
        ("setlk", 6),
        ("setlkw", 7),
        ("setown", 8),
        ("setown_ex", 15),
        ("setpipe_sz", 1031),
        ("setsig", 10),
    ];
    let commands = COMMANDS.into_iter().map(|(name, command)| {
        let key = format!("fcntl {name}");
        (key, libc::SYS_fcntl, [NONE, command, NONE, 0, 0, 0])
    });
    commands.collect()
}

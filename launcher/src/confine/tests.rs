//! Asks the two filters about calls that no test could make.

use warren_bpf::interpreter::{Call, run};
use warren_bpf::sock_filter;

use super::*;

const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;
const NOT_PERMITTED: u32 = libc::SECCOMP_RET_ERRNO | 1;

fn answer(program: &Program, number: libc::c_long, arguments: [u64; 6]) -> u32 {
    let instructions: &[sock_filter] = program.instructions();
    let call = Call::new(number.try_into().unwrap(), arguments);
    run(instructions, &call).unwrap().answer
}

fn flag(flag: i32) -> u64 {
    u64::from(flag.cast_unsigned())
}

#[test]
fn a_template_may_do_all_that_its_sandboxes_may() {
    let (outer, inner) = (Program::of(calls::of_template()), Program::build());
    let flags = (0..64).map(|bit| 1 << bit);
    let values: Vec<u64> = (0..64)
        .chain(flags)
        .chain([0xffff_ffff, u64::MAX])
        .collect();
    let mut allowed = 0;
    for number in 0..600 {
        for value in &values {
            for argument in 0..6 {
                let mut arguments = [0; 6];
                arguments[argument] = *value;
                if answer(&inner, number, arguments) == ALLOWED {
                    let outer = answer(&outer, number, arguments);
                    assert_eq!(outer, ALLOWED, "{number} {arguments:x?}");
                    allowed += 1;
                }
            }
        }
    }
    assert!(allowed > 0);
}

#[test]
fn a_template_makes_and_joins_no_user_namespace_that_a_filter_can_see() {
    let template = Program::of(calls::of_template());
    let made = flag(libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWNET);
    let with_user = made | flag(libc::CLONE_NEWUSER);
    for call in [libc::SYS_clone, libc::SYS_unshare] {
        let of = |flags| answer(&template, call, [flags, 0, 0, 0, 0, 0]);
        assert_eq!([of(made), of(with_user)], [ALLOWED, NOT_PERMITTED]);
    }
    for (kind, expected) in [
        (libc::CLONE_NEWNET, ALLOWED),
        (libc::CLONE_NEWUSER, NOT_PERMITTED),
        (libc::CLONE_NEWNS, NOT_PERMITTED),
        // Whatever the descriptor is of.
        (0, NOT_PERMITTED),
    ] {
        let joined = answer(&template, libc::SYS_setns, [3, flag(kind), 0, 0, 0, 0]);
        assert_eq!(joined, expected, "{kind:x}");
    }
}

#[test]
fn neither_reaches_for_other_processes_the_kernel_or_the_machine() {
    for filter in [calls::of_launcher(), calls::of_template()] {
        let filter = Program::of(filter);
        for number in [
            libc::SYS_add_key,
            libc::SYS_bpf,
            libc::SYS_chroot,
            libc::SYS_finit_module,
            libc::SYS_init_module,
            libc::SYS_io_uring_setup,
            libc::SYS_kexec_load,
            libc::SYS_keyctl,
            libc::SYS_memfd_create,
            libc::SYS_open_by_handle_at,
            libc::SYS_perf_event_open,
            libc::SYS_pivot_root,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_ptrace,
            libc::SYS_reboot,
            libc::SYS_setns,
            libc::SYS_swapon,
            libc::SYS_userfaultfd,
        ] {
            assert_eq!(answer(&filter, number, [0; 6]), NOT_PERMITTED, "{number}");
        }
        for family in [
            libc::AF_NETLINK,
            libc::AF_PACKET,
            libc::AF_ALG,
            libc::AF_VSOCK,
        ] {
            let made = answer(&filter, libc::SYS_socket, [flag(family), 3, 0, 0, 0, 0]);
            assert_eq!(made, NOT_PERMITTED, "{family}");
        }
    }
}

#[test]
fn a_launcher_makes_no_process_socket_mount_or_code() {
    let launcher = Program::of(calls::of_launcher());
    for number in [
        libc::SYS_bind,
        libc::SYS_capset,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_connect,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_mount,
        libc::SYS_prctl,
        libc::SYS_seccomp,
        libc::SYS_setresuid,
        libc::SYS_socketpair,
        libc::SYS_umount2,
        libc::SYS_unshare,
    ] {
        assert_eq!(answer(&launcher, number, [0; 6]), NOT_PERMITTED, "{number}");
    }
    for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
        let made = answer(&launcher, libc::SYS_socket, [flag(family), 1, 0, 0, 0, 0]);
        assert_eq!(made, NOT_PERMITTED, "{family}");
    }
    for number in [libc::SYS_mmap, libc::SYS_mprotect] {
        let of = |rights| answer(&launcher, number, [0, 4096, flag(rights), 0, 0, 0]);
        let data = libc::PROT_READ | libc::PROT_WRITE;
        let found = [of(data), of(data | libc::PROT_EXEC)];
        assert_eq!(found, [ALLOWED, NOT_PERMITTED]);
    }
}

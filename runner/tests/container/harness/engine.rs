//! Makes containers as the worker's engine does, over Docker's API.
//!
//! Docker's command line has no option to leave out the network altogether, which saves a third of
//! a container's start.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

use serde_json::{Value, json};

/// Docker's socket, unless `DOCKER_HOST` names another.
const USUAL_SOCKET: &str = "/var/run/docker.sock";

const MEMORY: u64 = 256 << 20;

/// The capabilities for the calls that the filter forbids. Some machines have not all that there are.
const POWERS: [&str; 13] = [
    "DAC_READ_SEARCH",
    "IPC_OWNER",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "SYSLOG",
];

/// A deviation from what the worker asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Deviation {
    #[default]
    None,
    /// Root with capabilities for every call, so that the filter alone refuses.
    AllPowers,
}

/// The settings of one container.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) image: &'a str,
    pub(super) command: &'a [&'a str],
    /// `HOST:CONTAINER:ro`.
    pub(super) binds: &'a [String],
    /// Further writable paths, besides the scratch directory.
    pub(super) writable: &'a [&'a str],
    pub(super) deviation: Deviation,
}

/// Creates a container that removes itself when it ends. Returns the command that starts it and
/// attaches to its standard streams.
pub(super) fn create(wanted: &Wanted<'_>) -> Command {
    let body = configuration(wanted).to_string();
    let request = format!(
        "POST /containers/create?name={} HTTP/1.0\r\nHost: docker\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        wanted.name,
        body.len()
    );
    let mut socket = UnixStream::connect(socket_path())
        .expect("Docker listens; `make test` installs and starts it");
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1);
    assert_eq!(status, Some("201"), "Docker makes a container: {answer}");

    let mut command = Command::new("docker");
    command.args(["start", "--attach", "--interactive", wanted.name]);
    command
}

fn socket_path() -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    if host.is_empty() {
        return USUAL_SOCKET.to_owned();
    }
    let path = host.strip_prefix("unix://");
    path.unwrap_or_else(|| {
        panic!("DOCKER_HOST is {host}; these tests reach Docker over a Unix socket: set it to unix://PATH, or unset it")
    })
    .to_owned()
}

fn configuration(wanted: &Wanted<'_>) -> Value {
    let mut tmpfs = json!({
        "/tmp": "rw,noexec,nosuid,nodev,size=16m,nr_inodes=4096,mode=1777",
        "/dev/shm": "rw,noexec,nosuid,nodev,size=4m,mode=1777",
    });
    for path in wanted.writable {
        tmpfs[path] = json!("rw,noexec,nosuid,nodev,size=64m,mode=1777");
    }
    let limit = |name: &str, value: u64| json!({"Name": name, "Soft": value, "Hard": value});
    let is_powerful = wanted.deviation == Deviation::AllPowers;
    json!({
        "Image": wanted.image,
        "Entrypoint": wanted.command,
        "User": if is_powerful { "0:0" } else { "65534:65534" },
        "OpenStdin": true,
        "StdinOnce": true,
        "AttachStdin": true,
        "AttachStdout": true,
        "AttachStderr": true,
        "NetworkDisabled": true,
        "HostConfig": {
            "NetworkMode": "none",
            "IpcMode": "none",
            "AutoRemove": true,
            "ReadonlyRootfs": true,
            "CapDrop": if is_powerful { json!([]) } else { json!(["ALL"]) },
            "CapAdd": if is_powerful { json!(POWERS) } else { json!([]) },
            // The runner's own filter has to hold without the engine's.
            "SecurityOpt": ["no-new-privileges", "seccomp=unconfined"],
            "Tmpfs": tmpfs,
            "Binds": wanted.binds,
            "Memory": MEMORY,
            "MemorySwap": MEMORY,
            "CpuPeriod": 100_000,
            "CpuQuota": 50_000,
            "PidsLimit": 50,
            "Ulimits": [limit("nofile", 256), limit("core", 1)],
            "LogConfig": {"Type": "none"},
        },
    })
}

/// Returns whether programs have internet sockets: control groups of version 1 charge nobody for
/// their buffers.
pub(crate) fn internet_sockets() -> bool {
    std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

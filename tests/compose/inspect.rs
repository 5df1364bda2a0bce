//! Checks the hardening by `docker inspect` and inside each container.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

use crate::tools::succeed;

const SOCKET: &str = "docker.sock";

/// Returns whether the container's health check passes.
pub(crate) fn is_healthy(container: &Value) -> bool {
    container["State"]["Health"]["Status"] == "healthy"
}

/// Asserts everything that the compose file promises about its containers.
pub(crate) fn assert_hardened(services: &BTreeMap<String, Vec<Value>>, workers: usize) {
    let count = |service: &str| services.get(service).map_or(0, Vec::len);
    assert_eq!(
        ["rabbitmq", "mongodb", "api", "worker"].map(count),
        [1, 1, 1, workers]
    );
    for (service, containers) in services {
        for container in containers {
            assert_configured(service, container);
            assert_effective(service, container);
        }
    }
    assert_apart(services);
}

/// Asserts the configuration that the engine was given.
fn assert_configured(service: &str, container: &Value) {
    let host = &container["HostConfig"];
    assert_eq!(host["ReadonlyRootfs"], true, "{service}");
    assert_eq!(host["CapDrop"], json!(["ALL"]), "{service}");
    assert_eq!(host["CapAdd"], Value::Null, "{service}");
    assert_eq!(host["Privileged"], false, "{service}");
    assert!(
        host["Memory"].as_u64() > Some(0),
        "{service} has a memory limit"
    );
    assert!(
        host["PidsLimit"].as_i64() > Some(0),
        "{service} has a pids limit"
    );
    assert_eq!(host["LogConfig"]["Config"]["max-size"], "10m", "{service}");
    assert_eq!(host["RestartPolicy"]["Name"], "unless-stopped", "{service}");

    let mounts = container["Mounts"].as_array().unwrap();
    let has_socket = mounts
        .iter()
        .any(|mount| mount["Source"].as_str().unwrap().contains(SOCKET));
    assert_eq!(
        has_socket,
        service == "worker",
        "{service} and Docker's socket"
    );

    let bindings = host["PortBindings"].as_object().unwrap();
    assert_eq!(
        bindings.keys().map(String::as_str).collect::<Vec<_>>(),
        match service {
            "api" => vec!["5000/tcp"],
            "rabbitmq" => vec!["15672/tcp"],
            _ => vec![],
        },
        "{service}"
    );
}

/// Asserts what the kernel reports of the container's first process.
fn assert_effective(service: &str, container: &Value) {
    let id = container["Id"].as_str().unwrap();
    let status = succeed(Command::new("docker").args(["exec", id, "cat", "/proc/1/status"]));
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {status}")).trim()
    };
    for uid in field("Uid:").split_whitespace() {
        assert_ne!(uid, "0", "{service} runs as root");
    }
    for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
        assert_eq!(field(set), "0000000000000000", "{service} {set}");
    }
    assert_eq!(field("NoNewPrivs:"), "1", "{service}");
    assert_eq!(field("Seccomp:"), "2", "{service} has a seccomp filter");

    let write = Command::new("docker")
        .args([
            "exec",
            "--user",
            "0",
            id,
            "sh",
            "-c",
            "echo >/etc/warren-test",
        ])
        .output()
        .unwrap();
    assert!(
        !write.status.success(),
        "{service}'s root can be written to"
    );
}

/// Asserts that a worker, which has root's power over the machine through the socket, reaches
/// neither the database nor the outside, and that the database reaches only the API.
fn assert_apart(services: &BTreeMap<String, Vec<Value>>) {
    let networks = |service: &str| -> BTreeSet<String> {
        let attached = services[service].iter().map(|container| {
            container["NetworkSettings"]["Networks"]
                .as_object()
                .unwrap()
        });
        attached.flat_map(|names| names.keys().cloned()).collect()
    };
    for service in ["worker", "mongodb"] {
        for network in networks(service) {
            let format = "{{.Internal}}";
            let internal = succeed(
                Command::new("docker").args(["network", "inspect", "--format", format, &network]),
            );
            assert_eq!(
                internal.trim(),
                "true",
                "{service} reaches the outside by {network}"
            );
        }
    }
    for service in ["worker", "rabbitmq"] {
        let shared = &networks(service) & &networks("mongodb");
        assert!(shared.is_empty(), "{service} reaches mongodb by {shared:?}");
    }
}

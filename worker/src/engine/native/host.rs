//! The engine's description of itself and its host.

use warren_launcher::wire::{Ready, Rights};
use warren_protocol::outcome::EngineName;

use super::config::NetworkChoice;
use crate::engine::EngineHost;

/// Describes a launcher in a few words.
pub(super) fn description(ready: &Ready, network: NetworkChoice) -> String {
    let rights = match ready.rights {
        Rights::Rootless => "rootless",
        Rights::Root => "as root",
    };
    let network = match network {
        NetworkChoice::Recycled => "recycled",
        NetworkChoice::Fresh => "fresh",
    };
    format!(
        "launcher {rights}, cgroup v{}, network namespaces {network}",
        ready.cgroups
    )
}

/// Describes the engine and the host that it shares with this process.
pub(super) fn describe(ready: &Ready) -> EngineHost {
    EngineHost {
        name: EngineName::Native,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        runc: None,
        security: match ready.rights {
            Rights::Rootless => vec!["name=rootless".to_owned()],
            Rights::Root => Vec::new(),
        },
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
        memory: memory().unwrap_or(0),
    }
}

/// Returns the host's memory in bytes, as the kernel has it.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(rights: Rights) -> Ready {
        Ready {
            version: warren_launcher::wire::VERSION,
            rights,
            cgroups: 2,
            users: 60_706..61_184,
            swept: 0,
        }
    }

    #[test]
    fn the_description_says_which_rights_the_launcher_has() {
        let rootless = description(&ready(Rights::Rootless), NetworkChoice::Recycled);
        assert_eq!(
            rootless,
            "launcher rootless, cgroup v2, network namespaces recycled"
        );
        assert!(describe(&ready(Rights::Rootless)).has("rootless"));
        assert!(!describe(&ready(Rights::Root)).has("rootless"));
    }

    #[test]
    fn the_host_has_cores_and_memory() {
        let host = describe(&ready(Rights::Root));
        assert!(host.cores > 0 && host.memory > 64 << 20);
    }
}

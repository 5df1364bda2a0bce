//! Docker's description of itself and its host.

use std::time::Duration;

use warren_protocol::outcome::EngineName;

use super::client::Client;
use crate::Result;
use crate::engine::EngineHost;

/// The longest time that the daemon may take to describe itself; it inspects its disks for that.
const DESCRIBE: Duration = Duration::from_secs(5);

/// Asks the daemon for its version, its runtime's, and its host.
pub(super) async fn describe(client: &Client) -> Result<EngineHost> {
    let docker = client.docker()?;
    let doing = "describe itself";
    let info = client.call(doing, DESCRIBE, docker.info()).await?;
    let version = client.call(doing, DESCRIBE, docker.version()).await?;
    let parts = version.components.unwrap_or_default();
    let runc = parts.into_iter().find(|part| part.name == "runc");
    Ok(EngineHost {
        name: EngineName::Docker,
        version: info.server_version.unwrap_or_default(),
        runc: runc.map(|part| part.version),
        security: info.security_options.unwrap_or_default(),
        cores: unsigned(info.ncpu),
        memory: unsigned(info.mem_total),
    })
}

fn unsigned(number: Option<i64>) -> u64 {
    number
        .and_then(|number| number.try_into().ok())
        .unwrap_or(0)
}

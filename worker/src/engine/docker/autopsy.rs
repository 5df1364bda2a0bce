//! Examines containers that do not report: alive or dead, of what, after how much.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::ContainerState;
use bollard::query_parameters::{EventsOptionsBuilder, StatsOptionsBuilder};
use futures_util::StreamExt;

use super::client::Client;
use crate::engine::{Consumed, ContainerId, Death, Life};

/// The longest time that the engine may take to describe a container: a healthy one needs some
/// milliseconds.
const LOOK: Duration = Duration::from_secs(1);
/// The longest time that it may take to tell what a container has used. The verdict waits for it.
const CONSUMED: Duration = Duration::from_millis(250);
/// The time before now in which the engine's kills are looked for. It forgets all but the last 256
/// events anyway.
const RECENT: Duration = Duration::from_secs(60);
/// The exit status of a process that SIGKILL ended: 128 and the signal's number.
const KILLED: i64 = 128 + 9;

/// Looks at a container. Returns `None` if the engine does not answer.
pub(super) async fn look(client: &Client, id: &ContainerId) -> Option<Life> {
    let call = client.docker().ok()?.inspect_container(id.as_str(), None);
    let container = client.call("inspect a container", LOOK, call).await;
    let state = container.ok()?.state?;
    if state.running == Some(true) {
        return Some(Life::Running);
    }
    // The engine says late, or not at all, that memory was the reason (containerd issues 8180, 8893
    // and 12372). So it is asked for the other reason, its own kills, which it knows at once.
    let asked = state.oom_killed != Some(true) && state.exit_code == Some(KILLED);
    let by_engine = asked && has_killed(client, id).await?;
    Some(Life::Ended(death(&state, by_engine)))
}

fn death(state: &ContainerState, by_engine: bool) -> Death {
    match state.exit_code.unwrap_or(-1) {
        _ if state.oom_killed == Some(true) => Death::OutOfMemory,
        KILLED if by_engine => Death::Killed,
        KILLED => Death::OutOfMemory,
        status => Death::Exited(status),
    }
}

/// Returns whether somebody had the engine kill this container: a person, or the engine itself when it
/// stops. Returns `None` if it does not answer.
async fn has_killed(client: &Client, id: &ContainerId) -> Option<bool> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let stamp = |time: Duration| format!("{}.{:09}", time.as_secs(), time.subsec_nanos());
    let filters = HashMap::from([
        ("type", vec!["container"]),
        ("container", vec![id.as_str()]),
        ("event", vec!["kill"]),
    ]);
    let options = EventsOptionsBuilder::default()
        .since(&stamp(now.saturating_sub(RECENT)))
        .until(&stamp(now))
        .filters(&filters)
        .build();
    let mut events = Box::pin(client.docker().ok()?.events(Some(options)));
    let first = async { events.next().await.transpose() };
    let kill = client.call("list its kills", LOOK, first).await.ok()?;
    Some(kill.is_some())
}

/// Returns what a container has used since its start, as far as the engine knows in time.
pub(super) async fn consumed(client: &Client, id: &ContainerId) -> Consumed {
    let Ok(docker) = client.docker() else {
        return Consumed::default();
    };
    let options = StatsOptionsBuilder::default()
        .stream(false)
        .one_shot(true)
        .build();
    let mut stats = Box::pin(docker.stats(id.as_str(), Some(options)));
    let Ok(Some(Ok(stats))) = tokio::time::timeout(CONSUMED, stats.next()).await else {
        return Consumed::default();
    };
    let cpu = stats
        .cpu_stats
        .and_then(|cpu| cpu.cpu_usage?.total_usage)
        .unwrap_or_default();
    let memory = stats
        .memory_stats
        .and_then(|memory| memory.max_usage.or(memory.usage))
        .unwrap_or_default();
    Consumed {
        cpu: Duration::from_nanos(cpu),
        memory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(oom_killed: bool, exit_code: i64) -> ContainerState {
        ContainerState {
            oom_killed: Some(oom_killed),
            exit_code: Some(exit_code),
            ..ContainerState::default()
        }
    }

    #[test]
    fn a_kill_that_nobody_asked_for_is_the_memory_killers() {
        assert_eq!(death(&ended(false, KILLED), false), Death::OutOfMemory);
        assert_eq!(death(&ended(true, KILLED), false), Death::OutOfMemory);
        assert_eq!(death(&ended(false, KILLED), true), Death::Killed);
        assert_eq!(death(&ended(false, 1), false), Death::Exited(1));
    }
}

//! Removes containers whose owner is gone.
//!
//! A worker that dies closes its ends of the streams, which makes PID 1 end the container. The
//! sweep only has to remove it.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum as State};
use bollard::query_parameters::ListContainersOptionsBuilder;
use warren_protocol::ids::InstanceId;
use warren_protocol::time::EpochMillis;

use super::client::{Client, is_going};
use super::labels::{INSTANCE, Labels};
use super::reaper::Reaper;
use crate::Result;
use crate::engine::Swept;

/// The longest time that a listing may take.
const LIST: Duration = Duration::from_secs(5);
/// The time past its deadline for which a container is left alone: its owner may be removing it.
const GRACE: Duration = Duration::from_secs(5);
/// The longest time that a container may be created and not started: longer than any launch.
const UNSTARTED: Duration = Duration::from_secs(15);

pub(super) async fn sweep(
    client: &Client,
    instance: &InstanceId,
    reaper: &Reaper,
) -> Result<Swept> {
    let filters = HashMap::from([("label".to_owned(), vec![INSTANCE.to_owned()])]);
    let options = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    let found = client
        .call(
            "list containers",
            LIST,
            client.docker()?.list_containers(Some(options)),
        )
        .await?;
    let mut swept = Swept {
        seen: found.len(),
        removed: 0,
    };
    for container in found {
        let Some(name) = name(&container) else {
            continue;
        };
        if !is_orphan(&container, instance, reaper.holds(name)) {
            continue;
        }
        // By its id: the name may be another container's by now.
        let Some(id) = &container.id else {
            continue;
        };
        match reaper.remove(id).await {
            Err(error) if is_going(&error) => {}
            Ok(()) => {
                swept.removed += 1;
                let Labels { language, job, .. } = labels(&container);
                tracing::info!(
                    container = name,
                    language,
                    job.id = job,
                    "removed a container whose owner is gone"
                );
            }
            Err(error) => {
                tracing::warn!(container = name, %error, "failed to remove a container whose owner is gone; the next sweep retries");
            }
        }
    }
    Ok(swept)
}

/// Names have a leading slash on the wire.
fn name(container: &ContainerSummary) -> Option<&str> {
    container
        .names
        .as_ref()?
        .first()
        .map(|name| name.trim_start_matches('/'))
}

fn labels(container: &ContainerSummary) -> Labels {
    container
        .labels
        .as_ref()
        .map_or_else(|| Labels::read(&HashMap::new()), Labels::read)
}

fn created(container: &ContainerSummary) -> EpochMillis {
    let seconds = container.created.and_then(|at| u64::try_from(at).ok());
    EpochMillis::from_millis(seconds.unwrap_or(0).saturating_mul(1_000))
}

/// Returns whether no worker will use or remove the container any more: it is this worker's and no
/// guard holds it, or it is another's and has ended, is past its deadline, or was never started.
fn is_orphan(container: &ContainerSummary, instance: &InstanceId, held: bool) -> bool {
    let labels = labels(container);
    let overdue = labels.deadline + GRACE < EpochMillis::now();
    let unstarted = container.state == Some(State::CREATED)
        && created(container) + UNSTARTED < EpochMillis::now();
    let ended = matches!(container.state, Some(State::EXITED | State::DEAD));
    if labels.instance == instance.as_str() {
        !held
    } else {
        ended || overdue || unstarted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use warren_protocol::time::millis;

    fn container(instance: &InstanceId, state: State, deadline: EpochMillis) -> ContainerSummary {
        let labels = HashMap::from([
            (INSTANCE.to_owned(), instance.to_string()),
            ("warren.deadline".to_owned(), deadline.get().to_string()),
        ]);
        ContainerSummary {
            labels: Some(labels),
            state: Some(state),
            created: i64::try_from(EpochMillis::now().get() / 1_000).ok(),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn only_what_nobody_will_remove_is_an_orphan() {
        let (me, other) = (InstanceId::new("worker"), InstanceId::new("worker"));
        let later = EpochMillis::now() + Duration::from_secs(60);
        let long_ago = EpochMillis::from_millis(millis(Duration::from_secs(1)));
        assert!(!is_orphan(
            &container(&me, State::RUNNING, later),
            &me,
            true
        ));
        assert!(is_orphan(
            &container(&me, State::RUNNING, later),
            &me,
            false
        ));
        assert!(!is_orphan(
            &container(&other, State::RUNNING, later),
            &me,
            false
        ));
        assert!(!is_orphan(
            &container(&other, State::CREATED, later),
            &me,
            false
        ));
        assert!(is_orphan(
            &container(&other, State::EXITED, later),
            &me,
            false
        ));
        assert!(is_orphan(
            &container(&other, State::RUNNING, long_ago),
            &me,
            false
        ));
        let mut forgotten = container(&other, State::CREATED, later);
        forgotten.created = forgotten.created.map(|at| at - 20);
        assert!(is_orphan(&forgotten, &me, false));
        forgotten.state = Some(State::RUNNING);
        assert!(!is_orphan(&forgotten, &me, false));
        let unlabelled = ContainerSummary::default();
        assert!(is_orphan(&unlabelled, &me, false));
    }
}

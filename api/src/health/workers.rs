//! Health of the workers, for `/api/health`.

use warren_protocol::health::{ServiceHealth, State};
use warren_protocol::presence::{WorkerState, WorkerStatus};

/// The most workers that are named in a report, each with its fault.
const NAMED: usize = 5;

/// Computes the workers' health from what they announced; if none did, from how many the queue
/// counts.
pub(super) fn health(announced: &[WorkerStatus], consumers: u32) -> ServiceHealth {
    let (status, detail) = if announced.is_empty() {
        counted(consumers)
    } else {
        announced_state(announced)
    };
    ServiceHealth {
        status,
        latency_ms: None,
        detail: Some(detail),
    }
}

fn counted(consumers: u32) -> (State, String) {
    match consumers {
        0 => (
            State::Down,
            "none is connected, so no job is run; start one with `warren worker`".to_owned(),
        ),
        n => (State::Ok, format!("{n} connected")),
    }
}

fn announced_state(announced: &[WorkerStatus]) -> (State, String) {
    let (mut ready, mut slots, mut draining) = (0_usize, 0_u32, 0_usize);
    let mut suspended = Vec::new();
    for worker in announced {
        match &worker.state {
            WorkerState::Ready => {
                ready += 1;
                slots += u32::from(worker.slots);
            }
            WorkerState::Suspended { reason } => {
                suspended.push(format!("{}: {reason}", worker.instance));
            }
            WorkerState::Draining => draining += 1,
        }
    }
    let connected = ready + suspended.len();
    let mut detail = format!("{connected} connected, {ready} ready with {slots} slots");
    if draining > 0 {
        detail.push_str(&format!(", {draining} stopping"));
    }
    if !suspended.is_empty() {
        let more = suspended.len().saturating_sub(NAMED);
        suspended.truncate(NAMED);
        detail.push_str(&format!("; suspended: {}", suspended.join("; ")));
        if more > 0 {
            detail.push_str(&format!("; and {more} more"));
        }
    }
    let status = match (ready, suspended.is_empty()) {
        (0, _) => State::Down,
        (_, false) => State::Degraded,
        (_, true) => State::Ok,
    };
    if status == State::Down {
        detail.push_str("; no job is run until one is ready");
    }
    (status, detail)
}

#[cfg(test)]
mod tests {
    use warren_protocol::ids::InstanceId;
    use warren_protocol::time::EpochMillis;

    use super::*;

    fn worker(state: WorkerState) -> WorkerStatus {
        WorkerStatus {
            version: WorkerStatus::VERSION,
            instance: InstanceId::new("worker"),
            state,
            slots: 4,
            running: 0,
            service: None,
            sent_at: EpochMillis::now(),
        }
    }

    fn suspended() -> WorkerStatus {
        let reason = "its engine does not answer".to_owned();
        worker(WorkerState::Suspended { reason })
    }

    fn of(announced: &[WorkerStatus], consumers: u32) -> (State, String) {
        let health = health(announced, consumers);
        (health.status, health.detail.unwrap())
    }

    #[test]
    fn the_ready_are_counted_with_their_slots() {
        let two = [worker(WorkerState::Ready), worker(WorkerState::Ready)];
        let detail = "2 connected, 2 ready with 8 slots".to_owned();
        assert_eq!(of(&two, 2), (State::Ok, detail));
    }

    #[test]
    fn the_suspended_are_named_with_their_reason() {
        let one = suspended();
        let (status, detail) = of(&[worker(WorkerState::Ready), one.clone()], 1);
        assert_eq!(status, State::Degraded);
        let named = format!(
            "2 connected, 1 ready with 4 slots; suspended: {}: its engine does not answer",
            one.instance
        );
        assert_eq!(detail, named);
        assert_eq!(of(&[one], 0).0, State::Down);
        let (_, detail) = of(&[(); 9].map(|()| suspended()), 0);
        assert!(detail.contains("and 4 more"), "{detail}");
    }

    #[test]
    fn one_that_only_drains_is_none() {
        let (status, detail) = of(&[worker(WorkerState::Draining)], 1);
        assert_eq!(status, State::Down);
        assert!(detail.starts_with("0 connected, 0 ready with 0 slots, 1 stopping"));
    }

    #[test]
    fn without_announcements_consumers_count() {
        assert_eq!(of(&[], 3), (State::Ok, "3 connected".to_owned()));
        assert_eq!(of(&[], 0).0, State::Down);
    }
}

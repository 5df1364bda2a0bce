//! Supply of slots, as the workers last announced it.

use std::time::Duration;

use warren_protocol::presence::{WorkerState, WorkerStatus};

/// The supply of all ready workers together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Supply {
    /// How many jobs they run at a time; at least 1.
    pub(super) slots: f64,
    /// How long a job holds a slot, on average over the slots; `None` if no worker has measured it.
    pub(super) service: Option<Duration>,
    /// How many jobs run or wait, of all APIs.
    pub(super) everywhere: f64,
}

impl Supply {
    /// Combines these workers; `None` if none of them is ready.
    pub(super) fn of(workers: &[WorkerStatus], waiting: Option<u32>) -> Option<Self> {
        let ready = || {
            let is_ready = |worker: &&WorkerStatus| worker.state == WorkerState::Ready;
            workers.iter().filter(is_ready)
        };
        let slots: f64 = ready().map(|worker| f64::from(worker.slots)).sum();
        if slots < 1.0 {
            return None;
        }
        let known = ready().filter_map(|worker| Some((f64::from(worker.slots), worker.service?)));
        let (weight, sum) = known.fold((0.0, 0.0), |(weight, sum), (slots, service)| {
            (weight + slots, sum + slots * service.as_secs_f64())
        });
        let running: f64 = workers.iter().map(|worker| f64::from(worker.running)).sum();
        Some(Self {
            slots,
            service: (weight > 0.0).then(|| Duration::from_secs_f64(sum / weight)),
            everywhere: running + waiting.map_or(0.0, f64::from),
        })
    }
}

#[cfg(test)]
mod tests {
    use warren_protocol::ids::InstanceId;
    use warren_protocol::time::EpochMillis;

    use super::*;

    fn worker(state: WorkerState, slots: u16, service: Option<u64>) -> WorkerStatus {
        WorkerStatus {
            version: WorkerStatus::VERSION,
            instance: InstanceId::new("worker"),
            state,
            slots,
            running: 1,
            service: service.map(Duration::from_millis),
            sent_at: EpochMillis::now(),
        }
    }

    #[test]
    fn only_the_ready_supply() {
        let reason = "no engine".to_owned();
        let mut workers = vec![
            worker(WorkerState::Draining, 8, Some(100)),
            worker(WorkerState::Suspended { reason }, 8, Some(100)),
        ];
        assert_eq!(Supply::of(&workers, Some(3)), None);
        workers.push(worker(WorkerState::Ready, 1, None));
        workers.push(worker(WorkerState::Ready, 3, Some(200)));
        workers.push(worker(WorkerState::Ready, 1, Some(600)));
        let supply = Supply::of(&workers, Some(3)).unwrap();
        assert_eq!((supply.slots, supply.everywhere), (5.0, 8.0));
        assert_eq!(supply.service, Some(Duration::from_millis(300)));
    }
}

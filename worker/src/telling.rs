//! That a job runs, told to every API.

use warren_protocol::event::{Happened, JobEvent, TOLD_AFTER};
use warren_protocol::ids::InstanceId;
use warren_protocol::job::Job;
use warren_queue::WorkerQueue;

/// Tells every API that this worker runs the job, and goes on for ever. While its caller waits,
/// that is worth telling only of one that takes its time.
pub(crate) async fn tell_running(queue: &dyn WorkerQueue, job: &Job, worker: &InstanceId) -> ! {
    if job.budget.is_none() {
        tokio::time::sleep(TOLD_AFTER).await;
    }
    let worker = worker.clone();
    let event = JobEvent::now(job.id, Happened::Running { worker });
    queue.publish_event(&event).await;
    std::future::pending().await
}

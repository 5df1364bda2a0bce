//! Deletes executions that have been kept long enough.

use warren_api::store::{Execution, Retention, Store};
use warren_protocol::ids::JobId;
use warren_protocol::time::EpochMillis;

use super::sample::{failed, job};
use super::{Opener, record};
use crate::harness::wait::{SOON, until};

const HOUR: u32 = 3600;

/// Returns an execution as if it had been recorded so long ago.
fn aged(seconds: u32) -> Execution {
    let now = EpochMillis::now().get();
    Execution {
        recorded_at: EpochMillis::from_millis(now - u64::from(seconds) * 1000),
        ..failed(&job())
    }
}

async fn is_there(store: &dyn Store, id: JobId) -> bool {
    store.find(id).await.expect("it answers").is_some()
}

async fn until_gone(store: &dyn Store, id: JobId) {
    // MongoDB checks every minute, unless it is configured as the tests' own is.
    until(SOON, "what is old to go", async || {
        !is_there(store, id).await
    })
    .await;
}

pub(super) async fn old_executions_are_deleted_and_others_stay(opener: Opener) {
    // Recorded under a retention that deletes nothing, in more than one batch.
    let store = opener.open().await;
    let old: Vec<_> = (0..300).map(|_| aged(2 * HOUR)).collect();
    let young = aged(HOUR / 2);
    for execution in old.iter().chain([&young]) {
        record(store.as_ref(), execution).await;
    }
    store.close().await;

    let store = opener.open_keeping(Retention::seconds(HOUR)).await;
    for execution in &old {
        until_gone(store.as_ref(), execution.job_id).await;
    }
    assert!(is_there(store.as_ref(), young.job_id).await);
}

pub(super) async fn the_retention_can_be_changed(opener: Opener) {
    let execution = aged(2 * HOUR);
    let store = opener.open_keeping(Retention::seconds(3 * HOUR)).await;
    record(store.as_ref(), &execution).await;
    store.close().await;
    // Longer first: existing executions stay.
    let store = opener.open_keeping(Retention::days(3650)).await;
    assert!(is_there(store.as_ref(), execution.job_id).await);
    store.close().await;
    let store = opener.open_keeping(Retention::seconds(HOUR)).await;
    until_gone(store.as_ref(), execution.job_id).await;
}

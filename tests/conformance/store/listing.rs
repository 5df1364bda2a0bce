//! The history of a room: its order, its pages, its filters.

use std::time::Duration;

use warren_api::store::{
    Cursor, End, Execution, ExecutionStatus, JobOrigin, Listing, PageSize, Store, Summary,
};
use warren_protocol::ids::{JobId, RoomId};
use warren_protocol::outcome::Status;
use warren_protocol::time::EpochMillis;

use super::sample::{failed, job, ran};
use super::{Opener, record};

const BASE: u64 = 1_795_000_000_000;

fn room(name: &str) -> RoomId {
    name.parse().expect("a room")
}

/// Returns the execution as if it had been submitted to that room at that time.
fn placed(execution: Execution, room: &str, submitted_at: u64) -> Execution {
    let origin = execution.origin.expect("it has an origin");
    Execution {
        origin: Some(JobOrigin {
            room: self::room(room),
            submitted_at: EpochMillis::from_millis(BASE + submitted_at),
            ..origin
        }),
        ..execution
    }
}

async fn list(store: &dyn Store, listing: &Listing) -> (Vec<Summary>, Option<Cursor>) {
    let page = store.list(listing).await.expect("the store answers");
    (page.items, page.next)
}

/// Reads all pages, through their cursors as text, as callers do.
async fn walk(store: &dyn Store, mut listing: Listing) -> Vec<JobId> {
    let mut ids = Vec::new();
    loop {
        let (items, next) = list(store, &listing).await;
        assert!(items.len() <= listing.limit.get());
        ids.extend(items.into_iter().map(|item| item.job_id));
        let Some(next) = next else { return ids };
        listing.after = Some(next.to_string().parse().expect("a cursor of ours"));
    }
}

pub(super) async fn the_newest_comes_first_and_every_page_follows_the_last(opener: Opener) {
    let store = opener.open().await;
    let mut executions = Vec::new();
    // Recorded in another order than submitted, and three at each moment.
    for n in 0_u64..20 {
        let execution = placed(ran(&job(), "x\n"), "here", (n * 7) % 20 / 3);
        record(store.as_ref(), &execution).await;
        executions.push(execution);
    }
    record(store.as_ref(), &placed(failed(&job()), "there", 3)).await;
    executions.sort_by_key(|execution| {
        let submitted_at = execution.origin.as_ref().map(|origin| origin.submitted_at);
        std::cmp::Reverse((submitted_at, execution.job_id))
    });
    let expected: Vec<_> = executions
        .iter()
        .map(|execution| execution.job_id)
        .collect();
    for limit in [1, 7, 10, 20, 100] {
        let limit = PageSize::new(limit).expect("a page size");
        let listing = Listing {
            limit,
            ..Listing::of(room("here"))
        };
        assert_eq!(walk(store.as_ref(), listing).await, expected, "{limit:?}");
    }
    let (items, next) = list(store.as_ref(), &Listing::of(room("nowhere"))).await;
    assert_eq!((items, next), (Vec::new(), None));

    let (items, _) = list(store.as_ref(), &Listing::of(room("here"))).await;
    let (item, whole) = (&items[0], &executions[0]);
    let origin = whole.origin.as_ref().expect("it has an origin");
    let End::Ran(response) = &whole.end else {
        panic!("it ran")
    };
    assert_eq!(item.status, ExecutionStatus::Ran(response.status));
    assert_eq!(item.duration_ms, Some(response.duration_ms));
    assert_eq!(item.recorded_at, whole.recorded_at);
    assert_eq!(
        (&item.language, &item.code),
        (&origin.language, &origin.code)
    );
}

pub(super) async fn pages_stay_where_they_are_while_executions_come_in(opener: Opener) {
    let store = opener.open().await;
    let mut expected = Vec::new();
    for n in 0..9 {
        let execution = placed(failed(&job()), "here", n);
        record(store.as_ref(), &execution).await;
        expected.insert(0, execution.job_id);
    }
    let limit = PageSize::new(4).expect("a page size");
    let mut listing = Listing {
        limit,
        ..Listing::of(room("here"))
    };
    let mut seen = Vec::new();
    for newer in 100.. {
        let (items, next) = list(store.as_ref(), &listing).await;
        seen.extend(items.into_iter().map(|item| item.job_id));
        let Some(next) = next else { break };
        listing.after = Some(next);
        record(store.as_ref(), &placed(failed(&job()), "here", newer)).await;
    }
    assert_eq!(seen, expected);
}

pub(super) async fn filters_select_languages_and_standings(opener: Opener) {
    let store = opener.open().await;
    let pending = Execution::of(&job(), End::Pending);
    let long_ago = EpochMillis::from_millis(EpochMillis::now().get() - 70_000);
    let due = |due_at, recorded_at| {
        let execution = Execution::of(&job(), End::Pending);
        let origin = execution.origin.clone().expect("it has an origin");
        Execution {
            origin: Some(JobOrigin { due_at, ..origin }),
            recorded_at,
            ..execution
        }
    };
    let lost = due(Some(long_ago), EpochMillis::now());
    let waiting_long = due(Some(EpochMillis::now() + Duration::from_secs(60)), long_ago);
    // Recorded by a version that did not record when it was due.
    let lost_unsaid = due(None, long_ago);
    let (done, failure) = (ran(&job(), "x\n"), failed(&job()));
    let all = [
        &pending,
        &lost,
        &waiting_long,
        &lost_unsaid,
        &done,
        &failure,
    ];
    for (n, execution) in (0..).zip(all) {
        record(store.as_ref(), &placed(execution.clone(), "here", n)).await;
    }
    let verdict = done.status();
    for (status, expected) in [
        (
            None,
            vec![
                &failure,
                &done,
                &lost_unsaid,
                &waiting_long,
                &lost,
                &pending,
            ],
        ),
        (Some(ExecutionStatus::Failed), vec![&failure]),
        (Some(verdict), vec![&done]),
        (
            Some(ExecutionStatus::Pending),
            vec![&waiting_long, &pending],
        ),
        (Some(ExecutionStatus::Lost), vec![&lost_unsaid, &lost]),
        (Some(ExecutionStatus::Ran(Status::NotRun)), vec![]),
    ] {
        let expected: Vec<_> = expected.iter().map(|execution| execution.job_id).collect();
        for limit in [1, 50] {
            let limit = PageSize::new(limit).expect("a page size");
            let listing = Listing {
                status,
                limit,
                ..Listing::of(room("here"))
            };
            assert_eq!(walk(store.as_ref(), listing).await, expected, "{status:?}");
        }
        let listing = Listing {
            status,
            ..Listing::of(room("here"))
        };
        let (items, _) = list(store.as_ref(), &listing).await;
        let told = items.iter().all(|i| status.is_none_or(|s| i.status == s));
        assert!(told, "{items:?}");
    }
    let origin = done.origin.as_ref().expect("it has an origin");
    for (language, count) in [(origin.language.as_str(), 6), ("cobol", 0)] {
        let language = Some(language.parse().expect("a language"));
        let listing = Listing {
            language,
            ..Listing::of(room("here"))
        };
        assert_eq!(walk(store.as_ref(), listing).await.len(), count);
    }
}

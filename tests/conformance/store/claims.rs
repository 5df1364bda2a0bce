//! Idempotency keys that stand for jobs.

use std::sync::Arc;
use std::time::Duration;

use warren_api::store::{Claim, ClaimKey, Claimed, Fingerprint, Store};
use warren_protocol::ids::JobId;
use warren_protocol::time::EpochMillis;

use super::Opener;

fn claim(key: &str) -> Claim {
    let now = EpochMillis::now();
    Claim {
        key: ClaimKey::of([key]),
        fingerprint: Fingerprint::of(key.as_bytes()),
        job: JobId::new(),
        due_at: now + Duration::from_secs(5),
        lapses_at: now + Duration::from_secs(3600),
    }
}

async fn claimed(store: &dyn Store, claim: &Claim, instead_of: Option<JobId>) -> Claimed {
    let claimed = store.claim(claim, instead_of).await;
    claimed.expect("the store answers")
}

pub(super) async fn one_of_many_claimants_wins_whichever_handle_they_use(opener: Opener) {
    let handles = [opener.open().await, opener.open().await];
    for round in 0..20 {
        let base = claim(&format!("race {round}"));
        // Every other race is for replacing an earlier job.
        let instead_of = (round % 2 == 1).then_some(base.job);
        if instead_of.is_some() {
            assert_eq!(
                claimed(handles[0].as_ref(), &base, None).await,
                Claimed::Won
            );
        }
        let racers: Vec<_> = (0..16)
            .map(|n| {
                let (store, base) = (Arc::clone(&handles[n % 2]), base.clone());
                let ours = Claim {
                    job: JobId::new(),
                    ..base
                };
                tokio::spawn(async move {
                    let result = claimed(store.as_ref(), &ours, instead_of).await;
                    (ours, result)
                })
            })
            .collect();
        let mut results = Vec::new();
        for racer in racers {
            results.push(racer.await.expect("no panic"));
        }
        let winners: Vec<_> = results.iter().filter(|(_, r)| *r == Claimed::Won).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        let winner = Claimed::By(Box::new(winners[0].0.clone()));
        let losers = results.iter().filter(|(_, r)| *r != Claimed::Won);
        for (_, result) in losers {
            assert_eq!(result, &winner);
        }
    }
}

pub(super) async fn a_claim_stands_until_it_is_released_replaced_or_lapses(opener: Opener) {
    let store = opener.open().await;
    let store = store.as_ref();
    let first = claim("k");
    let second = Claim {
        job: JobId::new(),
        fingerprint: Fingerprint::of(b"other"),
        ..first.clone()
    };
    let by = |claim: &Claim| Claimed::By(Box::new(claim.clone()));
    assert_eq!(claimed(store, &first, None).await, Claimed::Won);
    assert_eq!(
        claimed(store, &first, None).await,
        Claimed::Won,
        "the same again"
    );
    assert_eq!(claimed(store, &second, None).await, by(&first));
    assert_eq!(
        claimed(store, &second, Some(JobId::new())).await,
        by(&first)
    );
    assert_eq!(claimed(store, &claim("another"), None).await, Claimed::Won);

    // Another job's claim cannot be released.
    store
        .release(&first.key, second.job)
        .await
        .expect("it answers");
    assert_eq!(claimed(store, &second, None).await, by(&first));
    store
        .release(&first.key, first.job)
        .await
        .expect("it answers");
    assert_eq!(claimed(store, &second, None).await, Claimed::Won);
    assert_eq!(claimed(store, &first, None).await, by(&second));
    assert_eq!(claimed(store, &first, Some(second.job)).await, Claimed::Won);
    assert_eq!(claimed(store, &second, Some(second.job)).await, by(&first));

    let lapsed = Claim {
        lapses_at: EpochMillis::now(),
        ..claim("lapses")
    };
    assert_eq!(claimed(store, &lapsed, None).await, Claimed::Won);
    let next = Claim {
        key: lapsed.key.clone(),
        ..claim("lapses")
    };
    assert_eq!(claimed(store, &next, None).await, Claimed::Won);
    assert_eq!(claimed(store, &lapsed, None).await, by(&next));
}

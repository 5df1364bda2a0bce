//! Random faults under load, and the promises that still hold.
//!
//! Nothing is lost or doubled, every request is answered in time, and nothing is left behind.
//! `docs/RELIABILITY.md` explains.

mod audit;
mod caller;
mod faults;
mod journal;
mod ledger;
mod leftovers;
mod leftovers_test;
mod logs;
mod plan;
mod post;
mod program;
mod recovery;
mod report;
mod restart;
mod run;
mod site;
mod unattended;

use crate::harness::{machine, mongo};
use plan::Plan;

/// Ends processes and waits for them on these threads, beside the callers.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_dies_nothing_is_lost_doubled_or_left_behind() {
    let _machine = machine::alone().await;
    let plan = Plan::of_environment().expect("WARREN_CHAOS* can be used");
    eprintln!(
        "chaos: {plan:?}; again with WARREN_CHAOS_SEED={}",
        plan.seed
    );
    mongo::Database::with(|database| async move {
        let limit = plan.limit;
        let run = Box::pin(run::run(plan, database.uri()));
        let run = tokio::time::timeout(limit, run).await;
        run.unwrap_or_else(|_| panic!("the run did not end within {limit:?}"))
            .expect("the run comes to its end");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broker_restart_at_50_requests_a_second_is_over_within_10_seconds() {
    let _machine = machine::alone().await;
    mongo::Database::with(|database| async move {
        let run = Box::pin(restart::run(database.uri()));
        let run = tokio::time::timeout(restart::LIMIT, run).await;
        run.unwrap_or_else(|_| panic!("the run did not end within {:?}", restart::LIMIT))
            .expect("the run comes to its end");
    })
    .await;
}

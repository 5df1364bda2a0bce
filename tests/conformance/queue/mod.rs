//! The queue: one suite for the in-process one and for RabbitMQ, on a real broker; and what only
//! RabbitMQ has, connections to lose and a topology to agree on.

mod counts;
mod fixture;
mod loss;

mod rabbitmq;
mod restart;
mod routing;
mod topology;
mod unclaimed;

/// Runs each test of the suite against each implementation.
macro_rules! conformance {
    ($($suite:ident: $($test:ident),+ $(,)?;)+) => {
        mod in_process {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() -> anyhow::Result<()> {
                    super::$suite::$test::<super::fixture::InProcess>().await
                }
            )+)+
        }

        mod on_rabbitmq {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() -> anyhow::Result<()> {
                    super::$suite::$test::<super::fixture::OnRabbitMq>().await
                }
            )+)+
        }
    };
}

conformance! {
    routing:
        a_job_arrives_and_its_reply_returns,
        replies_find_their_waiters_in_any_order,
        a_job_given_back_goes_to_another_worker,
        a_dropped_job_comes_back,
        a_job_that_every_worker_drops_is_put_aside,
        a_stopped_stream_hands_back_what_was_not_taken,
        there_is_one_stream_of_jobs_per_worker,
        a_closed_queue_ends_its_waits;
    counts:
        no_more_jobs_are_held_than_the_prefetch,
        an_expired_job_is_not_delivered,
        a_full_queue_refuses,
        without_workers_jobs_are_refused,
        status_counts_jobs_and_workers;
    unclaimed:
        a_reply_without_waiter_is_recorded_once,
        an_unrecorded_reply_comes_again,
        a_reply_outlives_its_api,
        replies_to_the_living_and_the_gone_are_told_apart;
    loss:
        a_dead_workers_job_goes_to_another,
        a_job_answered_after_the_connection_died_is_answered;
}

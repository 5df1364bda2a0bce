//! The queue: one suite for both implementations and both classes of jobs.
//!
//! It runs in process and on a real RabbitMQ. RabbitMQ alone has connections to lose and a topology to
//! agree on, which tests of its own cover.

mod callbacks;
mod cancel;
mod counts;
mod events;
mod fixture;
mod least_power;
mod loss;
mod outlived;
mod pool;
mod presence;
mod rabbitmq;
mod restart;
mod routing;
mod suspects;
mod topology;
mod unattended;
mod unclaimed;

/// Tests of the suite on one fixture.
macro_rules! tests {
    ($fixture:ty; $($suite:ident: $($test:ident),+ $(,)?;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread")]
            async fn $test() -> anyhow::Result<()> {
                super::$suite::$test::<$fixture>().await
            }
        )+)+
    };
}

/// Runs each test against each implementation: those of `both` for jobs that a caller waits for
/// and for jobs that nobody waits for.
macro_rules! conformance {
    (both: { $($both:tt)+ } awaited: { $($awaited:tt)+ }) => {
        mod in_process {
            tests! { super::fixture::InProcess; $($both)+ $($awaited)+ }
        }

        mod in_process_unattended {
            tests! { super::unattended::Unattended<super::fixture::InProcess>; $($both)+ }
        }

        mod on_rabbitmq {
            tests! { super::fixture::OnRabbitMq; $($both)+ $($awaited)+ }
        }

        mod on_rabbitmq_unattended {
            tests! { super::unattended::Unattended<super::fixture::OnRabbitMq>; $($both)+ }
        }
    };
}

conformance! {
    both: {
        routing:
            a_job_arrives_and_its_reply_returns,
            replies_find_their_waiters_in_any_order,
            a_job_given_back_goes_to_another_worker,
            a_dropped_job_comes_back,
            handing_a_job_back_does_not_count_as_a_try,
            handing_back_does_not_forget_earlier_losses,
            a_job_that_every_worker_drops_is_put_aside,
            a_stopped_stream_hands_back_what_was_not_taken,
            a_dropped_stream_hands_back_what_was_not_taken,
            there_is_one_stream_of_jobs_per_worker,
            a_stopped_stream_can_be_followed_by_another,
            a_closed_queue_ends_its_waits;
        counts:
            no_more_jobs_are_held_than_the_prefetch,
            an_expired_job_is_not_delivered,
            a_full_queue_refuses,
            status_counts_jobs_and_workers;
        loss:
            a_dead_workers_job_goes_to_another,
            a_job_that_killed_every_worker_is_answered,
            a_job_answered_after_the_connection_died_is_answered;
        cancel:
            a_cancelled_job_is_answered_and_not_run,
            a_cancellation_reaches_whoever_holds_the_job,
            a_cancellation_may_arrive_before_its_job;
    }
    awaited: {
        counts:
            without_workers_jobs_are_refused,
            both_classes_have_their_share;
        presence:
            every_api_learns_of_every_worker,
            a_worker_that_falls_silent_is_forgotten;
        events:
            every_api_receives_every_job_event;
        unclaimed:
            a_reply_without_waiter_is_recorded_once,
            an_unrecorded_reply_is_delivered_again,
            an_unattended_job_waits_for_a_worker_and_is_recorded,
            an_unattended_job_that_is_too_late_is_answered,
            a_reply_outlives_its_api,
            each_reply_is_either_awaited_or_recorded;
        callbacks:
            a_callback_is_delivered_until_it_is_done,
            a_callback_is_delivered_again_after_its_pause,
            a_callback_outlives_its_api;
    }
}

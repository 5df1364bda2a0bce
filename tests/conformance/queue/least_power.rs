//! API and worker with users of their own, who have the rights that `rabbitmq/definitions.json` gives.

use anyhow::Context;
use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use warren_queue::rabbit::topology::{
    CALLBACKS, CANCELLATIONS, CLAIMS, DEAD_JOBS, EVENTS, EXCHANGE, INTERACTIVE_JOBS, JOBS,
    PRESENCE, REPLIES, RESULTS, SUSPECTS, TURNS,
};

use super::fixture::{
    Fixture, OnRabbitMq, SOON, answer, api_on, job, reply_to, submit, until, worker_on,
};
use super::rabbitmq::works;
use crate::harness::rabbitmq::User;

const SHIPPED: &str = include_str!("../../../rabbitmq/definitions.json");

/// A broker with the shipped topology and users with the shipped rights.
struct Site {
    fixture: OnRabbitMq,
    api: User,
    worker: User,
}

async fn site() -> anyhow::Result<Site> {
    let fixture = OnRabbitMq::new().await?;
    let mut shipped: Value = serde_json::from_str(SHIPPED)?;
    let rights = shipped["permissions"].take();
    let of = |user: &str| {
        let all = rights.as_array().context("permissions")?;
        let one = all.iter().find(|one| one["user"] == user);
        one.with_context(|| format!("{user} has none"))
    };
    let (api, worker) = (
        fixture.0.user(of("warren-api")?).await?,
        fixture.0.user(of("warren-worker")?).await?,
    );
    for kind in ["exchanges", "queues", "bindings"] {
        for one in shipped[kind].as_array_mut().into_iter().flatten() {
            one.as_object_mut().context("an object")?.remove("vhost");
        }
    }
    let topology = serde_json::json!({
        "exchanges": shipped["exchanges"], "queues": shipped["queues"],
        "bindings": shipped["bindings"],
    });
    fixture.0.import(topology).await?;
    Ok(Site {
        fixture,
        api,
        worker,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn api_and_worker_need_no_more_rights_than_they_are_given() -> anyhow::Result<()> {
    let site = site().await?;
    let api = api_on(&site.api.amqp_url())?;
    let worker = worker_on(&site.worker.amqp_url())?;
    let mut jobs = worker.take_jobs(2).await?;
    works(&api, &mut jobs).await?;
    until(&worker.queue, "it is connected both ways", |_| true).await?;
    // A job that is handed back, one that is lost and run alone, and one that is cancelled.
    let (sent, wait) = {
        let job = job()?;
        let wait = submit(&api, &job).await?;
        (job, wait)
    };
    jobs.next().await?.requeue().await?;
    drop(jobs.next().await?);
    let suspect = jobs.next().await?;
    suspect.reply(reply_to(&sent, "done")).await?;
    assert_eq!(answer(wait).await?, reply_to(&sent, "done"));
    let unwanted = job()?;
    let _wait = submit(&api, &unwanted).await?;
    let held = jobs.next().await?;
    api.withdraw(unwanted.id, unwanted.deadline).await;
    tokio::time::timeout(SOON, held.cancelled().cancelled()).await?;
    held.reply(reply_to(&unwanted, "ended")).await?;
    // A job that nobody waits for: its reply is for whoever records it.
    let unattended = job()?;
    api.submit_unattended(&unattended).await?;
    let delivery = jobs.next().await?;
    delivery.reply(reply_to(&unattended, "done")).await?;
    let mut unclaimed = api.unclaimed(CancellationToken::new()).await?;
    let recorded = tokio::time::timeout(SOON, unclaimed.recv()).await?;
    let recorded = recorded.context("the feed ended")?;
    assert_eq!(recorded.reply, reply_to(&unattended, "done"));
    recorded.acknowledge();
    // Each declares nothing but queues of its own.
    assert!(site.fixture.0.take_all(DEAD_JOBS, 1).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_topology_its_absence_is_reported() -> anyhow::Result<()> {
    let site = site().await?;
    site.fixture.0.delete_queue(DEAD_JOBS).await?;
    let api = api_on(&site.api.amqp_url())?;
    let started = std::time::Instant::now();
    loop {
        let told = api.status().await.err().map(|error| error.to_string());
        if told.as_ref().is_some_and(|told| {
            told.contains(DEAD_JOBS) && told.contains("rabbitmq/definitions.json")
        }) {
            return Ok(());
        }
        anyhow::ensure!(started.elapsed() < SOON, "{told:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// What someone with a user's password tries.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Publish(&'static str, &'static str),
    Consume(&'static str),
    Get(&'static str),
    /// Binds a queue of its own to an exchange, to see a copy of what passes.
    Spy(&'static str),
    Declare(&'static str),
    Delete(&'static str),
}

/// Does it on a channel of its own. Returns whether the broker let it pass.
async fn passes(connection: &Connection, own: &str, deed: Deed) -> anyhow::Result<bool> {
    let channel = connection.create_channel().await?;
    let done = attempt(&channel, own, deed).await;
    match done {
        Ok(()) => Ok(true),
        Err(error) if format!("{error:?}").contains("ACCESS") => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{deed:?}")),
    }
}

async fn attempt(channel: &Channel, own: &str, deed: Deed) -> Result<(), lapin::Error> {
    let nothing = FieldTable::default();
    match deed {
        Deed::Publish(exchange, key) => {
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            let options = BasicPublishOptions::default();
            let properties = BasicProperties::default();
            let sent = channel
                .basic_publish(exchange.into(), key.into(), options, b"forged", properties)
                .await?;
            sent.await.map(drop)
        }
        Deed::Consume(queue) => {
            let options = BasicConsumeOptions::default();
            let mut consumer = channel
                .basic_consume(queue.into(), "".into(), options, nothing)
                .await?;
            let _nothing = futures_util::poll!(consumer.next());
            Ok(())
        }
        Deed::Get(queue) => {
            let options = BasicGetOptions::default();
            channel.basic_get(queue.into(), options).await.map(drop)
        }
        Deed::Spy(exchange) => {
            let options = QueueDeclareOptions {
                exclusive: true,
                auto_delete: true,
                ..QueueDeclareOptions::default()
            };
            channel
                .queue_declare(own.into(), options, nothing.clone())
                .await?;
            let options = QueueBindOptions::default();
            channel
                .queue_bind(
                    own.into(),
                    exchange.into(),
                    INTERACTIVE_JOBS.into(),
                    options,
                    nothing,
                )
                .await
        }
        Deed::Declare(queue) => {
            let options = QueueDeclareOptions::durable();
            channel
                .queue_declare(queue.into(), options, nothing)
                .await
                .map(drop)
        }
        Deed::Delete(queue) => {
            let options = QueueDeleteOptions::default();
            channel.queue_delete(queue.into(), options).await.map(drop)
        }
    }
}

async fn connect(user: &User) -> anyhow::Result<Connection> {
    Ok(Connection::connect(&user.amqp_url(), ConnectionProperties::default()).await?)
}

async fn denied(user: &User, own: &str, deeds: &[Deed]) -> anyhow::Result<()> {
    let connection = connect(user).await?;
    for deed in deeds {
        anyhow::ensure!(!passes(&connection, own, *deed).await?, "{deed:?} passes");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_may_neither_read_jobs_nor_speak_for_workers() -> anyhow::Result<()> {
    let site = site().await?;
    let own = "warren.reply.test.1";
    let deeds = [
        Deed::Consume(JOBS),
        Deed::Consume("warren.jobs.lane.7"),
        Deed::Consume(INTERACTIVE_JOBS),
        Deed::Get(INTERACTIVE_JOBS),
        Deed::Get(SUSPECTS),
        Deed::Consume(TURNS),
        Deed::Get(DEAD_JOBS),
        Deed::Spy(EXCHANGE),
        Deed::Spy(CANCELLATIONS),
        Deed::Spy(CLAIMS),
        Deed::Publish("", INTERACTIVE_JOBS),
        Deed::Publish(REPLIES, "warren.reply.another.1"),
        Deed::Publish(PRESENCE, ""),
        Deed::Publish(CLAIMS, ""),
        Deed::Delete(JOBS),
        Deed::Declare("warren.jobs.mine"),
        Deed::Declare("mine"),
    ];
    denied(&site.api, own, &deeds).await?;
    let connection = connect(&site.api).await?;
    for deed in [Deed::Publish(EXCHANGE, JOBS), Deed::Get(RESULTS)] {
        assert!(passes(&connection, own, deed).await?, "{deed:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_may_neither_read_replies_nor_reach_queues_by_name() -> anyhow::Result<()> {
    let site = site().await?;
    // An API that is there, with a reply queue.
    let api = api_on(&site.api.amqp_url())?;
    until(&api, "the API is connected", |_| true).await?;
    let own = "warren.claims.test.1";
    let deeds = [
        Deed::Consume(RESULTS),
        Deed::Get(RESULTS),
        Deed::Consume(CALLBACKS),
        Deed::Get("warren.callbacks.retry.1"),
        Deed::Get(DEAD_JOBS),
        Deed::Consume("warren.reply.another.1"),
        Deed::Spy(EXCHANGE),
        Deed::Spy(REPLIES),
        Deed::Spy(EVENTS),
        Deed::Spy(PRESENCE),
        Deed::Publish("", "warren.reply.another.1"),
        Deed::Publish("", CALLBACKS),
        Deed::Publish("amq.direct", JOBS),
        Deed::Publish(CANCELLATIONS, ""),
        Deed::Delete(RESULTS),
        Deed::Declare("warren.reply.mine"),
        Deed::Declare("mine"),
    ];
    denied(&site.worker, own, &deeds).await?;
    let connection = connect(&site.worker).await?;
    for deed in [Deed::Publish(EXCHANGE, RESULTS), Deed::Get(JOBS)] {
        assert!(passes(&connection, own, deed).await?, "{deed:?}");
    }
    Ok(())
}

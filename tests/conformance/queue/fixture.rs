//! The fixture of the suite: a queue with any number of APIs and workers.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use warren_protocol::ids::InstanceId;
use warren_protocol::job::{Job, Standing};
use warren_protocol::limits::Limits;
use warren_protocol::reply::{FailureCode, JobFailure, Reply};
use warren_protocol::time::Deadline;
use warren_queue::rabbit::topology::{INTERACTIVE_JOBS, JOBS};
use warren_queue::{
    ApiQueue, Deliveries, Delivery, JobClass, MemoryQueue, Offer, Patience, PendingReply, Prefetch,
    QueueError, QueueLink, QueueStatus, RabbitApi, RabbitConfig, RabbitWorker, SubmitError,
    SuspectToken, WorkerQueue,
};

use crate::harness::rabbitmq::{Management, Vhost};

/// The bound of a wait for what must happen. With the other tests beside it, on two cores, a broker
/// may take its time.
pub const SOON: Duration = Duration::from_secs(30);
/// The time for which a test watches before it concludes that something does not happen.
pub const A_WHILE: Duration = Duration::from_millis(500);

/// One implementation of the queue, empty.
pub trait Fixture: Sized + Send + Sync + 'static {
    /// Creates a queue.
    fn new() -> BoxFuture<'static, anyhow::Result<Self>>;
    /// Creates a queue with room for a few waiting jobs.
    fn with_room_for(jobs: u32) -> BoxFuture<'static, anyhow::Result<Self>>;
    /// Creates an API instance.
    fn api(&self) -> anyhow::Result<Arc<dyn ApiQueue>>;
    /// Creates a worker, which takes no jobs yet.
    fn worker(&self) -> anyhow::Result<Worker>;
    /// Ends the worker's connections. The worker lives, and connects again.
    fn sever<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, anyhow::Result<()>>;
    /// Ends the worker's connections as if it had died: it is not heard of again.
    fn kill<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            self.sever(worker).await?;
            worker.queue.close(Duration::ZERO).await;
            Ok(())
        })
    }
    /// Returns how often a job of the suite's class may be lost.
    fn tries() -> u32 {
        JobClass::Interactive.max_tries()
    }
}

/// A worker's handle of the queue.
pub struct Worker {
    pub queue: Arc<dyn WorkerQueue>,
    pub instance: InstanceId,
    pub stop: CancellationToken,
}

impl Worker {
    pub fn new(queue: impl WorkerQueue, instance: InstanceId) -> Self {
        Self {
            queue: Arc::new(queue),
            instance,
            stop: CancellationToken::new(),
        }
    }

    /// Begins to take jobs: at most `held` of each class at a time.
    pub async fn take_jobs(&self, held: u16) -> anyhow::Result<Jobs> {
        let prefetch = Prefetch(NonZeroU16::new(held).context("a prefetch is at least 1")?);
        Ok(Jobs {
            stream: self.queue.deliveries(prefetch, self.stop.clone()).await?,
            fetching: None,
        })
    }
}

/// A worker's stream of jobs. It has nothing else to do, so it fetches a suspect at once.
pub struct Jobs {
    stream: Deliveries,
    /// The suspect that is being fetched. Its reader may stop waiting; the next reader gets it.
    fetching: Option<JoinHandle<Result<Option<Delivery>, QueueError>>>,
}

impl Jobs {
    /// Waits for the next job, which must come soon.
    pub async fn next(&mut self) -> anyhow::Result<Delivery> {
        let next = tokio::time::timeout(SOON, self.take()).await;
        next.context("no job was delivered")??
            .context("the stream of jobs ended")
    }

    async fn take(&mut self) -> anyhow::Result<Option<Delivery>> {
        loop {
            if let Some(fetching) = &mut self.fetching {
                let fetched = fetching.await?;
                self.fetching = None;
                // A worker that loses its connection loses the token as well.
                if let Ok(Some(suspect)) = fetched {
                    return Ok(Some(suspect));
                }
            }
            match self.stream.recv().await {
                Some(Offer::Job(delivery)) => return Ok(Some(delivery)),
                Some(Offer::Suspect(token)) => self.fetching = Some(tokio::spawn(token.fetch())),
                None => return Ok(None),
            }
        }
    }

    /// Waits for the next token, which must come soon and before any job.
    pub async fn token(&mut self) -> anyhow::Result<SuspectToken> {
        let next = tokio::time::timeout(SOON, self.stream.recv()).await;
        match next.context("no token came")? {
            Some(Offer::Suspect(token)) => Ok(token),
            Some(Offer::Job(delivery)) => anyhow::bail!("{} was delivered", delivery.job.id),
            None => anyhow::bail!("the stream of jobs ended"),
        }
    }

    /// Answers every job, until none has come for a while.
    pub async fn settle_all(&mut self) -> anyhow::Result<()> {
        while let Ok(delivery) = tokio::time::timeout(A_WHILE, self.take()).await {
            let delivery = delivery?.context("the stream of jobs ended")?;
            let reply = reply_to(&delivery.job, "done");
            delivery.reply(reply).await?;
        }
        Ok(())
    }

    /// Watches for a while: no job may come.
    pub async fn none(&mut self) -> anyhow::Result<()> {
        match tokio::time::timeout(A_WHILE, self.take()).await {
            Err(_elapsed) => Ok(()),
            Ok(Err(error)) => Err(error),
            Ok(Ok(Some(delivery))) => anyhow::bail!("{} was delivered", delivery.job.id),
            Ok(Ok(None)) => anyhow::bail!("the stream of jobs ended"),
        }
    }

    /// Continues to take until `done`: no job may come.
    pub async fn none_until(
        &mut self,
        done: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        tokio::select! {
            delivery = self.take() => match delivery? {
                Some(delivery) => anyhow::bail!("{} was delivered", delivery.job.id),
                None => anyhow::bail!("the stream of jobs ended"),
            },
            done = done => done,
        }
    }

    /// Asserts that the stream has ended.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        let next = tokio::time::timeout(SOON, self.take())
            .await
            .context("the stream goes on")??;
        anyhow::ensure!(next.is_none(), "a job was delivered after the end");
        Ok(())
    }
}

pub struct InProcess(MemoryQueue);

impl Fixture for InProcess {
    fn new() -> BoxFuture<'static, anyhow::Result<Self>> {
        Box::pin(async move { Ok(Self(MemoryQueue::new())) })
    }

    fn with_room_for(jobs: u32) -> BoxFuture<'static, anyhow::Result<Self>> {
        Box::pin(async move { Ok(Self(MemoryQueue::with_capacity(jobs))) })
    }

    fn api(&self) -> anyhow::Result<Arc<dyn ApiQueue>> {
        Ok(Arc::new(self.0.sibling()))
    }

    fn worker(&self) -> anyhow::Result<Worker> {
        Ok(Worker::new(self.0.sibling(), InstanceId::new("worker")))
    }

    fn sever<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            worker.queue.close(Duration::ZERO).await;
            Ok(())
        })
    }
}

pub struct OnRabbitMq(pub Vhost);

impl Fixture for OnRabbitMq {
    fn new() -> BoxFuture<'static, anyhow::Result<Self>> {
        Box::pin(async move { Ok(Self(Vhost::create(&Management::shared().await?).await?)) })
    }

    fn with_room_for(jobs: u32) -> BoxFuture<'static, anyhow::Result<Self>> {
        Box::pin(async move {
            let fixture = Self::new().await?;
            for queue in [JOBS, INTERACTIVE_JOBS] {
                fixture.0.limit(queue, jobs).await?;
            }
            Ok(fixture)
        })
    }

    fn api(&self) -> anyhow::Result<Arc<dyn ApiQueue>> {
        api_on(&self.0.amqp_url())
    }

    fn worker(&self) -> anyhow::Result<Worker> {
        worker_on(&self.0.amqp_url())
    }

    fn sever<'a>(&'a self, worker: &'a Worker) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            self.0
                .close_connections(worker.instance.as_str(), 2)
                .await
                .map(drop)
        })
    }
}

/// Creates an API instance on the broker at `url`.
pub fn api_on(url: &str) -> anyhow::Result<Arc<dyn ApiQueue>> {
    let config = RabbitConfig::new(url, InstanceId::new("api"))?;
    Ok(Arc::new(RabbitApi::new(config, &CancellationToken::new())))
}

/// The patience of workers with others that died: what never comes is not waited for.
const HASTE: Patience = Patience {
    attended: Duration::from_millis(200),
    unattended: Duration::from_millis(200),
};

/// Creates a worker on the broker at `url`.
pub fn worker_on(url: &str) -> anyhow::Result<Worker> {
    patient_worker_on(url, HASTE)
}

/// Creates a worker that waits so long for others that lost their connections.
pub fn patient_worker_on(url: &str, patience: Patience) -> anyhow::Result<Worker> {
    let instance = InstanceId::new("worker");
    let config = RabbitConfig::new(url, instance.clone())?.with_patience(patience);
    Ok(Worker::new(
        RabbitWorker::new(config, &CancellationToken::new()),
        instance,
    ))
}

/// Creates a job with time to spare.
pub fn job() -> anyhow::Result<Job> {
    job_for(Duration::from_secs(60))
}

/// Creates a job whose caller waits that long.
pub fn job_for(patience: Duration) -> anyhow::Result<Job> {
    let submission = serde_json::from_value(json!({
        "language": "python", "code": "print(6 * 7)", "input": null, "test_cases": [],
    }))?;
    let mut job = Job::new(
        "callers".parse()?,
        submission,
        Limits::default(),
        Deadline::after(patience),
    );
    // With this and the room's name its lane is the queue that the suite is about: `JOBS`.
    job.standing = Standing::LightCaller;
    Ok(job)
}

/// Creates a reply to `job` that can be distinguished from others.
pub fn reply_to(job: &Job, mark: &str) -> Reply {
    let failure = JobFailure {
        code: FailureCode::SandboxUnavailable,
        message: format!("{mark} {}", job.id),
    };
    Reply::new(job.id, Err(failure))
}

/// Submits as soon as the queue can be reached and has a worker; a new worker needs a moment for
/// that.
pub async fn submit(api: &Arc<dyn ApiQueue>, job: &Job) -> anyhow::Result<PendingReply> {
    let started = Instant::now();
    loop {
        match api.submit(job).await {
            Ok(pending) => return Ok(pending),
            Err(SubmitError::Unavailable | SubmitError::NoWorkers) if started.elapsed() < SOON => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits for the reply, which must come.
pub async fn answer(mut pending: PendingReply) -> anyhow::Result<Reply> {
    Ok(pending.wait(Deadline::after(SOON)).await?)
}

/// Waits for the reply, which must be that the job was lost with every worker that took it. The
/// worker of `jobs` sends it, and gets no job in the meantime.
pub async fn given_up(pending: PendingReply, job: &Job, jobs: &mut Jobs) -> anyhow::Result<()> {
    let reply = tokio::select! {
        reply = answer(pending) => reply?,
        delivery = jobs.take() => anyhow::bail!("{:?} was delivered", delivery?.map(|it| it.job.id)),
    };
    let code = reply.result.as_ref().err().map(|failure| failure.code);
    anyhow::ensure!(code == Some(FailureCode::WorkerCrashed), "{reply:?}");
    anyhow::ensure!(reply.job.as_deref() == Some(job), "{reply:?}");
    Ok(())
}

/// Waits until the queue's status is as wanted.
pub async fn until(
    queue: &Arc<impl QueueLink + ?Sized>,
    what: &str,
    wanted: impl Fn(QueueStatus) -> bool,
) -> anyhow::Result<QueueStatus> {
    let started = Instant::now();
    loop {
        let status = queue.status().await;
        match status {
            Ok(status) if wanted(status) => return Ok(status),
            other => anyhow::ensure!(started.elapsed() < SOON, "{what}: not so: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

//! Picks the implementation behind each seam from the configuration.
//!
//! Nothing else knows which is in use.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use warren_api::StoreConfig;
use warren_api::store::{MongoStore, SqliteStore, Store};
use warren_protocol::ids::InstanceId;
use warren_queue::{ApiQueue, MemoryQueue, RabbitApi, RabbitConfig, RabbitWorker, WorkerQueue};
use warren_worker::{DockerConfig, DockerEngine, Engine, EngineChoice, NativeConfig, NativeEngine};

use crate::roles::Roles;
use crate::settings::Settings;

/// Containers that exist for each slot: the one in use, one that waits for its removal, and those
/// being removed. The pool's containers, their replacements, and a canary and a self-test of each
/// language come on top.
const CONTAINERS_PER_SLOT: usize = 3;

/// One side of the queue, `Q` being the seam's trait of that side.
pub struct Queue<Q: ?Sized> {
    /// The handle.
    pub handle: Arc<Q>,
    /// Its name in health and logs.
    pub name: &'static str,
    /// The process that holds it.
    pub instance: InstanceId,
}

/// The sides of the queue that this process holds.
pub struct Queues {
    /// The API's, if this process is one.
    pub api: Option<Queue<dyn ApiQueue>>,
    /// The worker's, if this process is one.
    pub worker: Option<Queue<dyn WorkerQueue>>,
}

impl Queues {
    /// Picks RabbitMQ if its address is configured, else the in-process queue.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn new(roles: Roles, settings: &Settings) -> anyhow::Result<Self> {
        let (api, worker) = (
            roles.api().then_some("api"),
            roles.worker().then_some("worker"),
        );
        let (api, worker) = (api.map(InstanceId::new), worker.map(InstanceId::new));
        Ok(match &settings.rabbitmq_url {
            Some(url) => Self {
                api: api.map(|it| rabbit_api(url, it)).transpose()?,
                worker: worker.map(|it| rabbit_worker(url, it)).transpose()?,
            },
            None => Self::in_process(api, worker),
        })
    }

    fn in_process(api: Option<InstanceId>, worker: Option<InstanceId>) -> Self {
        const NAME: &str = "in-process queue";
        let queue = MemoryQueue::new();
        Self {
            api: api.map(|instance| Queue {
                handle: Arc::new(queue.sibling()) as Arc<dyn ApiQueue>,
                name: NAME,
                instance,
            }),
            worker: worker.map(|instance| Queue {
                handle: Arc::new(queue.sibling()) as Arc<dyn WorkerQueue>,
                name: NAME,
                instance,
            }),
        }
    }

    /// Releases the connections once nothing uses them.
    pub async fn close(self, grace: Duration) {
        if let Some(api) = self.api {
            api.handle.close(grace).await;
        }
        if let Some(worker) = self.worker {
            worker.handle.close(grace).await;
        }
    }
}

/// What health and logs call RabbitMQ.
const RABBITMQ: &str = "rabbitmq";

fn rabbit_api(url: &str, instance: InstanceId) -> anyhow::Result<Queue<dyn ApiQueue>> {
    let config = RabbitConfig::new(url, instance.clone())?;
    Ok(Queue {
        handle: Arc::new(RabbitApi::new(config, &closed_by_close())),
        name: RABBITMQ,
        instance,
    })
}

fn rabbit_worker(url: &str, instance: InstanceId) -> anyhow::Result<Queue<dyn WorkerQueue>> {
    let config = RabbitConfig::new(url, instance.clone())?;
    Ok(Queue {
        handle: Arc::new(RabbitWorker::new(config, &closed_by_close())),
        name: RABBITMQ,
        instance,
    })
}

/// Returns a token that no signal cancels: [`Queues::close`] ends a queue, once the drain is over.
fn closed_by_close() -> CancellationToken {
    CancellationToken::new()
}

/// Opens MongoDB if its address is configured, else a SQLite file.
///
/// # Errors
/// The file cannot be opened. An unreachable MongoDB is no error.
pub async fn store(config: &warren_api::Config) -> anyhow::Result<Arc<dyn Store>> {
    let retention = config.retention;
    Ok(match &config.store {
        StoreConfig::Mongo(uri) => Arc::new(MongoStore::new(uri)?.keeping(retention)),
        StoreConfig::Sqlite(path) => Arc::new(SqliteStore::open_keeping(path, retention).await?),
    })
}

/// Creates the engine that was chosen. Must be called within the runtime.
///
/// # Errors
/// `DOCKER_HOST` cannot be used. An unreachable daemon is no error, nor a launcher that cannot be
/// started yet: the worker says so, and takes no jobs until then.
pub fn engine(
    config: &warren_worker::Config,
    instance: &InstanceId,
) -> anyhow::Result<Arc<dyn Engine>> {
    let slots = usize::from(config.slots.get());
    let parked = usize::from(config.pool.size) * config.images.len();
    let most = slots * CONTAINERS_PER_SLOT + parked + 2 * config.images.len();
    Ok(match config.engine {
        EngineChoice::Docker => Arc::new(DockerEngine::new(DockerConfig {
            instance: instance.clone(),
            images: config.images.clone(),
            runtime: config.runtime.clone(),
            max_containers: most,
            cpus: config.cpus.clone(),
        })?),
        EngineChoice::Native => {
            let roots = config.roots.iter();
            let absolute = roots.map(|(language, root)| {
                let root = std::path::absolute(root).context("cannot find the roots")?;
                Ok((language.clone(), root))
            });
            Arc::new(NativeEngine::new(NativeConfig {
                settings: config.native.clone(),
                roots: absolute.collect::<anyhow::Result<_>>()?,
                max_sandboxes: most,
                cpus: config.cpus.clone(),
            }))
        }
    })
}

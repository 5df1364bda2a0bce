//! Picks the implementation behind each seam from the configuration. Nothing else knows which is
//! in use.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use warren_api::StoreConfig;
use warren_api::store::{MongoStore, SqliteStore, Store};
use warren_protocol::ids::InstanceId;
use warren_queue::{JobQueue, MemoryQueue, RabbitConfig, RabbitQueue};
use warren_worker::{DockerConfig, DockerEngine, Engine};

use crate::serve::Roles;
use crate::settings::Settings;

/// Containers that exist for each slot: the one in use, one that waits for its removal, and those
/// being removed. Those of the pool, and their replacements, and a canary of each language, come on
/// top.
const CONTAINERS_PER_SLOT: usize = 3;

/// One role's end of the queue.
pub struct Queue {
    /// The queue.
    pub handle: Arc<dyn JobQueue>,
    /// What health and logs call it.
    pub name: &'static str,
    /// Whose end it is.
    pub instance: InstanceId,
}

/// The ends of the queue that this process holds.
pub struct Queues {
    /// The API's, if this process is one.
    pub api: Option<Queue>,
    /// The worker's, if this process is one.
    pub worker: Option<Queue>,
}

impl Queues {
    /// RabbitMQ if its address is configured, else in-process.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn new(roles: Roles, settings: &Settings) -> anyhow::Result<Self> {
        let hub = MemoryQueue::new();
        let end = |role: Role| -> anyhow::Result<Queue> {
            let instance = InstanceId::new(role.name());
            let Some(url) = &settings.rabbitmq_url else {
                let handle = Arc::new(hub.sibling());
                return Ok(Queue {
                    handle,
                    name: "in-process queue",
                    instance,
                });
            };
            // Closed by `close`, once the drain is over; never by a signal.
            let (config, stop) = (
                RabbitConfig::new(url, instance.clone())?,
                CancellationToken::new(),
            );
            let handle: Arc<dyn JobQueue> = Arc::new(match role {
                Role::Api => RabbitQueue::for_api(config, &stop),
                Role::Worker => RabbitQueue::for_worker(config, &stop),
            });
            Ok(Queue {
                handle,
                name: "rabbitmq",
                instance,
            })
        };
        Ok(Self {
            api: roles.api().then(|| end(Role::Api)).transpose()?,
            worker: roles.worker().then(|| end(Role::Worker)).transpose()?,
        })
    }

    /// Lets go of connections, once nothing uses them any more.
    pub async fn close(self, grace: Duration) {
        for queue in self.api.into_iter().chain(self.worker) {
            queue.handle.close(grace).await;
        }
    }
}

/// Whose end of the queue.
#[derive(Clone, Copy)]
enum Role {
    Api,
    Worker,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}

/// MongoDB if its address is configured, else a SQLite file.
///
/// # Errors
/// The file cannot be opened. A MongoDB that is away is no error.
pub async fn store(config: &warren_api::Config) -> anyhow::Result<Arc<dyn Store>> {
    let retention = config.retention;
    Ok(match &config.store {
        StoreConfig::Mongo(uri) => Arc::new(MongoStore::new(uri)?.keeping(retention)),
        StoreConfig::Sqlite(path) => Arc::new(SqliteStore::open_keeping(path, retention).await?),
    })
}

/// Docker.
///
/// # Errors
/// `DOCKER_HOST` cannot be used. A daemon that is away is no error.
pub fn engine(
    config: &warren_worker::Config,
    instance: &InstanceId,
) -> anyhow::Result<Arc<dyn Engine>> {
    let slots = usize::from(config.slots.get());
    let parked = usize::from(config.pool.size) * config.images.len();
    let engine = DockerEngine::new(DockerConfig {
        instance: instance.clone(),
        images: config.images.clone(),
        runtime: config.runtime.clone(),
        max_containers: slots * CONTAINERS_PER_SLOT + parked + config.images.len(),
    })?;
    Ok(Arc::new(engine))
}

//! The system under test: its own broker, and APIs and workers behind proxies.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::future::try_join_all;
use tempfile::TempDir;
use tokio::sync::Mutex as AsyncMutex;

use super::journal::Journal;
use super::post::{Life, Post, Role};
use crate::harness::broker::Broker;
use crate::harness::http;
use crate::harness::proxy::Proxy;
use crate::harness::rabbitmq::Management;
use crate::harness::wait::SOON;

/// The numbers of processes, and their settings.
pub struct Size {
    pub apis: usize,
    pub workers: usize,
    /// Variables of each API beside the addresses.
    pub api: Vec<(String, String)>,
}

/// The system under test.
pub struct Site {
    pub broker: AsyncMutex<Broker>,
    pub management: Management,
    pub posts: Vec<Arc<Post>>,
    /// The test's own connection to the broker.
    pub line: Proxy,
    logs: TempDir,
}

impl Site {
    /// Starts everything, and waits until it answers.
    pub async fn start(size: Size, mongodb: &str) -> anyhow::Result<Self> {
        let broker = Broker::run().await?;
        let (management, target) = (broker.management()?, address_of(&broker.amqp_url())?);
        let logs = TempDir::with_prefix("warren-chaos-")?;
        let mut posts = Vec::new();
        let roles = std::iter::repeat_n(Role::Worker, size.workers)
            .chain(std::iter::repeat_n(Role::Api, size.apis));
        for (n, role) in roles.enumerate() {
            let line = Proxy::to(target.clone()).await?;
            let mut variables = vec![("RABBITMQ_URL".to_owned(), url_through(&line))];
            let name = match role {
                Role::Api => {
                    variables.push(("MONGODB_URI".to_owned(), mongodb.to_owned()));
                    variables.extend(size.api.iter().cloned());
                    format!("api-{n}")
                }
                Role::Worker => {
                    // Small ones, several of them, so that the death of one does not affect
                    // everybody.
                    variables.push(("WARREN_SLOTS".to_owned(), "2".to_owned()));
                    variables.push(("WARREN_POOL_SIZE".to_owned(), "1".to_owned()));
                    format!("worker-{n}")
                }
            };
            let logs = logs.path().to_owned();
            posts.push(Arc::new(Post::new(name, role, line, variables, logs)));
        }
        let site = Self {
            broker: AsyncMutex::new(broker),
            management,
            posts,
            line: Proxy::to(target).await?,
            logs,
        };
        try_join_all(site.posts.iter().map(|post| post.start())).await?;
        site.until_ready().await?;
        Ok(site)
    }

    /// Returns the places of one role.
    pub fn of(&self, role: Role) -> Vec<Arc<Post>> {
        let posts = self.posts.iter().filter(|post| post.role == role);
        posts.cloned().collect()
    }

    /// Returns an API that takes requests, as a balancer would pick one.
    pub fn api(&self, random: &mut fastrand::Rng) -> Option<Arc<Life>> {
        let lives = self.of(Role::Api).into_iter();
        let serving: Vec<_> = lives
            .filter_map(|post| post.life())
            .filter(|life| life.serves())
            .collect();
        random.choice(serving)
    }

    /// Returns the address of the broker through the test's own proxy.
    pub fn own_url(&self) -> String {
        url_through(&self.line)
    }

    /// Waits until every process reports that it is healthy.
    pub async fn until_ready(&self) -> anyhow::Result<()> {
        self.until_all_say(&["ok"], SOON).await
    }

    /// Waits until every process reports one of these states.
    pub async fn until_all_say(&self, states: &[&str], within: Duration) -> anyhow::Result<()> {
        let started = Instant::now();
        for post in &self.posts {
            let life = post.life().context("a process that listens")?;
            let health = match post.role {
                Role::Api => format!("{}/api/health", life.base),
                Role::Worker => format!("{}/health", life.base),
            };
            while !http::get(health.clone())
                .await
                .is_ok_and(|answer| states.contains(&answer.health_without_host()))
            {
                anyhow::ensure!(
                    started.elapsed() < within,
                    "{} does not say {states:?} within {within:?}",
                    post.name
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Sends SIGTERM to all, workers last, and waits for an orderly end. Then stops the broker.
    pub async fn stop(&self, journal: &Journal) -> anyhow::Result<()> {
        for role in [Role::Api, Role::Worker] {
            let posts = self.of(role);
            try_join_all(posts.iter().map(|post| post.stop(journal))).await?;
        }
        self.broker.lock().await.kill();
        Ok(())
    }

    /// Returns the logs of all processes that have ended.
    pub fn logs(&self) -> &Path {
        self.logs.path()
    }

    /// Keeps the logs for whoever investigates a failure.
    pub fn keep_logs(self) -> PathBuf {
        self.logs.keep()
    }
}

fn address_of(url: &str) -> anyhow::Result<String> {
    let host = url
        .rsplit('@')
        .next()
        .and_then(|rest| rest.split('/').next());
    host.map(str::to_owned).context("the broker's address")
}

fn url_through(line: &Proxy) -> String {
    format!("amqp://guest:guest@{}/%2f", line.address())
}

//! One process of the site behind its own proxy, replaced when it dies.
//!
//! It is an API or a worker. The logs of ended processes are kept.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Mutex as AsyncMutex;

use super::journal::{Broken, Journal};
use crate::harness::proxy::Proxy;
use crate::harness::wait::SOON;
use crate::harness::warren::Warren;

/// The time from routing callers elsewhere until SIGTERM, as behind any balancer.
const DEREGISTER: Duration = Duration::from_millis(500);

/// API or worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Api,
    Worker,
}

impl Role {
    fn command(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }
}

/// A place for one process.
pub struct Post {
    pub name: String,
    pub role: Role,
    /// The proxy in front of the broker.
    pub line: Proxy,
    variables: Vec<(String, String)>,
    logs: PathBuf,
    process: AsyncMutex<Option<Warren>>,
    life: Mutex<Option<Arc<Life>>>,
    lives: Mutex<u32>,
}

/// One process, as callers see it.
pub struct Life {
    pub name: String,
    /// Its address, `http://…`.
    pub base: String,
    /// The address for submissions.
    pub url: String,
    killed: AtomicBool,
    leaving: AtomicBool,
    /// The time at which it was killed.
    end: Mutex<Option<Instant>>,
}

impl Life {
    /// Returns whether it takes requests.
    pub fn serves(&self) -> bool {
        !self.was_killed() && !self.is_leaving()
    }

    /// Returns whether it got SIGKILL, so that nobody can expect its answers.
    pub fn was_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    /// Returns whether it got, or is about to get, SIGTERM.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    /// Returns when it got SIGKILL.
    pub fn killed_at(&self) -> Option<Instant> {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Post {
    /// Creates a place whose process is not started yet.
    pub fn new(
        name: String,
        role: Role,
        line: Proxy,
        variables: Vec<(String, String)>,
        logs: PathBuf,
    ) -> Self {
        Self {
            name,
            role,
            line,
            variables,
            logs,
            process: AsyncMutex::default(),
            life: Mutex::default(),
            lives: Mutex::default(),
        }
    }

    /// Starts its first process.
    pub async fn start(&self) -> anyhow::Result<()> {
        self.succeed(&mut *self.process.lock().await).await
    }

    /// Returns the process that is there now, as callers see it.
    pub fn life(&self) -> Option<Arc<Life>> {
        self.life
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Sends SIGKILL, and starts a successor at once.
    pub async fn kill(&self) -> anyhow::Result<()> {
        let mut process = self.process.lock().await;
        if let Some(life) = self.life() {
            life.killed.store(true, Ordering::SeqCst);
            *life.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        if let Some(process) = process.as_mut() {
            process.kill();
        }
        self.archive(&mut process)?;
        self.succeed(&mut process).await
    }

    /// Sends SIGTERM, waits for an orderly end, and starts a successor.
    pub async fn roll(&self, journal: &Journal) -> anyhow::Result<()> {
        if let Some(life) = self.life() {
            life.leaving.store(true, Ordering::SeqCst);
        }
        tokio::time::sleep(DEREGISTER).await;
        let mut process = self.process.lock().await;
        self.end(&mut process, journal).await?;
        self.succeed(&mut process).await
    }

    /// Sends SIGTERM and waits for an orderly end.
    pub async fn stop(&self, journal: &Journal) -> anyhow::Result<()> {
        let mut process = self.process.lock().await;
        if let Some(life) = self.life() {
            life.leaving.store(true, Ordering::SeqCst);
        }
        self.end(&mut process, journal).await
    }

    /// Records a process that has ended by itself as a violation, and starts a successor.
    pub async fn look_after(&self, journal: &Journal) -> anyhow::Result<()> {
        let Ok(mut process) = self.process.try_lock() else {
            return Ok(());
        };
        let Some(warren) = process.as_mut() else {
            return Ok(());
        };
        if let Some(status) = warren.ended()? {
            let log = warren.log();
            let last: Vec<_> = log.lines().rev().take(3).collect();
            journal.violated(
                Broken::Process,
                format!("{} ended by itself with {status}: {last:?}", self.name),
            );
            self.archive(&mut process)?;
            self.succeed(&mut process).await?;
        }
        Ok(())
    }

    /// Returns whether its worker has begun a job and not answered it, as far as its log shows.
    pub async fn runs_a_job(&self) -> bool {
        let process = self.process.lock().await;
        let log = process.as_ref().map(Warren::log).unwrap_or_default();
        let count = |message: &str| log.matches(message).count();
        count("\"message\":\"begun\"") > count("\"message\":\"answered")
    }

    async fn end(&self, process: &mut Option<Warren>, journal: &Journal) -> anyhow::Result<()> {
        let Some(warren) = process.as_mut() else {
            return Ok(());
        };
        warren.terminate();
        let started = Instant::now();
        let status = loop {
            match warren.ended()? {
                Some(status) => break status,
                None if started.elapsed() > SOON => {
                    journal.violated(
                        Broken::Process,
                        format!("{} did not end within {SOON:?}", self.name),
                    );
                    warren.kill();
                }
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        if !status.success() {
            journal.violated(
                Broken::Process,
                format!("{} ended with {status} on SIGTERM", self.name),
            );
        }
        self.archive(process)
    }

    async fn succeed(&self, process: &mut Option<Warren>) -> anyhow::Result<()> {
        let variables: Vec<_> = self
            .variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut warren = Warren::spawn(self.role.command(), &variables)?;
        warren.until_listening().await?;
        let life = Life {
            name: self.name.clone(),
            base: warren
                .api
                .clone()
                .or(warren.worker.clone())
                .unwrap_or_default(),
            url: warren.execute_url(),
            killed: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            end: Mutex::default(),
        };
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(life));
        *process = Some(warren);
        Ok(())
    }

    /// Keeps the log of a process that has ended.
    fn archive(&self, process: &mut Option<Warren>) -> anyhow::Result<()> {
        if let Some(warren) = process.take() {
            let mut lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
            *lives += 1;
            let file = self.logs.join(format!("{}-{:04}.log", self.name, *lives));
            fs::write(file, warren.log())?;
        }
        Ok(())
    }
}

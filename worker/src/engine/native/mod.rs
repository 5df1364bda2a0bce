//! The native implementation of [`Engine`]: a launcher makes sandboxes, without a daemon.
//!
//! The launcher is a process of its own with one thread; see docs/design/native-engine.md. This is
//! the worker's side: it starts the launcher, asks for sandboxes, and speaks with PID 1 itself.

mod config;
mod host;
mod launcher;
mod process;
mod removals;
mod roots;
mod socket;
mod stage;
mod streams;
mod supervisor;
mod template;

pub use config::{NativeConfig, NativeSettings};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{self, BoxFuture};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::io::ReaderStream;
use warren_launcher::wire::{self, Request, SandboxId};
use warren_protocol::limits::Limits;
use warren_protocol::outcome::EngineName;

use crate::engine::core::{Core, Cores, CpuSet};
use crate::engine::{
    Container, ContainerId, Effort, Engine, EngineHost, EngineReport, Launch, Purpose, Swept,
};
use crate::{Error, Result};
use launcher::Launcher;
use removals::{Removals, SandboxGuard};
use stage::Stage;
use streams::{Streams, diagnostics};
use supervisor::Supervisor;

/// The longest time that a launch may take: a healthy launcher needs some milliseconds.
const LAUNCH: Duration = Duration::from_secs(3);
/// The longest time that a check of the engine may take, in which a launcher may still start: less than
/// a probe waits.
const CHECK: Duration = Duration::from_millis(1_800);
/// The longest time that a template may take to answer a ping.
const PING: Duration = Duration::from_secs(1);
/// The bytes of PID 1's output that are read at a time. Most answers fit.
const PIECE: usize = 8 * 1024;
/// The most bytes of PID 1's diagnostics that are logged. It has some lines to say at most.
const DIAGNOSTICS: usize = 16 * 1024;

/// An engine that makes sandboxes with a launcher of its own.
pub struct NativeEngine {
    settings: NativeSettings,
    supervisor: Supervisor,
    removals: Arc<Removals>,
    /// Notified when something casts doubt on the engine.
    doubt: Arc<Notify>,
    cores: Cores,
    /// The number of the next sandbox.
    next: AtomicU64,
}

impl NativeEngine {
    /// Creates an engine, and begins to start its launcher. Does not fail while that cannot be
    /// started: it is tried again. Must be called within the runtime.
    #[must_use]
    pub fn new(config: NativeConfig) -> Self {
        let cpus = config.cpus.clone().or_else(CpuSet::of_process);
        let cpus = cpus.unwrap_or_else(|| CpuSet::first(1));
        let doubt = Arc::new(Notify::new());
        Self {
            removals: Arc::new(Removals::new(config.sandboxes(), Arc::clone(&doubt))),
            settings: config.settings.clone(),
            supervisor: Supervisor::new(config, Arc::clone(&doubt)),
            doubt,
            cores: Cores::new(&cpus, fastrand::usize(..)),
            next: AtomicU64::new(1),
        }
    }

    async fn launch_in_steps(&self, launch: &Launch) -> Result<Container> {
        let slot = self.removals.slot(LAUNCH).await?;
        let mut launcher = self.supervisor.up(LAUNCH).await?;
        if launcher.is_ending() {
            launcher = self.supervisor.after(&launcher).await?;
        }
        let template = launcher.template(&launch.language)?;
        let image = template.image.clone();
        let users = &launcher.users;
        let user = users
            .take()
            .ok_or_else(|| Error::UsersTaken(users.count()))?;
        let core = match launch.purpose {
            Purpose::Job(_) => self.cores.for_job(),
            Purpose::Park => self.cores.to_park(),
        };
        let id = SandboxId(self.next.fetch_add(1, Ordering::Relaxed));
        let request = Request::Launch(wire::Launch {
            id,
            user: user.number(),
            cpu: core.number(),
            limits: limits(&launch.limits),
            max_life: launch.max_life,
        });
        let broken = |source| Error::Launcher {
            doing: "ask for a sandbox",
            source,
        };
        let (streams, far) = Streams::new().map_err(broken)?;
        // From when the request is sent on there may be a sandbox, even if this future is dropped. The
        // guard removes it whatever happens.
        let guard = SandboxGuard::new(&self.removals, &template, id, (slot, user));
        let mut guard = guard.ok_or_else(|| lost("it has just ended"))?;
        template
            .send(&request, &far.borrow())
            .await
            .map_err(broken)?;
        guard.sent();
        drop(far);
        match guard.launched(LAUNCH).await {
            Some(Stage::Refused(reason)) => Err(Error::NotLaunched(reason)),
            Some(Stage::Lost | Stage::Removed(_)) => Err(lost("it has just ended")),
            None => Err(self.timed_out()),
            // It may have ended by now, as any may: its streams say so.
            Some(Stage::Asked | Stage::Running | Stage::Ended(_)) => {
                Ok(container(&launcher, id, streams, core, image, guard))
            }
        }
    }

    /// Makes the error of a launch that took too long.
    fn timed_out(&self) -> Error {
        self.doubt.notify_one();
        Error::EngineTimedOut {
            engine: EngineName::Native,
            doing: "make a sandbox",
            within: LAUNCH,
        }
    }
}

fn lost(reason: &str) -> Error {
    Error::LauncherDown(reason.into())
}

/// Makes a container of a sandbox whose PID 1 runs.
fn container(
    launcher: &Launcher,
    id: SandboxId,
    streams: Streams,
    core: Core,
    image: String,
    guard: SandboxGuard,
) -> Container {
    let id = ContainerId::new(format!("{}-{}", launcher.id, id.0));
    let container = id.clone();
    let say = move |says: &str| tracing::warn!(%container, says, "runner");
    // It ends with PID 1, so nobody needs to wait for it.
    drop(tokio::spawn(diagnostics(
        streams.diagnostics,
        DIAGNOSTICS,
        say,
    )));
    Container {
        id,
        image,
        core,
        input: Box::pin(streams.input),
        output: Box::pin(ReaderStream::with_capacity(streams.output, PIECE)),
        handle: Box::new(guard),
    }
}

fn limits(limits: &Limits) -> wire::Limits {
    wire::Limits {
        memory: limits.memory.get(),
        cpu_percent: limits.cpu_percent,
        pids: limits.pids,
        open_files: limits.open_files,
        scratch: limits.scratch.get(),
    }
}

impl Engine for NativeEngine {
    fn name(&self) -> EngineName {
        EngineName::Native
    }

    fn effort(&self) -> Effort {
        Effort::Light
    }

    fn prepare(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let launcher = self.supervisor.until_settled().await?;
            let says = host::description(&launcher.ready, self.settings.network);
            tracing::info!(launcher = launcher.id, says, "the launcher is there");
            let faults = launcher.faults();
            for (language, error) in &faults {
                tracing::error!(%language, error, "a language cannot be run");
            }
            match faults.into_iter().next() {
                Some((language, reason)) if launcher.living().is_empty() => {
                    Err(Error::NoTemplate {
                        language: language.to_string(),
                        reason: reason.into(),
                    })
                }
                _ => Ok(()),
            }
        })
    }

    fn launch<'a>(&'a self, launch: &'a Launch) -> BoxFuture<'a, Result<Container>> {
        Box::pin(async move {
            // Each step has its own bound; together they may take no longer than one.
            match timeout(LAUNCH, self.launch_in_steps(launch)).await {
                Ok(launched) => launched,
                Err(_elapsed) => Err(self.timed_out()),
            }
        })
    }

    /// Does nothing: a launcher sweeps by itself, and whatever it made ends with it.
    fn sweep(&self) -> BoxFuture<'_, Result<Swept>> {
        Box::pin(future::ready(Ok(Swept::default())))
    }

    fn check(&self) -> BoxFuture<'_, Result<EngineReport>> {
        Box::pin(async move {
            let by = Instant::now() + CHECK;
            let launcher = self.supervisor.up(CHECK).await?;
            let within = by.saturating_duration_since(Instant::now()).min(PING);
            let templates = launcher.living();
            let answers = templates.iter().map(|template| template.answers(within));
            if !future::join_all(answers).await.into_iter().all(|it| it) {
                self.supervisor.is_silent();
                return Err(Error::EngineTimedOut {
                    engine: EngineName::Native,
                    doing: "answer a ping",
                    within,
                });
            }
            self.supervisor.answers();
            Ok(EngineReport {
                description: host::description(&launcher.ready, self.settings.network),
                faults: launcher.faults(),
            })
        })
    }

    fn host(&self) -> BoxFuture<'_, Result<EngineHost>> {
        Box::pin(async move {
            let launcher = self.supervisor.up(CHECK).await?;
            Ok(host::describe(&launcher.ready))
        })
    }

    fn quarantined(&self) -> usize {
        self.removals.quarantined()
    }

    fn doubted(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.doubt.notified())
    }

    fn drain(&self, grace: Duration) -> BoxFuture<'_, usize> {
        Box::pin(async move {
            let by = Instant::now() + grace;
            let left = self.removals.drain(grace).await;
            let rest = by.saturating_duration_since(Instant::now());
            self.supervisor.stop(rest).await;
            left
        })
    }
}

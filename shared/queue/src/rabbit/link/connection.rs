//! One connection: opened with the topology declared, probed while it lives, closed within a bound.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, Event};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;

use super::config::RabbitConfig;
use super::fuse::{self, Fuse};
use crate::rabbit::wire::lanes::LANES;
use crate::rabbit::wire::topology::{self, INTERACTIVE_JOBS, SUSPECTS};
use crate::{QueueError, QueueStatus};

/// The longest that building a connection may take, topology included. The first declaration of a
/// quorum queue elects a leader.
pub(crate) const BUILD_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest that the broker may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval at which a connection is probed, and the number of workers refreshed.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// The silence after a probe from which on a connection counts as lost.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest that the broker may take to acknowledge that a connection closes.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// A connection, with a channel for questions.
pub(crate) struct Connected {
    connection: Connection,
    control: Channel,
    fuse: Fuse,
    lasting: Mutex<Vec<Channel>>,
    last_status: watch::Sender<Option<QueueStatus>>,
    blocked: watch::Sender<bool>,
    broken: Broken,
}

/// A fault that a user of the connection found.
#[derive(Default)]
struct Broken {
    noticed: CancellationToken,
    what: Mutex<Option<QueueError>>,
}

impl Connected {
    /// Connects and declares the topology, as far as the user may. The caller bounds the wait and cuts `fuse` after it.
    pub(crate) async fn open(
        config: &RabbitConfig,
        purpose: &str,
        fuse: Fuse,
    ) -> Result<Self, QueueError> {
        let properties =
            ConnectionProperties::default().with_connection_name(config.connection_name(purpose));
        let connecting = fuse::connect(config.uri().clone(), properties, &fuse);
        let connection = timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_elapsed| QueueError::TimedOut {
                context: "connecting",
            })?
            .map_err(QueueError::while_doing("connect"))?;
        let control = declared(&connection, config).await?;
        Ok(Self {
            connection,
            control,
            fuse,
            lasting: Mutex::default(),
            last_status: watch::Sender::new(None),
            blocked: watch::Sender::new(false),
            broken: Broken::default(),
        })
    }

    /// Opens a channel.
    pub(crate) async fn channel(&self) -> Result<Channel, QueueError> {
        self.connection
            .create_channel()
            .await
            .map_err(QueueError::while_doing("open a channel"))
    }

    /// Opens a channel that stays open as long as the connection: a message that was delivered on
    /// it can be settled until then, even if every other user drops it.
    pub(crate) async fn lasting_channel(&self) -> Result<Channel, QueueError> {
        let channel = self.channel().await?;
        let mut lasting = self.lasting.lock().unwrap_or_else(PoisonError::into_inner);
        lasting.push(channel.clone());
        Ok(channel)
    }

    /// Checks whether it can be used to publish, as far as is known now.
    pub(crate) fn check_publishable(&self) -> Result<(), QueueError> {
        let status = self.connection.status();
        if !status.connected() {
            Err(QueueError::Disconnected)
        } else if status.blocked() {
            Err(QueueError::Blocked)
        } else {
            Ok(())
        }
    }

    /// Waits until the broker accepts no messages.
    pub(crate) async fn until_blocked(&self) {
        let mut blocked = self.blocked.subscribe();
        // The sender lives as long as this connection.
        drop(blocked.wait_for(|blocked| *blocked).await);
    }

    /// Asks the broker for the state of the queues of jobs.
    pub(crate) async fn ask(&self, within: Duration) -> Result<QueueStatus, QueueError> {
        let asked = Instant::now();
        let asking = async {
            let interactive = ask_for(&self.control, INTERACTIVE_JOBS).await?;
            let mut unattended = 0_u32;
            for lane in LANES {
                let lane = ask_for(&self.control, lane).await?;
                unattended = unattended.saturating_add(lane.message_count());
            }
            let suspects = ask_for(&self.control, SUSPECTS).await?;
            Ok::<_, lapin::Error>((interactive, unattended, suspects))
        };
        let (interactive, unattended, suspects) = timeout(within, asking)
            .await
            .map_err(|_elapsed| QueueError::TimedOut {
                context: "asking for the state of the queues of jobs",
            })?
            .map_err(QueueError::while_doing(
                "ask for the state of the queues of jobs",
            ))?;
        let status = QueueStatus {
            waiting: interactive
                .message_count()
                .saturating_add(suspects.message_count()),
            unattended,
            // Every worker consumes all of them.
            consumers: interactive.consumer_count(),
            latency: asked.elapsed(),
        };
        self.last_status.send_replace(Some(status));
        Ok(status)
    }

    /// Returns the broker's last answer, at most [`PROBE_EVERY`] and one answer ago.
    pub(crate) fn last_status(&self) -> Option<QueueStatus> {
        *self.last_status.borrow()
    }

    /// Declares the connection unusable, so that everything on it is rebuilt.
    pub(crate) fn give_up(&self, what: QueueError) {
        self.broken
            .what
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(what);
        self.broken.noticed.cancel();
    }

    /// Probes the connection until it is lost; returns the cause.
    pub(crate) async fn until_lost(&self) -> QueueError {
        tokio::select! {
            () = self.broken.noticed.cancelled() => {
                let what = self.broken.what.lock().unwrap_or_else(PoisonError::into_inner).take();
                what.unwrap_or(QueueError::Disconnected)
            }
            error = self.until_reported_lost() => error,
            error = self.until_silent() => error,
        }
    }

    async fn until_reported_lost(&self) -> QueueError {
        let mut events = pin!(self.connection.events_listener());
        while let Some(event) = events.next().await {
            match event {
                Event::Error(source) => return QueueError::while_doing("stay connected")(source),
                Event::ConnectionBlocked(reason) => {
                    tracing::warn!(reason, "RabbitMQ takes no messages (memory or disk alarm)");
                    self.blocked.send_replace(true);
                }
                Event::ConnectionUnblocked => {
                    tracing::info!("RabbitMQ takes messages again");
                    self.blocked.send_replace(false);
                }
                _ => {}
            }
        }
        QueueError::Disconnected
    }

    async fn until_silent(&self) -> QueueError {
        let mut tick = tokio::time::interval(PROBE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            // While it is blocked the library sends nothing, so a probe could not be answered.
            match self.check_publishable() {
                Err(QueueError::Blocked) => continue,
                Err(error) => return error,
                Ok(()) => {}
            }
            if let Err(error) = self.ask(PROBE_TIMEOUT).await
                && !self.connection.status().blocked()
            {
                return error;
            }
        }
    }

    /// Closes the connection, in order if that is quick.
    pub(crate) async fn close(&self) {
        if self.connection.status().connected() {
            let goodbye = self.connection.close(200, "closing".into());
            drop(timeout(CLOSE_TIMEOUT, goodbye).await);
        }
        self.fuse.cut();
    }
}

/// Declares the topology, or checks that it is there if the user may not declare it. Returns a
/// channel.
async fn declared(connection: &Connection, config: &RabbitConfig) -> Result<Channel, QueueError> {
    let open = async || {
        let channel = connection.create_channel().await;
        channel.map_err(QueueError::while_doing("open a channel"))
    };
    if config.may_declare() {
        let channel = open().await?;
        match topology::declare(&channel).await {
            // The broker logs each denial, so it is asked once.
            Err(error) if error.is_denied() => config.forbid_declaring(),
            declared => return declared.map(|()| channel),
        }
    }
    let channel = open().await?;
    topology::check(&channel).await?;
    Ok(channel)
}

/// Asks for the state of a queue. It must exist: otherwise the channel is lost.
pub(crate) async fn ask_for(channel: &Channel, queue: &str) -> Result<lapin::Queue, lapin::Error> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    channel
        .queue_declare(queue.into(), options, FieldTable::default())
        .await
}

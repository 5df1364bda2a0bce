//! The decision whether the worker of a suspect that came back is dead.
//!
//! Until it is made, the suspect stays with the worker that received it, which is also its pause
//! before the next try.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lapin::types::ShortString;
use tokio::sync::OwnedSemaphorePermit;
use warren_protocol::job::Job;

use super::colleagues::Colleagues;
use super::failed::{Disposition, FailedDelivery};
use crate::JobClass;
use crate::rabbit::broadcast::claims::Word;
use crate::rabbit::link::config::Patience;
use crate::rabbit::publish::Replier;
use crate::rabbit::wire::held::HeldMessage;
use crate::rabbit::wire::settlement::Settlement;
use crate::rabbit::wire::tries::Tries;

/// The most suspects about which one worker is in doubt at a time.
pub(crate) const MAX_DOUBTS: usize = 8;
/// The interval at which the claims are looked at.
const LOOK: Duration = Duration::from_millis(50);
/// The longest that a doubt lasts while a worker claims the job: then the job is run again. Below
/// the broker's `consumer_timeout` (120 s), which would end the connection.
const LONGEST: Duration = Duration::from_secs(60);

/// A suspect that came back.
pub(crate) struct Doubt {
    pub(crate) job: Job,
    pub(crate) class: JobClass,
    pub(crate) reply_to: Option<ShortString>,
    pub(crate) tries: Tries,
    pub(crate) message: HeldMessage,
    pub(crate) patience: Patience,
    /// Bounds the doubts of a worker.
    pub(crate) room: OwnedSemaphorePermit,
}

/// The end of a doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// The message is no longer ours: another worker has the doubt.
    Lost,
    /// The worker lived, and published its reply.
    Answered,
    /// The worker lived, and gave the job up; or it claimed the job for too long.
    Lives,
    /// Nobody claims the job.
    Died,
}

impl Doubt {
    /// Waits until it is known, then acts on it.
    pub(crate) async fn resolve(self, colleagues: Arc<Colleagues>, replier: Replier) {
        let finding = self.finding(&colleagues).await;
        tracing::info!(job.id = %self.job.id, ?finding, tries = ?self.tries, "a suspect came back");
        let tries = match finding {
            Finding::Lost => return,
            Finding::Answered => {
                if let Err(error) = self.message.settle(Settlement::Ack).await {
                    tracing::debug!(job.id = %self.job.id, %error, "cannot acknowledge an answered job; it is delivered again");
                }
                return;
            }
            Finding::Lives => {
                colleagues.claims.used(self.job.id);
                self.tries
            }
            Finding::Died => self.tries.one_more(),
        };
        let disposition = if tries.used_up(self.class) {
            Disposition::GiveUp
        } else {
            Disposition::Suspect
        };
        let failed = FailedDelivery {
            job: self.job,
            class: self.class,
            reply_to: self.reply_to,
            tries,
            message: self.message,
            token: None,
            disposition,
        };
        failed.dispose(replier).await;
        drop(self.room);
    }

    async fn finding(&self, colleagues: &Colleagues) -> Finding {
        let began = Instant::now();
        let patience = self.patience.of(self.class);
        loop {
            if !self.message.is_ours() {
                return Finding::Lost;
            }
            let waited = began.elapsed();
            match colleagues.claims.about(self.job.id) {
                Some(Word::Answered) => return Finding::Answered,
                Some(Word::LetGo) => return Finding::Lives,
                Some(Word::Held) if waited >= LONGEST => return Finding::Lives,
                // A claim that is not repeated ends by itself.
                Some(Word::Held) => {}
                None if waited >= patience => return Finding::Died,
                None => {}
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

//! The in-process queue's streams: jobs to a worker, unclaimed replies to a recorder.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::hub::{HandleId, Hub, Return, Tag, TakenJob};
use crate::unclaimed::UNCLAIMED_RETRY;
use crate::{Delivery, Fate, JobClass, Offer, Prefetch, QueueError, Settle, Unclaimed};
use warren_protocol::job::Job;
use warren_protocol::reply::Reply;

/// Unclaimed replies handed out ahead of the recorder.
const UNCLAIMED_AHEAD: usize = 1;

pub(super) fn jobs(
    hub: &Arc<Hub>,
    by: HandleId,
    prefetch: Prefetch,
    until: CancellationToken,
    taken: Arc<AtomicBool>,
) -> mpsc::Receiver<Offer> {
    let (sender, fetched) = mpsc::channel(prefetch.total());
    let consumer = hub.consumer();
    let [interactive, unattended] = JobClass::ALL.map(|class| {
        let slots = Arc::new(Semaphore::new(usize::from(prefetch.0.get())));
        fetch(Arc::clone(hub), class, by, slots, sender.clone())
    });
    let fetching = async move {
        tokio::join!(interactive, unattended);
        drop(consumer);
    };
    tokio::spawn(async move {
        let ended = async {
            until.cancelled().await;
            // Before the senders are dropped: the reader may take another stream once this one ends.
            taken.store(false, Ordering::SeqCst);
        };
        // Checks the end first: a job that is released at that moment must not be taken again.
        tokio::select! {
            biased;
            () = ended => {}
            () = fetching => {}
        }
    });
    fetched
}

async fn fetch(
    hub: Arc<Hub>,
    class: JobClass,
    by: HandleId,
    slots: Arc<Semaphore>,
    sender: mpsc::Sender<Offer>,
) {
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let taken = tokio::select! {
            biased;
            () = sender.closed() => return,
            taken = hub.take(class, by) => taken,
        };
        // No suspects: a job that is dropped here was lost on its own.
        let offer = Offer::Job(delivery(&hub, class, taken, slot));
        if let Err(SendError(Offer::Job(untaken))) = sender.send(offer).await {
            // It fails only if the job went back already.
            drop(untaken.requeue().await);
        }
    }
}

fn delivery(
    hub: &Arc<Hub>,
    class: JobClass,
    taken: TakenJob,
    slot: OwnedSemaphorePermit,
) -> Delivery {
    let TakenJob {
        tag,
        job,
        redelivered,
        reply_to,
    } = taken;
    let hold = hub.cancellations.hold(job.id);
    let settle = HubDelivery {
        hub: Arc::clone(hub),
        tag,
        reply_to,
        _slot: slot,
    };
    Delivery::new(job, class, redelivered, hold, Box::new(settle))
}

struct HubDelivery {
    hub: Arc<Hub>,
    tag: Tag,
    reply_to: Option<HandleId>,
    _slot: OwnedSemaphorePermit,
}

impl Settle for HubDelivery {
    fn is_ours(&self) -> bool {
        self.hub.holds(self.tag)
    }

    fn reply(self: Box<Self>, reply: Reply) -> BoxFuture<'static, Result<(), QueueError>> {
        Box::pin(async move {
            self.hub.reply(reply, self.reply_to);
            self.hub.forget(self.tag);
            Ok(())
        })
    }

    fn requeue<'a>(self: Box<Self>, _job: &'a Job) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(async move {
            if self.hub.give_back(self.tag, Return::HandedBack) {
                Ok(())
            } else {
                Err(QueueError::Closed)
            }
        })
    }

    fn abandon(self: Box<Self>) {
        self.hub.give_back(self.tag, Return::Lost);
    }

    fn reply_in_background(self: Box<Self>, reply: Reply) {
        self.hub.reply(reply, self.reply_to);
        self.hub.forget(self.tag);
    }

    fn expire(self: Box<Self>, _job: Job) {
        self.hub.expire(self.tag);
    }
}

pub(super) fn unclaimed(hub: &Arc<Hub>, stop: CancellationToken) -> mpsc::Receiver<Unclaimed> {
    let (sender, receiver) = mpsc::channel(UNCLAIMED_AHEAD);
    let hub = Arc::clone(hub);
    tokio::spawn(async move {
        loop {
            let reply = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sender.closed() => return,
                reply = hub.take_unclaimed() => reply,
            };
            let unclaimed = kept_until_recorded(&hub, reply);
            tokio::select! {
                () = stop.cancelled() => return,
                sent = sender.send(unclaimed) => drop(sent),
            }
        }
    });
    receiver
}

fn kept_until_recorded(hub: &Arc<Hub>, reply: Reply) -> Unclaimed {
    let hub = Arc::clone(hub);
    let again = reply.clone();
    // It may be dropped outside of the runtime.
    let runtime = Handle::current();
    let settle = move |fate| match fate {
        Fate::Recorded => {}
        Fate::Dropped => {
            runtime.spawn(async move {
                tokio::time::sleep(UNCLAIMED_RETRY).await;
                hub.keep(again);
            });
        }
    };
    Unclaimed::new(reply, Box::new(settle))
}

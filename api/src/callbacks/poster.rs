//! Posts callbacks, each only to the addresses that the guard has checked.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use url::{Host, Url};
use warren_outbound::{ClientError, client_builder};
use warren_protocol::ids::JobId;
use warren_protocol::time::EpochMillis;
use warren_queue::{Callback, CallbackDelivery};

use super::config::CallbackConfig;
use super::counters::CallbackCounters;
use super::guard::DeniedTarget;
use super::lookup::Lookup;
use super::own_addresses::OwnAddresses;
use super::payload;
use super::receivers::Receivers;
use super::schedule::Next;
use super::waiting::{Receiver, WaitingCallbacks};
use crate::store::{End, Store, StoreError};
use crate::sync::AllottedPermits;

/// The most callbacks that one API holds at a time.
pub(super) const AT_A_TIME: u16 = 64;
/// The most executions that are read and written as JSON at a time. Each may have megabytes.
const READ_AT_A_TIME: usize = 4;

/// Posts callbacks.
pub(super) struct Poster {
    pub(super) config: CallbackConfig,
    pub(super) store: Arc<dyn Store>,
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) own: Arc<OwnAddresses>,
    /// The callbacks in hand, by caller and receiver.
    in_hand: AllottedPermits<Receiver>,
    waiting: WaitingCallbacks,
    pub(super) receivers: Receivers,
    pub(super) reading: Semaphore,
    pub(super) counters: Arc<CallbackCounters>,
}

/// The outcome of an attempt.
enum Attempt {
    /// The receiver accepted it.
    Posted,
    /// The receiver is gone for good.
    Gone,
    /// Its address may not be called.
    DeniedTarget(DeniedTarget),
    /// The receiver did not accept it. It may have asked for a pause.
    Failed(String, Option<Duration>),
    /// It was postponed without an attempt.
    PutOff(&'static str),
}

impl Poster {
    pub(super) fn new(
        config: CallbackConfig,
        store: Arc<dyn Store>,
        lookup: Arc<dyn Lookup>,
        own: Arc<OwnAddresses>,
        counters: Arc<CallbackCounters>,
    ) -> Self {
        Self {
            config,
            store,
            lookup,
            own,
            in_hand: AllottedPermits::new(AT_A_TIME.into()),
            waiting: WaitingCallbacks::default(),
            receivers: Receivers::default(),
            reading: Semaphore::new(READ_AT_A_TIME),
            counters,
        }
    }

    /// Posts the callbacks of `deliveries`, until these end.
    pub(super) async fn run(self, deliveries: mpsc::Receiver<CallbackDelivery>) {
        let deliveries = stream::unfold(deliveries, async |mut deliveries| {
            let delivery = deliveries.recv().await?;
            Some((delivery, deliveries))
        });
        let poster = &self;
        deliveries
            .for_each_concurrent(usize::from(AT_A_TIME), |delivery| {
                poster.deal_with(delivery)
            })
            .await;
    }

    async fn deal_with(&self, delivery: CallbackDelivery) {
        if !delivery.is_ours() {
            return;
        }
        let job = delivery.callback.job;
        let attempt = self.attempt(&delivery.callback).await;
        let settled = match self.next(&delivery.callback, attempt) {
            None | Some(Next::GivenUp) => delivery.done().await,
            Some(Next::Again(next, pause)) => delivery.again(next, pause).await,
        };
        if let Err(error) = settled {
            tracing::warn!(job.id = %job, %error, "cannot settle a callback; it will be redelivered");
        }
    }

    /// Logs and counts an attempt. Returns what to do next.
    fn next(&self, callback: &Callback, attempt: Attempt) -> Option<Next> {
        let (job, to, counters) = (callback.job, &callback.url, &self.counters);
        let age = EpochMillis::now().since(callback.since);
        let (schedule, jitter) = (&self.config.schedule, fastrand::f64());
        let mut is_put_off = false;
        let next = match attempt {
            Attempt::Posted => {
                counters.posted.add();
                tracing::debug!(job.id = %job, ?to, tries = callback.tries, "callback posted");
                return None;
            }
            Attempt::DeniedTarget(denied) => {
                counters.refused.add();
                tracing::warn!(job.id = %job, ?to, %denied, "callback refused; set WARREN_CALLBACK_ALLOW if it is meant to be posted there");
                return None;
            }
            Attempt::Gone => {
                counters.failed.add();
                Next::GivenUp
            }
            Attempt::Failed(why, asked) => {
                counters.failed.add();
                tracing::info!(job.id = %job, ?to, why, tries = callback.tries, "receiver did not accept the callback");
                schedule.after_failure(callback, age, asked, jitter)
            }
            Attempt::PutOff(why) => {
                counters.put_off.add();
                tracing::debug!(job.id = %job, ?to, why, "callback postponed");
                is_put_off = true;
                schedule.after_put_off(callback, age, jitter)
            }
        };
        let next = match next {
            Next::Again(next, pause) if self.waiting.admit(&next, pause) => {
                Next::Again(next, pause)
            }
            Next::Again(..) => {
                tracing::warn!(job.id = %job, ?to, "too many callbacks of this caller or to this receiver wait for another attempt");
                Next::GivenUp
            }
            Next::GivenUp => Next::GivenUp,
        };
        match next {
            Next::Again(..) if is_put_off => {}
            Next::Again(..) => counters.retried.add(),
            Next::GivenUp => {
                counters.given_up.add();
                tracing::warn!(job.id = %job, ?to, tries = callback.tries, "giving up on a callback");
            }
        }
        Some(next)
    }

    async fn attempt(&self, callback: &Callback) -> Attempt {
        // Before the name is looked up: its name servers may be slow on purpose.
        let caller = callback.caller.unwrap_or_default();
        let Some(_in_hand) = self.in_hand.take(caller, Receiver::of(callback)) else {
            return Attempt::PutOff(
                "too many posts of this caller or to this receiver are under way",
            );
        };
        let Ok(own) = self.own.get() else {
            return Attempt::PutOff("this machine's own addresses cannot be read");
        };
        // Checked again, because settings and addresses may have changed since it was accepted.
        if let Err(denied) = self.config.guard.check_url(&callback.url, &own) {
            return Attempt::DeniedTarget(denied);
        }
        let url = callback.url.url();
        let addresses = match timeout(self.config.timeout, self.addresses(url)).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return failed(format!("its name is not found: {error}")),
            Err(_elapsed) => return failed("its name is not found in time"),
        };
        if let Err(denied) = self.config.guard.check_all(&addresses, &own) {
            return Attempt::DeniedTarget(denied);
        }
        let first = addresses.first();
        let Some(_permit) = first.and_then(|first| self.receivers.take(*first)) else {
            return Attempt::PutOff("too many posts to this receiver are under way");
        };
        let body = match self.body(callback.job).await {
            Ok(body) => body,
            Err(attempt) => return attempt,
        };
        match self.post(url.clone(), callback.job, body, addresses).await {
            Ok(answer) => judge(&answer),
            Err(error) => failed(with_causes(&error)),
        }
    }

    async fn addresses(&self, url: &Url) -> std::io::Result<Vec<IpAddr>> {
        match url.host() {
            Some(Host::Ipv4(address)) => Ok(vec![address.into()]),
            Some(Host::Ipv6(address)) => Ok(vec![address.into()]),
            Some(Host::Domain(name)) => self.lookup.lookup(name).await,
            None => Ok(Vec::new()),
        }
    }

    /// Returns the body to post: the execution as it is recorded now.
    async fn body(&self, job: JobId) -> Result<Vec<u8>, Attempt> {
        let _permit = self.reading.acquire().await;
        match self.store.find(job).await {
            Ok(Some(execution)) if execution.end != End::Pending => payload::body(execution)
                .map_err(|error| failed(format!("it cannot be written as JSON: {error}"))),
            // Another API may have it in a file of its own, and may be the next to try.
            Ok(_) => Err(failed("its result is not in this API's store")),
            Err(StoreError::Unavailable { .. }) => Err(Attempt::PutOff("the store is down")),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    async fn post(
        &self,
        url: Url,
        job: JobId,
        body: Vec<u8>,
        addresses: Vec<IpAddr>,
    ) -> Result<Response, ClientError> {
        let (id, timestamp) = (job.to_string(), EpochMillis::now().get() / 1000);
        let signature = self.config.secrets.sign(&id, timestamp, &body);
        // A new client that only resolves to these addresses.
        let client = client_builder(self.config.timeout)?
            .dns_resolver(Arc::new(Pinned(addresses)))
            .pool_max_idle_per_host(0)
            .build()?;
        let sent = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await;
        // The address may hold its owner's secret.
        Ok(sent.map_err(reqwest::Error::without_url)?)
    }
}

/// A resolver that always returns the checked addresses. IP addresses in place of a name never
/// reach it, but they are checked, too.
struct Pinned(Vec<IpAddr>);

impl Resolve for Pinned {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses = self.0.clone().into_iter();
        // The port comes from the URL.
        let addresses: Addrs = Box::new(addresses.map(|address| SocketAddr::new(address, 0)));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// Returns the outcome of an answer, without reading its body.
fn judge(answer: &Response) -> Attempt {
    match answer.status() {
        status if status.is_success() => Attempt::Posted,
        StatusCode::GONE => Attempt::Gone,
        status => Attempt::Failed(format!("answered {status}"), asked(answer.headers())),
    }
}

/// Returns the pause that a receiver asks for, in seconds. A date is ignored.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    seconds.parse().ok().map(Duration::from_secs)
}

fn failed(why: impl Into<String>) -> Attempt {
    Attempt::Failed(why.into(), None)
}

fn with_causes(error: &ClientError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| {
        error.source()
    });
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

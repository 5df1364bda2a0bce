//! Asks the engine how it is, every second and whenever a call casts doubt on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::{Readiness, Seen};
use crate::engine::Engine;

/// How often the engine is asked, by chance up to a quarter later.
const EVERY: Duration = Duration::from_secs(1);
/// How long it may take to answer.
const WITHIN: Duration = Duration::from_secs(2);
/// The least time between two questions, however many calls fail.
const AT_MOST_EVERY: Duration = Duration::from_millis(250);

/// Asks for ever.
pub(super) async fn probe(engine: Arc<dyn Engine>, readiness: Readiness) {
    let mut doubts = 0;
    loop {
        let asked = Instant::now();
        readiness.ask();
        let seen = match timeout(WITHIN, engine.check()).await {
            Ok(Ok(report)) => Seen::Answer {
                report,
                latency: asked.elapsed(),
                doubts,
            },
            Ok(Err(error)) => Seen::Silence(error.to_string().into()),
            Err(_elapsed) => {
                let within = WITHIN.as_secs();
                let reason = format!("Docker did not say how it is within {within} s");
                Seen::Silence(reason.into())
            }
        };
        let silent = matches!(seen, Seen::Silence(_));
        readiness.see(seen);
        sleep(AT_MOST_EVERY).await;
        let rest = EVERY.mul_f64(1.0 + fastrand::f64() / 4.0) - AT_MOST_EVERY;
        tokio::select! {
            () = sleep(rest) => {}
            // The questions themselves fail while it is silent.
            () = engine.doubted(), if !silent => doubts += 1,
        }
    }
}

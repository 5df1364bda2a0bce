//! Probes the engine, every second and whenever a call casts doubt on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::engine::Engine;
use crate::readiness::{EngineState, Readiness};

/// The time between two probes; up to a quarter of it is added at random.
const EVERY: Duration = Duration::from_secs(1);
/// The longest time that an answer may take.
const WITHIN: Duration = Duration::from_secs(2);
/// The least time between two probes, however many calls fail.
const AT_MOST_EVERY: Duration = Duration::from_millis(250);

/// Probes the engine until it is dropped.
pub(super) async fn probe(engine: Arc<dyn Engine>, readiness: Readiness) {
    let mut doubts = 0;
    loop {
        let asked = Instant::now();
        readiness.probing();
        let seen = match timeout(WITHIN, engine.check()).await {
            Ok(Ok(report)) => EngineState::Answering {
                report,
                latency: asked.elapsed(),
                doubts,
            },
            Ok(Err(error)) => EngineState::Silent(error.to_string().into()),
            Err(_elapsed) => {
                let within = WITHIN.as_secs();
                let engine = engine.name().called();
                let reason = format!("{engine} did not answer a probe within {within} s");
                EngineState::Silent(reason.into())
            }
        };
        let silent = matches!(seen, EngineState::Silent(_));
        readiness.probed(seen);
        sleep(AT_MOST_EVERY).await;
        let rest = EVERY.mul_f64(1.0 + fastrand::f64() / 4.0) - AT_MOST_EVERY;
        tokio::select! {
            () = sleep(rest) => {}
            // While it is silent, the probes themselves fail.
            () = engine.doubted(), if !silent => doubts += 1,
        }
    }
}

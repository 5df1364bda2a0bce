//! Current API keys: re-reads their file, so that keys change without a restart.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::keys::{Keys, KeysFault};

/// How often the file is re-read. It is read whole each time: it is small, and its time stamp may
/// be the same after two changes in quick succession.
const EVERY: Duration = Duration::from_secs(2);

/// The keys of a file, re-read until this is dropped.
pub(crate) struct KeyRing {
    keys: watch::Receiver<Arc<Keys>>,
    _following: AbortOnDropHandle<()>,
}

impl KeyRing {
    /// Reads the file now and at every interval. While it cannot be used, the last keys stay valid;
    /// before the first success there are none.
    pub(crate) fn follow(path: PathBuf) -> Self {
        let first = Keys::read(&path);
        let mut fault = first.as_ref().err().map(ToString::to_string);
        if let Some(fault) = &fault {
            complain(fault);
        }
        let (sender, keys) = watch::channel(Arc::new(first.unwrap_or_default()));
        let following = tokio::spawn(async move {
            loop {
                sleep(EVERY).await;
                let path = path.clone();
                let read = spawn_blocking(move || Keys::read(&path)).await;
                let read = read.unwrap_or_else(|error| Err(KeysFault::Unreadable(error.into())));
                match read {
                    Ok(read) => {
                        fault = None;
                        sender.send_if_modified(|keys| {
                            let differ = **keys != read;
                            if differ {
                                tracing::info!(keys = read.len(), "API keys changed");
                                *keys = Arc::new(read);
                            }
                            differ
                        });
                    }
                    Err(error) => {
                        let error = Some(error.to_string());
                        // Log a fault once, and not every two seconds.
                        if let Some(new) = error.as_ref().filter(|_| error != fault) {
                            complain(new);
                        }
                        fault = error;
                    }
                }
            }
        });
        Self {
            keys,
            _following: AbortOnDropHandle::new(following),
        }
    }

    /// Returns the current keys.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.borrow())
    }
}

fn complain(fault: &str) {
    tracing::error!(
        fault,
        "cannot use the file of API keys; the previous keys stay valid until it is corrected"
    );
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::api_key::ApiKey;
    use super::*;

    /// Waits until `is_so`. The clock is paused, and advances only while nothing else runs.
    async fn until(ring: &KeyRing, is_so: impl Fn(&Keys) -> bool) {
        let mut keys = ring.keys.clone();
        drop(keys.wait_for(|keys| is_so(keys)).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn keys_come_and_go_with_the_file_and_outlive_its_faults() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        let key = ApiKey::generate().unwrap();
        let stanza = format!("[[key]]\nname = \"a\"\nsha256 = \"{}\"\n", key.hash());

        let ring = KeyRing::follow(path.clone());
        assert_eq!(ring.keys().len(), 0, "there is no file yet");
        fs::write(&path, &stanza).unwrap();
        until(&ring, |keys| keys.find(&key).is_some()).await;

        fs::write(&path, "[[key]]\nname =").unwrap();
        sleep(10 * EVERY).await;
        assert!(ring.keys().find(&key).is_some(), "a fault revokes nothing");
        fs::remove_file(&path).unwrap();
        sleep(10 * EVERY).await;
        assert!(ring.keys().find(&key).is_some(), "nor does a lost file");

        fs::write(&path, "# none\n").unwrap();
        until(&ring, |keys| keys.find(&key).is_none()).await;
    }
}

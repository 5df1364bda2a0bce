//! The image that containers are made from: a language's base image with the runner in it, a
//! user for it, and no setuid bits. Made once for each base image and runner.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::query_parameters::{BuildImageOptionsBuilder, CreateImageOptionsBuilder};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::OnceCell;
use warren_shared::languages::LanguageName;

use super::BaseImage;
use super::client::{Client, is_gone};
use super::hardening::{RUNNER, UID};
use crate::{Error, Result};

/// The static runner, built by `build.rs`.
const RUNNER_BINARY: &[u8] = include_bytes!(env!("WARREN_RUNNER_BINARY"));

const INSPECT: Duration = Duration::from_secs(5);
/// How long a pull may take; it goes on in the daemon when we stop waiting.
const PULL: Duration = Duration::from_secs(300);
const BUILD: Duration = Duration::from_secs(120);
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// An image that is ready.
#[derive(Debug)]
pub(super) struct Image {
    /// The base image's reference, as configured.
    pub(super) base: String,
    /// The derived image's id.
    pub(super) derived: String,
}

/// The languages' images, each made ready at its first use.
#[derive(Clone)]
pub(super) struct Images {
    client: Client,
    entries: Arc<BTreeMap<LanguageName, Entry>>,
}

struct Entry {
    base: BaseImage,
    /// Emptied when the image turns out to be gone, so that it is made again.
    ready: Mutex<Arc<OnceCell<Arc<Image>>>>,
    /// Why it is not ready, for health.
    fault: Mutex<Option<String>>,
}

impl Images {
    pub(super) fn new(client: Client, images: BTreeMap<LanguageName, BaseImage>) -> Self {
        let entry = |base| Entry {
            base,
            ready: Mutex::default(),
            fault: Mutex::default(),
        };
        let entries = images
            .into_iter()
            .map(|(language, base)| (language, entry(base)))
            .collect();
        Self {
            client,
            entries: Arc::new(entries),
        }
    }

    pub(super) fn languages(&self) -> impl Iterator<Item = &LanguageName> {
        self.entries.keys()
    }

    /// The language's image, for which one waits for at most `within`; making it goes on meanwhile.
    pub(super) async fn ready_within(
        &self,
        language: &LanguageName,
        within: Duration,
    ) -> Result<Arc<Image>> {
        let (images, language) = (self.clone(), language.clone());
        // A task of its own: a pull must not start anew with each job that stops waiting for it.
        let making = tokio::spawn(async move { images.ready(&language).await });
        match tokio::time::timeout(within, making).await {
            Ok(Ok(image)) => image,
            Ok(Err(_)) | Err(_) => Err(Error::EngineTimedOut {
                doing: "pull or build the language's image",
                within,
            }),
        }
    }

    /// The language's image; made first if need be, once however many ask.
    pub(super) async fn ready(&self, language: &LanguageName) -> Result<Arc<Image>> {
        let entry = self
            .entries
            .get(language)
            .ok_or_else(|| Error::UnknownLanguage(language.to_string()))?;
        let cell = Arc::clone(&lock(&entry.ready));
        let image = cell
            .get_or_try_init(|| self.make(&entry.base))
            .await
            .cloned();
        *lock(&entry.fault) = image.as_ref().err().map(ToString::to_string);
        image
    }

    /// Makes a language's image anew next time, if `error` says that it is not there.
    pub(super) fn forget_if_gone(&self, language: &LanguageName, error: &Error) {
        if let Some(entry) = self.entries.get(language).filter(|_| is_gone(error)) {
            tracing::warn!(%language, "the sandbox image is gone; it is made again");
            *lock(&entry.ready) = Arc::default();
        }
    }

    /// Whether no language's image is known to be missing.
    pub(super) fn check(&self) -> Result<()> {
        let fault = self.entries.values().find_map(|entry| {
            lock(&entry.fault)
                .clone()
                .map(|reason| (entry.base.reference.clone(), reason))
        });
        match fault {
            Some((image, reason)) => Err(Error::ImageBuild { image, reason }),
            None => Ok(()),
        }
    }

    async fn make(&self, base: &BaseImage) -> Result<Arc<Image>> {
        let base_id = match self.id_of(&base.reference).await? {
            Some(id) => id,
            None => {
                self.pull(base).await?;
                let missing = || Error::ImageMissing {
                    image: base.reference.clone(),
                    reason: "it was pulled but is not there".to_owned(),
                    variable: base.variable.clone(),
                };
                self.id_of(&base.reference).await?.ok_or_else(missing)?
            }
        };
        let tag = derived_tag(&base_id);
        if self.id_of(&tag).await?.is_none() {
            self.build(base, &tag).await?;
        }
        Ok(Arc::new(Image {
            base: base.reference.clone(),
            derived: tag,
        }))
    }

    async fn id_of(&self, reference: &str) -> Result<Option<String>> {
        match self
            .client
            .call(
                "inspect an image",
                INSPECT,
                self.client.docker().inspect_image(reference),
            )
            .await
        {
            Ok(image) => Ok(image.id),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn pull(&self, base: &BaseImage) -> Result<()> {
        let image = base.reference.as_str();
        tracing::info!(image, "pulling");
        let options = CreateImageOptionsBuilder::default()
            .from_image(image)
            .build();
        let progress = self
            .client
            .docker()
            .create_image(Some(options), None, None)
            .map(|step| {
                let step = step.map_err(|error| error.to_string())?;
                match step.error_detail.and_then(|detail| detail.message) {
                    Some(fault) => Err(fault),
                    None => Ok(step.status),
                }
            });
        follow(image, "pull", PULL, progress)
            .await
            .map_err(|reason| Error::ImageMissing {
                image: image.to_owned(),
                reason,
                variable: base.variable.clone(),
            })
    }

    async fn build(&self, base: &BaseImage, tag: &str) -> Result<()> {
        let image = base.reference.as_str();
        tracing::info!(image, tag, "building the sandbox image");
        let fault = |reason: String| Error::ImageBuild {
            image: image.to_owned(),
            reason,
        };
        let context = context(image).map_err(|error| fault(error.to_string()))?;
        let options = BuildImageOptionsBuilder::default()
            .t(tag)
            .rm(true)
            .forcerm(true)
            .networkmode("none")
            .build();
        let body = bollard::body_full(Bytes::from(context));
        let progress = self
            .client
            .docker()
            .build_image(options, None, Some(body))
            .map(|step| {
                let step = step.map_err(|error| error.to_string())?;
                match step.error_detail.and_then(|detail| detail.message) {
                    Some(fault) => Err(fault),
                    None => Ok(step.stream),
                }
            });
        follow(image, "build", BUILD, progress).await.map_err(fault)
    }
}

/// Reads an operation's progress to its end, showing it in the log.
async fn follow(
    image: &str,
    operation: &str,
    within: Duration,
    progress: impl Stream<Item = std::result::Result<Option<String>, String>>,
) -> std::result::Result<(), String> {
    let mut progress = std::pin::pin!(progress);
    let mut told = Instant::now();
    let reading = async {
        while let Some(step) = progress.next().await {
            let step = step?;
            let says = step.as_deref().map(str::trim).unwrap_or_default();
            if told.elapsed() > TELL_EVERY && !says.is_empty() {
                told = Instant::now();
                tracing::info!(image, operation, says, "still at it");
            }
        }
        Ok(())
    };
    match tokio::time::timeout(within, reading).await {
        Ok(result) => result,
        Err(_elapsed) => Err(format!(
            "the {operation} took longer than {} s",
            within.as_secs()
        )),
    }
}

/// The name of the image derived from this base by this runner and recipe.
fn derived_tag(base_id: &str) -> String {
    // Not for secrecy but for telling apart; any change of base, runner or recipe gives another.
    let mut hash = Fnv::default();
    hash.write(base_id.as_bytes());
    hash.write(RUNNER_BINARY);
    hash.write(recipe("").as_bytes());
    format!("warren-sandbox:{:016x}", hash.0)
}

/// How a base image becomes a sandbox image. Only a shell and `find` are needed of it.
fn recipe(base: &str) -> String {
    format!(
        "FROM {base}\n\
         USER 0\n\
         COPY runner {RUNNER}\n\
         RUN set -e; \
         find / -xdev -type f \\( -perm -4000 -o -perm -2000 \\) -exec chmod a-s {{}} +; \
         echo 'warren:x:{UID}:{UID}::/tmp:/bin/false' >> /etc/passwd; \
         echo 'warren:x:{UID}:' >> /etc/group\n\
         USER {UID}:{UID}\n\
         ENTRYPOINT [\"{RUNNER}\"]\n\
         CMD []\n"
    )
}

/// The build context: recipe and runner, as a tar archive.
fn context(base: &str) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let recipe = recipe(base);
    for (name, mode, content) in [
        ("Dockerfile", 0o644, recipe.as_bytes()),
        ("runner", 0o555, RUNNER_BINARY),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        archive.append_data(&mut header, name, content)?;
    }
    archive.into_inner()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// FNV-1a, 64 bits: the same in every build, unlike the standard library's hashers.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_base_gives_another_image() {
        assert_ne!(derived_tag("sha256:a"), derived_tag("sha256:b"));
        assert_eq!(derived_tag("sha256:a"), derived_tag("sha256:a"));
    }

    #[test]
    fn the_runner_is_a_static_program() {
        assert_eq!(&RUNNER_BINARY[..4], b"\x7fELF");
        // A program that needs a dynamic loader names it.
        assert!(
            !RUNNER_BINARY
                .windows(9)
                .any(|window| window == b"ld-linux-")
        );
    }
}

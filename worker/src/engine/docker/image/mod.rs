//! The sandbox images that containers are made from.
//!
//! Each is a language's base image with the runner in it, user ids for it, the world's time zones, a
//! name for the loopback address, and no setuid bits. It is made once for each base image and runner.

mod attempts;
mod etc;
mod prune;
mod recipe;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::query_parameters::{BuildImageOptionsBuilder, CreateImageOptionsBuilder};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, future};
use tokio::sync::{OnceCell, Semaphore};
use warren_languages::{ImageReference, LanguageName};
use warren_protocol::outcome::EngineName;

use self::attempts::Attempts;
use self::recipe::Recipe;
use super::client::{Client, is_gone};
use crate::{Error, Result};

/// A base image and the variable that chose it.
#[derive(Clone, Debug)]
pub struct BaseImage {
    /// The image.
    pub reference: ImageReference,
    /// The variable that chooses it, for messages.
    pub variable: String,
}

const INSPECT: Duration = Duration::from_secs(5);
/// The longest wait for a pull; the daemon continues it after that.
const PULL: Duration = Duration::from_secs(300);
const BUILD: Duration = Duration::from_secs(120);
/// The least time between two log lines of progress.
const LOG_EVERY: Duration = Duration::from_secs(2);

/// A sandbox image that is ready.
#[derive(Debug)]
pub(super) struct Image {
    /// The base image, as configured.
    pub(super) base: ImageReference,
    /// The derived image's name, which says what it was made of.
    pub(super) name: String,
    /// The volume with its containers' `/etc`.
    pub(super) etc: String,
}

/// The languages' images, each made at its first use.
#[derive(Clone)]
pub(super) struct Images {
    client: Client,
    entries: Arc<BTreeMap<LanguageName, Entry>>,
}

struct Entry {
    base: BaseImage,
    /// The image; emptied when the image turns out to be missing, so that it is made again.
    ready: Mutex<Arc<OnceCell<Arc<Image>>>>,
    /// The reason why it could not be made, if so.
    fault: Mutex<Option<String>>,
    pulls: Attempts,
    builds: Attempts,
    /// A permit for the task that makes it again after it was found missing.
    again: Arc<Semaphore>,
}

impl Images {
    pub(super) fn new(client: Client, images: BTreeMap<LanguageName, BaseImage>) -> Self {
        let entry = |base| Entry {
            base,
            ready: Mutex::default(),
            fault: Mutex::default(),
            pulls: Attempts::default(),
            builds: Attempts::default(),
            again: Arc::new(Semaphore::new(1)),
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

    /// Waits for the language's image for at most `within`. Making it continues after that.
    pub(super) async fn ready_within(
        &self,
        language: &LanguageName,
        within: Duration,
    ) -> Result<Arc<Image>> {
        let (images, language) = (self.clone(), language.clone());
        // A task of its own: a pull must not restart with each job that stops waiting for it.
        let making = tokio::spawn(async move { images.ready(&language).await });
        match tokio::time::timeout(within, making).await {
            Ok(Ok(image)) => image,
            Ok(Err(_)) | Err(_) => Err(Error::EngineTimedOut {
                engine: EngineName::Docker,
                doing: "pull or build the language's image",
                within,
            }),
        }
    }

    /// Returns the language's image. Makes it first if needed, once for all concurrent callers.
    pub(super) async fn ready(&self, language: &LanguageName) -> Result<Arc<Image>> {
        let entry = self
            .entries
            .get(language)
            .ok_or_else(|| Error::UnknownLanguage(language.to_string()))?;
        let cell = Arc::clone(&lock(&entry.ready));
        let image = cell.get_or_try_init(|| self.make(entry)).await.cloned();
        *lock(&entry.fault) = image.as_ref().err().map(ToString::to_string);
        image
    }

    /// Checks whether each language's image still exists, and has missing ones made again in the
    /// background. Returns the languages without an image, each with the reason.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub(super) async fn look(&self) -> Result<BTreeMap<LanguageName, String>> {
        let looks = self.entries.keys().map(|language| self.look_at(language));
        future::try_join_all(looks).await?;
        let faults = self.entries.iter().filter_map(|(language, entry)| {
            let reason = lock(&entry.fault).clone();
            reason.map(|reason| (language.clone(), reason))
        });
        Ok(faults.collect())
    }

    async fn look_at(&self, language: &LanguageName) -> Result<()> {
        let Some(entry) = self.entries.get(language) else {
            return Ok(());
        };
        let cell = Arc::clone(&lock(&entry.ready));
        let wanted = match cell.get() {
            Some(image) if self.id_of(&image.name).await?.is_some() => false,
            Some(_) => {
                self.forget(language);
                true
            }
            // It was not used yet, or is being made, or could not be made.
            None => lock(&entry.fault).is_some(),
        };
        if wanted && let Ok(only) = Arc::clone(&entry.again).try_acquire_owned() {
            let (images, language) = (self.clone(), language.clone());
            tokio::spawn(async move {
                let _only = only;
                if let Err(error) = images.ready(&language).await {
                    tracing::debug!(%language, %error, "cannot make the sandbox image yet; retrying later");
                }
            });
        }
        Ok(())
    }

    /// Removes old sandbox images, except those in use by this worker.
    pub(super) async fn prune(&self) {
        let ready = self.entries.values().filter_map(|entry| {
            let cell = Arc::clone(&lock(&entry.ready));
            cell.get().map(|image| image.name.clone())
        });
        let current: BTreeSet<_> = ready.collect();
        prune::prune(&self.client, &current).await;
    }

    /// Forgets a language's image if `error` says that it does not exist, so that it is made again.
    pub(super) fn forget_if_gone(&self, language: &LanguageName, error: &Error) {
        if is_gone(error) {
            self.forget(language);
        }
    }

    fn forget(&self, language: &LanguageName) {
        if let Some(entry) = self.entries.get(language) {
            let mut ready = lock(&entry.ready);
            // An image that is being made at this moment is not forgotten.
            if ready.initialized() {
                tracing::warn!(%language, "the sandbox image is gone; making it again");
                *ready = Arc::default();
            }
        }
    }

    async fn make(&self, entry: &Entry) -> Result<Arc<Image>> {
        let base = &entry.base;
        let base_id = match self.id_of(base.reference.as_str()).await? {
            Some(id) => {
                entry.pulls.succeeded();
                id
            }
            None => {
                self.pull(entry).await?;
                let found = self.id_of(base.reference.as_str()).await?;
                found.ok_or_else(|| missing(base, "it was pulled but does not exist".to_owned()))?
            }
        };
        let recipe = Recipe::new(&base_id).map_err(|error| build_fault(base, error.to_string()))?;
        let name = recipe.name();
        if self.id_of(&name).await?.is_none() {
            self.build(entry, recipe, &name).await?;
        }
        Ok(Arc::new(Image {
            base: base.reference.clone(),
            etc: etc::provide(&self.client, &name).await?,
            name,
        }))
    }

    async fn id_of(&self, reference: &str) -> Result<Option<String>> {
        match self
            .client
            .call(
                "inspect an image",
                INSPECT,
                self.client.docker()?.inspect_image(reference),
            )
            .await
        {
            Ok(image) => Ok(image.id),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn pull(&self, entry: &Entry) -> Result<()> {
        let pulling = pull(&self.client, &entry.base.reference)?;
        let pulled = entry.pulls.attempt(pulling).await;
        pulled.map_err(|reason| missing(&entry.base, reason))
    }

    async fn build(&self, entry: &Entry, recipe: Recipe, name: &str) -> Result<()> {
        let image = entry.base.reference.as_str();
        let options = BuildImageOptionsBuilder::default()
            .t(name)
            .rm(true)
            .forcerm(true)
            .networkmode("none")
            .build();
        let body = bollard::body_full(Bytes::from(recipe.into_context()));
        let progress = self
            .client
            .docker()?
            .build_image(options, None, Some(body))
            .map(|step| {
                let step = step.map_err(|error| error.to_string())?;
                match step.error_detail.and_then(|detail| detail.message) {
                    Some(fault) => Err(fault),
                    None => Ok(step.stream),
                }
            });
        let building = follow(image, "build", BUILD, progress);
        let built = entry.builds.attempt(building).await;
        built.map_err(|reason| build_fault(&entry.base, reason))
    }
}

/// Pulls an image. Whoever gives up waiting does not end it.
pub(super) fn pull<'a>(
    client: &Client,
    image: &'a ImageReference,
) -> Result<impl Future<Output = std::result::Result<(), String>> + use<'a>> {
    let image = image.as_str();
    let options = CreateImageOptionsBuilder::default()
        .from_image(image)
        .build();
    let progress = client
        .docker()?
        .create_image(Some(options), None, None)
        .map(|step| {
            let step = step.map_err(|error| error.to_string())?;
            match step.error_detail.and_then(|detail| detail.message) {
                Some(fault) => Err(fault),
                None => Ok(step.status),
            }
        });
    Ok(follow(image, "pull", PULL, progress))
}

/// Makes the error of an image that cannot be had.
pub(super) fn missing(base: &BaseImage, reason: String) -> Error {
    Error::ImageMissing {
        image: base.reference.to_string(),
        reason,
        variable: base.variable.clone(),
    }
}

fn build_fault(base: &BaseImage, reason: String) -> Error {
    Error::ImageBuild {
        image: base.reference.to_string(),
        reason,
    }
}

/// Follows an operation's progress to its end, and logs it now and then.
async fn follow(
    image: &str,
    operation: &str,
    within: Duration,
    progress: impl Stream<Item = std::result::Result<Option<String>, String>>,
) -> std::result::Result<(), String> {
    tracing::info!(image, operation, "begun");
    let mut progress = std::pin::pin!(progress);
    let mut logged = Instant::now();
    let reading = async {
        while let Some(step) = progress.next().await {
            let step = step?;
            let says = step.as_deref().map(str::trim).unwrap_or_default();
            if logged.elapsed() > LOG_EVERY && !says.is_empty() {
                logged = Instant::now();
                tracing::info!(image, operation, says, "still running");
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

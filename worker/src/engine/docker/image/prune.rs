//! Removes old sandbox images.
//!
//! Each new runner or base image makes new ones, and two workers that build the same one at the same
//! time leave one without a name.

use std::collections::BTreeSet;
use std::time::Duration;

use bollard::models::ImageSummary;
use bollard::query_parameters::{ListImagesOptions, RemoveImageOptions};
use warren_protocol::time::EpochMillis;

use super::super::client::Client;
use super::etc;
use super::recipe::{LABEL, REPOSITORY};
use crate::Result;

const LIST: Duration = Duration::from_secs(10);
const REMOVE: Duration = Duration::from_secs(30);
/// The least age: a worker of another version may have just made or tried a younger one.
const AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// The most images that one start removes; the next start continues.
const AT_ONCE: usize = 32;

/// Removes images that are old and neither in `current` nor used by a container. A failure does no
/// harm: the next start retries.
pub(super) async fn prune(client: &Client, current: &BTreeSet<String>) {
    let (volumes, found) = match look(client).await {
        Ok(listed) => listed,
        Err(error) => {
            tracing::debug!(%error, "cannot look for old sandbox images; the next start retries");
            return;
        }
    };
    let now = EpochMillis::now();
    let old = found.iter().filter(|image| is_old(image, current, now));
    let mut kept: BTreeSet<_> = found.iter().flat_map(tags).collect();
    for name in old.flat_map(names).take(AT_ONCE) {
        // Without force: the engine knows best whether a container uses it.
        match remove(client, name).await {
            Ok(()) => {
                kept.remove(name);
                tracing::info!(image = name, "removed an old sandbox image");
            }
            Err(error) => {
                tracing::debug!(image = name, %error, "cannot remove an old sandbox image; the next start retries");
            }
        }
    }
    if let Err(error) = etc::prune(client, volumes, &kept).await {
        tracing::debug!(%error, "cannot remove old volumes; the next start retries");
    }
}

/// Lists all volumes of sandbox images, then all images.
async fn look(client: &Client) -> Result<(Vec<String>, Vec<ImageSummary>)> {
    Ok((etc::volumes(client).await?, list(client).await?))
}

async fn list(client: &Client) -> Result<Vec<ImageSummary>> {
    let call = client.docker()?.list_images(None::<ListImagesOptions>);
    client.call("list images", LIST, call).await
}

async fn remove(client: &Client, name: &str) -> Result<()> {
    let options = None::<RemoveImageOptions>;
    let call = client.docker()?.remove_image(name, options, None);
    let removed = client.call("remove an old image", REMOVE, call).await;
    removed.map(drop)
}

/// Returns the image's names, or its id if it has none.
fn names(image: &ImageSummary) -> Vec<&str> {
    let tags: Vec<_> = tags(image).collect();
    if tags.is_empty() {
        vec![&image.id]
    } else {
        tags
    }
}

/// Returns the image's tags. Engines before 25 report the lack of a name as a name.
fn tags(image: &ImageSummary) -> impl Iterator<Item = &str> {
    let tags = image.repo_tags.iter().map(String::as_str);
    tags.filter(|tag| !tag.starts_with("<none>"))
}

/// Returns whether the image may be removed: it is Warren's by all its names, or by its label if it
/// has none, and old enough that no worker is about to use it.
fn is_old(image: &ImageSummary, current: &BTreeSet<String>, now: EpochMillis) -> bool {
    let is_warrens = |tag: &str| {
        tag.split_once(':')
            .is_some_and(|(repository, _)| repository == REPOSITORY)
    };
    let nameless = tags(image).next().is_none();
    let created = Duration::from_secs(u64::try_from(image.created).unwrap_or(0));
    (!nameless || image.labels.contains_key(LABEL))
        && tags(image).all(|tag| is_warrens(tag) && !current.contains(tag))
        && EpochMillis::from_millis(0) + created + AGE < now
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 10 * 24 * 60 * 60;
    const LONG_AGO: u64 = NOW - 25 * 60 * 60;
    const TODAY: u64 = NOW - 23 * 60 * 60;

    fn is_pruned(tags: &[&str], labels: &[&str], created: u64) -> bool {
        let image = ImageSummary {
            repo_tags: tags.iter().map(ToString::to_string).collect(),
            labels: labels
                .iter()
                .map(|label| (label.to_string(), "1".to_owned()))
                .collect(),
            created: i64::try_from(created).unwrap(),
            ..ImageSummary::default()
        };
        let current = ["warren-sandbox:now".to_owned()].into();
        let now = EpochMillis::from_millis(0) + Duration::from_secs(NOW);
        is_old(&image, &current, now)
    }

    #[test]
    fn only_old_sandbox_images_that_are_not_in_use_are_pruned() {
        assert!(is_pruned(&["warren-sandbox:before"], &[], LONG_AGO));
        assert!(!is_pruned(&["warren-sandbox:before"], &[LABEL], TODAY));
        assert!(!is_pruned(&["warren-sandbox:now"], &[LABEL], LONG_AGO));
        let two = ["warren-sandbox:before", "warren-sandbox:now"];
        assert!(!is_pruned(&two, &[LABEL], LONG_AGO));
        let kept = ["warren-sandbox:before", "keep:this"];
        assert!(!is_pruned(&kept, &[LABEL], LONG_AGO));
        assert!(!is_pruned(&["warren-sandboxes:x"], &[LABEL], LONG_AGO));
        assert!(!is_pruned(&["python:3.10-alpine"], &[], LONG_AGO));
    }

    #[test]
    fn a_nameless_one_is_warrens_by_its_label() {
        for none in [&["<none>:<none>"][..], &[]] {
            assert!(is_pruned(none, &[LABEL], LONG_AGO));
            assert!(!is_pruned(none, &[LABEL], TODAY));
            assert!(!is_pruned(none, &["other"], LONG_AGO));
        }
    }
}

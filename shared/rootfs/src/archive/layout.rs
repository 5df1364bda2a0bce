//! Chooses the image of an OCI image layout that is for this machine.

use super::blobs::Blobs;
use super::description::{Descriptor, Index, Manifest, parse};
use crate::error::{Error, Result};

/// The file that every layout begins with.
const INDEX: &str = "index.json";
/// The indices that one may have to follow: `docker buildx` nests one in `index.json`.
const NESTED: usize = 3;
/// The part of an index's media type, whoever defined it.
const OF_INDICES: [&str; 2] = ["image.index", "manifest.list"];
/// The annotations that name an image: containerd's, and the specification's tag.
const NAMES: [&str; 2] = [
    "io.containerd.image.name",
    "org.opencontainers.image.ref.name",
];

/// A file that holds a layer.
pub(super) struct LayerFile {
    /// Its name in the archive.
    pub(super) name: String,
    /// Its digest, unless only the unpacked layer has one.
    pub(super) digest: Option<String>,
    /// Its length in bytes, if it is named.
    pub(super) size: Option<u64>,
}

/// An image by its parts, each held to its digest but for the layers.
pub(super) struct Parts {
    /// The digest of its configuration.
    pub(super) id: String,
    /// A name that the archive has for it.
    pub(super) name: Option<String>,
    /// Its configuration.
    pub(super) configuration: Vec<u8>,
    /// Its layers, from the lowest to the highest.
    pub(super) layers: Vec<LayerFile>,
}

/// Finds the only image that is for this machine.
///
/// # Errors
/// There is none, there are several, or the layout is damaged.
pub(super) fn find(blobs: &Blobs) -> Result<Parts> {
    let Some(index) = blobs.read(INDEX)? else {
        let problem = format!("it has no {INDEX}; save the image again");
        return Err(Error::source(blobs.path(), problem));
    };
    let mut index: Index = parse(blobs.path(), INDEX, &index)?;
    let mut name = None;
    for _ in 0..NESTED {
        let chosen = choose(blobs, index.manifests)?;
        name = name.or_else(|| name_of(&chosen));
        let blob = blobs.blob("manifest", &chosen.digest, Some(chosen.size))?;
        let text = blob.whole()?;
        if OF_INDICES
            .iter()
            .any(|kind| chosen.media_type.contains(kind))
        {
            index = parse(blobs.path(), "index", &text)?;
            continue;
        }
        let manifest: Manifest = parse(blobs.path(), "manifest", &text)?;
        let Descriptor { digest, size, .. } = manifest.config;
        let configuration = blobs.blob("configuration", &digest, Some(size))?.whole()?;
        let mut layers = Vec::new();
        for layer in manifest.layers {
            let Some(digits) = crate::hash::digits(&layer.digest) else {
                let problem = "the digest of a layer is not SHA-256";
                return Err(Error::source(blobs.path(), problem));
            };
            let file = format!("blobs/sha256/{digits}");
            layers.push(LayerFile {
                name: file,
                digest: Some(layer.digest.clone()),
                size: Some(layer.size),
            });
        }
        return Ok(Parts {
            id: digest,
            name,
            configuration,
            layers,
        });
    }
    Err(Error::source(
        blobs.path(),
        "its indices name one another without an end",
    ))
}

/// Returns the only one that is for this machine. What names no platform is for any.
fn choose(blobs: &Blobs, all: Vec<Descriptor>) -> Result<Descriptor> {
    let count = all.len();
    let mut fitting = all.into_iter().filter(is_for_this_machine);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => {
            let problem = format!(
                "none of its {count} images is for linux/{}; save one that is",
                architecture()
            );
            Err(Error::source(blobs.path(), problem))
        }
        (Some(_), Some(_)) => {
            let problem = "it has more than one image for this machine; save one alone";
            Err(Error::source(blobs.path(), problem))
        }
    }
}

fn is_for_this_machine(one: &Descriptor) -> bool {
    let platform = one.platform.as_ref();
    platform.is_none_or(|of| of.os == "linux" && of.architecture == architecture())
}

/// Returns this machine's architecture by the name that images have for it (Go's).
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn name_of(one: &Descriptor) -> Option<String> {
    let mut names = NAMES.iter().filter_map(|name| one.annotations.get(*name));
    names.next().cloned()
}

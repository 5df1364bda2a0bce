//! Reads an image from an archive: an OCI image layout, or what `docker save` writes.
//!
//! Every part is held to its digest: the manifest to the index, configuration and layers to the
//! manifest, and the unpacked layers to the configuration. So a root is what its recorded id says.

mod blobs;
mod description;
mod layout;

use std::io::{BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use self::blobs::{Blob, Blobs, match_digest};
use self::description::{Configuration, Saved, parse};
use self::layout::{LayerFile, Parts};
use crate::error::{Error, Result};
use crate::hash::{self, Hashing};
use crate::layer::unpack_layer;
use crate::tree::Tree;

/// The most layers of an image: four times what Docker allows.
const LAYERS: usize = 512;

/// The file that tells an OCI image layout.
pub(crate) const LAYOUT: &str = "oci-layout";
/// The file that tells a `docker save` archive. Since Docker 25 such an archive is a layout as well.
const SAVED: &str = "manifest.json";

/// An image in an archive, its layers not read yet.
pub(crate) struct ImageArchive {
    blobs: Blobs,
    /// The digest of its configuration, which is its id.
    pub(crate) id: String,
    /// A name that the archive has for it.
    pub(crate) name: Option<String>,
    /// The search path that it sets.
    pub(crate) search_path: Option<String>,
    layers: Vec<Layer>,
}

/// A layer of an image.
struct Layer {
    file: LayerFile,
    /// The digest of the uncompressed archive.
    diff_id: String,
}

impl ImageArchive {
    /// Opens an image layout in a directory.
    ///
    /// # Errors
    /// It is damaged, or does not have one image for this machine.
    pub(crate) fn of_directory(path: &Path) -> Result<Self> {
        let blobs = Blobs::Directory(path.to_owned());
        let parts = layout::find(&blobs)?;
        assemble(blobs, parts)
    }

    /// Opens a tar archive. Returns `None` if it is not one of an image.
    ///
    /// # Errors
    /// It is damaged, or does not have one image for this machine.
    pub(crate) fn of_tar(path: &Path) -> Result<Option<Self>> {
        let blobs = match Blobs::of_tar(path) {
            // A whole root file system has more files than any image's archive.
            Err(Error::Source { .. }) => return Ok(None),
            blobs => blobs?,
        };
        if blobs.open(LAYOUT)?.is_some() {
            let parts = layout::find(&blobs)?;
            return assemble(blobs, parts).map(Some);
        }
        match blobs.read(SAVED)? {
            Some(text) => saved(blobs, &text).map(Some),
            None => Ok(None),
        }
    }

    /// Unpacks all layers, from the lowest to the highest.
    ///
    /// # Errors
    /// One is damaged, holds an entry that no root may have, or is too large.
    pub(crate) fn unpack(&self, tree: &mut Tree) -> Result<()> {
        for layer in &self.layers {
            let LayerFile { name, digest, size } = &layer.file;
            let blob = self.blobs.named("layer", name, digest.as_deref(), *size)?;
            self.unpack_layer(tree, layer, blob)?;
        }
        Ok(())
    }

    fn unpack_layer(&self, tree: &mut Tree, layer: &Layer, blob: Blob) -> Result<()> {
        let mut blob = BufReader::new(blob);
        let packing = Packing::of(&mut blob).map_err(Error::Archive)?;
        let uncompressed: Box<dyn Read + '_> = match packing {
            Packing::None => Box::new(&mut blob),
            Packing::Gzip => Box::new(MultiGzDecoder::new(&mut blob)),
            Packing::Zstd => {
                let problem = "its layers are compressed with zstd; convert it: \
                     skopeo copy --dest-compress-format gzip FROM oci-archive:TO";
                return Err(Error::source(self.blobs.path(), problem));
            }
        };
        let mut uncompressed = Hashing::new(uncompressed);
        unpack_layer(tree, &mut uncompressed)?;
        // Behind the last entry there are only zeros, and few.
        let most = tree.bounds.file;
        let found = uncompressed.finish(most).map_err(Error::Archive)?;
        match_digest("unpacked layer", Some(&layer.diff_id), found)?;
        blob.into_inner().finish()
    }
}

/// The compression of a layer, told by its first bytes. No type that is named decides, since the
/// digests hold the content anyway.
enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    fn of(layer: &mut BufReader<impl Read>) -> std::io::Result<Self> {
        use std::io::BufRead;
        let start = layer.fill_buf()?;
        Ok(if start.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            Self::Zstd
        } else {
            Self::None
        })
    }
}

/// Opens the only image of a `docker save` archive.
fn saved(blobs: Blobs, text: &[u8]) -> Result<ImageArchive> {
    let mut images: Vec<Saved> = parse(blobs.path(), SAVED, text)?;
    let count = images.len();
    let (Some(image), true) = (images.pop(), count == 1) else {
        let problem = format!("it has {count} images; save one alone");
        return Err(Error::source(blobs.path(), problem));
    };
    // The file is named for its own digest.
    let name = image.config.strip_suffix(".json").unwrap_or(&image.config);
    let name = name.rsplit('/').next().unwrap_or(name);
    let id = format!("sha256:{name}");
    if hash::digits(&id).is_none() {
        let problem = "its configuration is not named for its digest; save the image again";
        return Err(Error::source(blobs.path(), problem));
    }
    let configuration = blobs.named("configuration", &image.config, Some(&id), None)?;
    let layers = image.layers.into_iter().map(|name| LayerFile {
        name,
        digest: None,
        size: None,
    });
    let parts = Parts {
        id,
        name: image.repo_tags.and_then(|tags| tags.into_iter().next()),
        configuration: configuration.whole()?,
        layers: layers.collect(),
    };
    assemble(blobs, parts)
}

/// Puts an image together.
fn assemble(blobs: Blobs, parts: Parts) -> Result<ImageArchive> {
    let Parts {
        id,
        name,
        configuration,
        layers: files,
    } = parts;
    let configuration: Configuration = parse(blobs.path(), "configuration", &configuration)?;
    let diff_ids = configuration.rootfs.diff_ids;
    if diff_ids.len() != files.len() || files.len() > LAYERS {
        let (files, named) = (files.len(), diff_ids.len());
        let problem = format!(
            "it has {files} layers, {named} are named, and {LAYERS} are the most; save the image again"
        );
        return Err(Error::source(blobs.path(), problem));
    }
    let layers = files.into_iter().zip(diff_ids);
    let layers = layers.map(|(file, diff_id)| Layer { file, diff_id });
    let environment = configuration.config.unwrap_or_default().env;
    Ok(ImageArchive {
        id,
        name,
        search_path: environment.and_then(|all| search_path(&all)),
        layers: layers.collect(),
        blobs,
    })
}

/// Returns the search path in an image's environment.
pub(crate) fn search_path(environment: &[String]) -> Option<String> {
    let mut paths = environment
        .iter()
        .filter_map(|one| one.strip_prefix("PATH="));
    paths.next_back().map(str::to_owned)
}

//! The languages' roots for the native engine: imported from images, archives and directories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;
use tokio_util::io::{StreamReader, SyncIoBridge};
use warren_config::Env;
use warren_languages::{LanguageName, Languages};
use warren_rootfs::{
    Addition, Bounds, Faults, Import, Origin, Place, Provenance, Root, Source, additions,
    recipe_of, unpack_flat,
};

use crate::engine::RUNNER_BINARY;
use crate::engine::docker::{Archive, BaseImage, Exporter, FoundImage, is_unreachable};
use crate::{Error, Result};

/// The variable that names the directory of all roots.
const DIRECTORY: &str = "WARREN_ROOTFS_DIR";
/// Its default, beside the database's file.
const DEFAULT: &str = "data/rootfs";
/// The variables that name one language's root.
const FAMILY: &str = "WARREN_ROOTFS_<LANGUAGE>";

/// Reads the place of each language's root.
pub(crate) fn places(env: &mut Env, languages: &Languages) -> BTreeMap<LanguageName, PathBuf> {
    let directory = env.text(DIRECTORY).unwrap_or_else(|| DEFAULT.to_owned());
    let place = |language: &LanguageName| {
        let variable = language.variable(FAMILY);
        // A language `dir` has no variable of its own.
        let own = (variable != DIRECTORY)
            .then(|| env.text(&variable))
            .flatten();
        own.map_or_else(
            || Path::new(&directory).join(language.as_str()),
            PathBuf::from,
        )
    };
    let names = languages.iter().map(|language| language.name());
    names.map(|name| (name.clone(), place(name))).collect()
}

/// The wanted content of a root.
#[derive(Clone, Debug)]
pub enum RootSource {
    /// The configured image. A root that the operator imported from something else is kept.
    Configured(BaseImage),
    /// The configured image, whatever is there.
    Anew(BaseImage),
    /// Another image, whatever is there.
    Other(BaseImage),
    /// This archive or directory, whatever is there.
    Path(PathBuf),
}

/// The result of an import.
#[derive(Clone, Debug)]
pub enum Imported {
    /// A new root is in place.
    New(Provenance),
    /// The one that was there got what this build gives to roots.
    Renewed(Provenance),
    /// The one that was there is what was wanted.
    Kept(Provenance),
}

/// Makes a language's root what is wanted, unless it is.
///
/// # Errors
/// It cannot be made; the one that was there still is.
pub async fn import(path: &Path, wanted: RootSource) -> Result<Imported> {
    let place = Place::new(path)?;
    let import = blocking(move || place.begin()).await??;
    match wanted {
        RootSource::Path(from) => {
            let made = blocking(move || {
                let source = Source::open(&from)?;
                replace(&import, source.origin(), |tree| source.unpack(tree))
            });
            Ok(Imported::New(made.await??))
        }
        RootSource::Anew(image) => get(import, &image, Choice::Configurations).await,
        RootSource::Other(image) => get(import, &image, Choice::Operators).await,
        RootSource::Configured(image) => configured(import, &image).await,
    }
}

/// Whose choice an image was.
#[derive(Clone, Copy)]
enum Choice {
    Operators,
    Configurations,
}

async fn get(import: Import, image: &BaseImage, choice: Choice) -> Result<Imported> {
    let exporter = Exporter::new()?;
    let found = exporter.get(image).await?;
    export(&exporter, import, image, found, choice).await
}

async fn configured(import: Import, image: &BaseImage) -> Result<Imported> {
    let Some(current) = import.place().current() else {
        return get(import, image, Choice::Configurations).await;
    };
    let is_right = |id: &str| {
        let Origin { name, id: own, .. } = &current.origin;
        name == image.reference.as_str() && own.as_deref() == Some(id)
    };
    let path = import.place().path().to_owned();
    let is_fit = blocking(move || check(&path).is_ok()).await?;
    if current.origin.chosen {
        return keep(import, current, is_fit).await;
    }
    let exporter = Exporter::new()?;
    match exporter.get(image).await {
        Ok(found) if is_fit && is_right(&found.id) => Ok(Imported::Kept(current)),
        Ok(found) => export(&exporter, import, image, found, Choice::Configurations).await,
        // The root has outlived its Docker, and needs it no more.
        Err(error) if is_unreachable(&error) => keep(import, current, is_fit).await,
        Err(error) => Err(error),
    }
}

/// Keeps the root that is there, with what this build gives to roots.
async fn keep(import: Import, current: Provenance, is_fit: bool) -> Result<Imported> {
    if is_fit {
        return Ok(Imported::Kept(current));
    }
    blocking(move || renew(&import, current)).await?
}

/// Makes a root anew of the one that is there.
fn renew(import: &Import, current: Provenance) -> Result<Imported> {
    let path = import.place().path();
    let source = Source::open(path)?;
    let renewed = replace(import, current.origin, |tree| source.unpack(tree))?;
    Ok(Imported::Renewed(renewed))
}

/// Makes a root of an image that Docker has.
async fn export(
    exporter: &Exporter,
    import: Import,
    image: &BaseImage,
    found: FoundImage,
    choice: Choice,
) -> Result<Imported> {
    let container = exporter.open(&found).await?;
    let made = match exporter.read(&container) {
        Ok(archive) => unpack(import, origin(image, found, choice), archive).await,
        Err(error) => Err(error),
    };
    exporter.remove(container).await;
    made.map(Imported::New)
}

fn origin(image: &BaseImage, found: FoundImage, choice: Choice) -> Origin {
    let mut paths = found
        .environment
        .iter()
        .filter_map(|one| one.strip_prefix("PATH="));
    Origin {
        name: image.reference.to_string(),
        path: paths.next_back().map(str::to_owned),
        id: Some(found.id),
        chosen: matches!(choice, Choice::Operators),
    }
}

async fn unpack(import: Import, origin: Origin, archive: Archive) -> Result<Provenance> {
    let runtime = Handle::current();
    blocking(move || {
        let reader = StreamReader::new(archive);
        let reader = SyncIoBridge::new_with_handle(reader, runtime);
        replace(&import, origin, |tree| unpack_flat(tree, reader))
    })
    .await?
}

fn replace(
    import: &Import,
    origin: Origin,
    unpack: impl FnOnce(&mut warren_rootfs::Tree) -> warren_rootfs::Result<()>,
) -> Result<Provenance> {
    Ok(import.replace(origin, Bounds::default(), &own_additions(), unpack)?)
}

/// Returns whether a root has what this build gives to roots.
#[must_use]
pub fn is_current(root: &Provenance) -> bool {
    root.recipe == recipe_of(&own_additions())
}

/// Checks a root before it is used.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn check(path: &Path) -> Result<Root, Faults> {
    warren_rootfs::check(path, &own_additions())
}

/// Checks a root, and looks at each file of it again.
///
/// # Errors
/// Everything that is wrong with it.
pub fn examine(path: &Path) -> Result<Root, Faults> {
    warren_rootfs::examine(path, &own_additions())
}

fn own_additions() -> Vec<Addition<'static>> {
    additions(RUNNER_BINARY)
}

/// Runs what reads and writes files off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_panicked| Error::Panicked("importing a root"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> BTreeMap<String, PathBuf> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut env: Env = variables.iter().map(owned).collect();
        let places = places(&mut env, &Languages::embedded());
        let places = places.into_iter();
        places
            .map(|(name, path)| (name.to_string(), path))
            .collect()
    }

    #[test]
    fn roots_lie_together_unless_one_is_elsewhere() {
        let python = |variables: &[(&str, &str)]| of(variables)["python"].clone();
        assert_eq!(python(&[]), Path::new("data/rootfs/python"));
        let directory = (DIRECTORY, "/roots");
        assert_eq!(python(&[directory]), Path::new("/roots/python"));
        let own = ("WARREN_ROOTFS_PYTHON", "/python");
        assert_eq!(python(&[directory, own]), Path::new("/python"));
        assert_eq!(
            of(&[directory, own])["javascript"],
            Path::new("/roots/javascript")
        );
    }
}

//! `warren rootfs`: imports, lists and checks the languages' root file systems.

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use warren_languages::LanguageName;
use warren_rootfs::{Place, Provenance};
use warren_worker::roots::{self, Imported, RootSource};

use crate::cli::{CheckArguments, ImportArguments, RootfsCommand};
use crate::settings::Settings;
use crate::terminal::text_for;

/// The exit status of a check that found a root unfit.
const EXIT_UNFIT: u8 = 1;
/// The digits of an image's id that are shown, as Docker shows them.
const ID: usize = 12;

/// Carries out a command of `warren rootfs`.
///
/// # Errors
/// The configuration cannot be used, there is no such language, or an import failed.
pub fn rootfs(command: &RootfsCommand) -> anyhow::Result<ExitCode> {
    let settings = Settings::of_process()?;
    match command {
        RootfsCommand::Import(arguments) => import(&settings, arguments),
        RootfsCommand::List => list(&settings),
        RootfsCommand::Check(arguments) => check(&settings, arguments),
    }
}

/// A language and the place of its root.
struct Rooted<'a> {
    language: &'a LanguageName,
    path: &'a Path,
}

/// Returns the language of that name, or each.
fn chosen<'a>(settings: &'a Settings, name: Option<&str>) -> anyhow::Result<Vec<Rooted<'a>>> {
    let roots = settings.worker.roots.iter();
    let all = roots.map(|(language, path)| Rooted { language, path });
    let Some(name) = name else {
        return Ok(all.collect());
    };
    let Some(language) = settings.languages.get(name) else {
        let known = settings.languages.names().join(", ");
        bail!("there is no language {name:?}; choose one of {known}");
    };
    Ok(all
        .filter(|root| root.language == language.name())
        .collect())
}

fn import(settings: &Settings, arguments: &ImportArguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    for root in chosen(settings, arguments.language.as_deref())? {
        let wanted = wanted(settings, &root, arguments.source.as_deref())?;
        let from = match &wanted {
            RootSource::Configured(image) | RootSource::Anew(image) | RootSource::Other(image) => {
                image.reference.to_string()
            }
            RootSource::Path(path) => path.display().to_string(),
        };
        let (language, path) = (root.language, root.path.display());
        say(&format!("{language}: importing {from} into {path} ..."))?;
        let imported = runtime.block_on(roots::import(root.path, wanted));
        let imported = imported.with_context(|| format!("cannot import the root of {language}"))?;
        let (done, provenance) = match &imported {
            Imported::New(provenance) => ("imported", provenance),
            Imported::Renewed(provenance) => ("renewed for this build", provenance),
            Imported::Kept(provenance) => ("up to date", provenance),
        };
        say(&format!("{language}: {done}: {}", described(provenance)))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns what the command line asks to import: a path if it looks like one or there is something at
/// it, else an image.
fn wanted(
    settings: &Settings,
    root: &Rooted<'_>,
    source: Option<&str>,
) -> anyhow::Result<RootSource> {
    let configured = settings.worker.images.get(root.language);
    let mut image = configured.cloned().context("the language has no image")?;
    let Some(source) = source else {
        return Ok(RootSource::Configured(image));
    };
    let path = PathBuf::from(source);
    if source.starts_with(['.', '/']) || path.exists() {
        return Ok(RootSource::Path(path));
    }
    let reference = source
        .parse()
        .map_err(|error| anyhow!("{source} is neither a path that exists nor an image: {error}"))?;
    if reference == image.reference {
        return Ok(RootSource::Anew(image));
    }
    image.reference = reference;
    Ok(RootSource::Other(image))
}

fn list(settings: &Settings) -> anyhow::Result<ExitCode> {
    for Rooted { language, path } in chosen(settings, None)? {
        let current = Place::new(path)?.current();
        let (state, from) = match &current {
            None => ("missing", "warren rootfs import".to_owned()),
            Some(root) if roots::is_current(root) => ("imported", described(root)),
            Some(root) => ("outdated", described(root)),
        };
        say(&format!("{language}\t{state}\t{}\t{from}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check(settings: &Settings, arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let mut status = ExitCode::SUCCESS;
    for Rooted { language, path } in chosen(settings, arguments.language.as_deref())? {
        match roots::examine(path) {
            Ok(root) => say(&format!("{language}: ok: {}", described(root.provenance())))?,
            Err(faults) => {
                status = ExitCode::from(EXIT_UNFIT);
                say(&format!("{language}: {faults}"))?;
            }
        }
    }
    Ok(status)
}

/// Describes a root: what it was made from, and how large it is.
fn described(root: &Provenance) -> String {
    let Provenance {
        origin,
        entries,
        bytes,
        ..
    } = root;
    let digits = origin
        .id
        .as_deref()
        .and_then(|id| id.strip_prefix("sha256:"));
    let id = digits.and_then(|digits| digits.get(..ID));
    let id = id.map(|id| format!(" ({id})")).unwrap_or_default();
    let mib = bytes >> 20;
    format!("{}{id}, {entries} entries, {mib} MiB", origin.name)
}

fn say(line: &str) -> anyhow::Result<()> {
    // A name may be of somebody else's choice.
    writeln!(stdout(), "{}", text_for(&stdout(), line)).context("cannot print")
}

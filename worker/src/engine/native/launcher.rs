//! One launcher that runs: its users, and a template for each language.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use warren_languages::LanguageName;
use warren_launcher::wire::{Ready, Report, VERSION};

use super::config::NativeConfig;
use super::process::Process;
use super::roots::CheckedRoots;
use super::socket::{Buffer, Socket};
use super::template::Template;
use crate::engine::uids::Uids;
use crate::{Error, Result};

/// The longest time that a launcher may take until each language has a template or a reason why not.
/// The first start on a host may copy root file systems into memory.
const START: Duration = Duration::from_secs(60);
/// The longest time that one may take to end.
const END: Duration = Duration::from_secs(4);

/// A launcher that is set up.
pub(super) struct Launcher {
    /// Its process id.
    pub(super) id: u32,
    pub(super) ready: Ready,
    pub(super) users: Uids,
    templates: Templates,
    /// Held so that no import removes them.
    _roots: CheckedRoots,
}

/// A template of each language, or the reason why there is none.
type Templates = BTreeMap<LanguageName, Result<Arc<Template>, Arc<str>>>;

impl Launcher {
    /// Returns the language's template.
    ///
    /// # Errors
    /// It has none now.
    pub(super) fn template(&self, language: &LanguageName) -> Result<Arc<Template>> {
        let no = |reason| Error::NoTemplate {
            language: language.to_string(),
            reason,
        };
        match self.templates.get(language) {
            None => Err(Error::UnknownLanguage(language.to_string())),
            Some(Err(reason)) => Err(no(Arc::clone(reason))),
            Some(Ok(template)) if template.is_gone() => Err(no(ENDED.into())),
            Some(Ok(template)) => Ok(Arc::clone(template)),
        }
    }

    /// Returns whether it is about to end, since a template of it has.
    pub(super) fn is_ending(&self) -> bool {
        let mut made = self.templates.values().filter_map(|it| it.as_ref().ok());
        made.any(|template| template.is_gone())
    }

    /// Returns the templates that are there.
    pub(super) fn living(&self) -> Vec<Arc<Template>> {
        let there = self.templates.values().filter_map(|it| it.as_ref().ok());
        there.filter(|it| !it.is_gone()).cloned().collect()
    }

    /// Returns the languages that have no template, each with the reason.
    pub(super) fn faults(&self) -> BTreeMap<LanguageName, String> {
        let faults = self.templates.iter().filter_map(|(language, template)| {
            let reason = match template {
                Err(reason) => reason.to_string(),
                Ok(template) if template.is_gone() => ENDED.to_owned(),
                Ok(_) => return None,
            };
            Some((language.clone(), reason))
        });
        faults.collect()
    }
}

/// The reason of a language whose template has ended. The launcher ends then, and another is started.
const ENDED: &str = "its template has just ended";

/// A launcher's process and control socket, to be followed until it ends.
pub(super) struct Running {
    pub(super) launcher: Arc<Launcher>,
    process: Process,
    control: Socket,
    buffer: Buffer,
}

/// The end of a launcher.
pub(super) enum LauncherEnd {
    /// It was asked to end.
    Stopped,
    /// It ended by itself, or was killed since it did not answer: the reason.
    Failed(String),
}

impl Running {
    /// Starts a launcher, and waits until it is set up and has tried to make every template.
    ///
    /// # Errors
    /// It cannot be started, or says why it cannot do its work.
    pub(super) async fn start(config: &NativeConfig) -> Result<Self> {
        let roots = CheckedRoots::check(config.roots.clone()).await?;
        if let (true, Some(reason)) = (roots.fit.is_empty(), roots.unfit.values().next()) {
            return Err(Error::LauncherDown(Arc::clone(reason)));
        }
        let named = roots.fit.iter().map(|(name, root)| (name, root.path()));
        let (process, control) = Process::start(config.arguments(named))?;
        let mut buffer = Buffer::new();
        let heard = timeout(START, hear(&control, &mut buffer, &roots)).await;
        let reason = match heard {
            Ok(Ok((ready, templates))) => {
                let launcher = Launcher {
                    id: process.id(),
                    users: Uids::new(ready.users.clone(), fastrand::u32(..)),
                    ready,
                    templates,
                    _roots: roots,
                };
                return Ok(Self {
                    launcher: Arc::new(launcher),
                    process,
                    control,
                    buffer,
                });
            }
            Ok(Err(reason)) => reason,
            Err(_elapsed) => Some(format!("it was not ready within {} s", START.as_secs())),
        };
        drop(control);
        let ended = process.end(END).await;
        Err(Error::LauncherDown(reason.unwrap_or(ended).into()))
    }

    /// Follows it until it ends, is `condemned` for its silence, or is to `stop`.
    pub(super) async fn follow(
        mut self,
        condemned: &Notify,
        stop: &CancellationToken,
    ) -> LauncherEnd {
        let failed = loop {
            tokio::select! {
                received = self.control.receive(&mut self.buffer) => match received {
                    Ok(Some(_)) => {
                        tracing::warn!("the launcher sent what was not expected; ignoring it");
                    }
                    Ok(None) => break None,
                    Err(error) => break Some(error.to_string()),
                },
                () = condemned.notified() => {
                    self.process.kill();
                    break Some("it did not answer".to_owned());
                }
                () = stop.cancelled() => {
                    drop(self.control);
                    self.process.end(END).await;
                    return LauncherEnd::Stopped;
                }
            }
        };
        drop(self.control);
        let ended = self.process.end(END).await;
        LauncherEnd::Failed(failed.unwrap_or(ended))
    }
}

/// Hears a launcher out. An error without a reason is the end of the launcher, which says more.
async fn hear(
    control: &Socket,
    buffer: &mut Buffer,
    roots: &CheckedRoots,
) -> Result<(Ready, Templates), Option<String>> {
    let told = |error: io::Error| Some(error.to_string());
    let ready = match control.receive(buffer).await.map_err(told)? {
        Some((Report::Ready(ready), _)) if ready.version == VERSION => ready,
        Some((Report::Ready(ready), _)) => {
            return Err(Some(format!(
                "it speaks version {} of the messages, this worker version {VERSION}; start both from one build",
                ready.version
            )));
        }
        Some(_) => return Err(Some("it did not say first that it is ready".to_owned())),
        None => return Err(None),
    };
    let of_roots = roots.unfit.iter();
    let mut templates: Templates = of_roots
        .map(|(language, reason)| (language.clone(), Err(Arc::clone(reason))))
        .collect();
    let all = roots.fit.len() + templates.len();
    while templates.len() < all {
        let Some((report, end)) = control.receive(buffer).await.map_err(told)? else {
            return Err(None);
        };
        let (name, template) = match (report, end) {
            (Report::Template { language }, Some(end)) => (language, Ok(end)),
            (Report::NoTemplate { language, reason }, _) => (language, Err(reason.into())),
            _ => return Err(Some("it sent what was not expected".to_owned())),
        };
        let mut languages = roots.fit.keys();
        let language = languages.find(|language| language.as_str() == name);
        let language = language.ok_or_else(|| Some(format!("it has a language {name}")))?;
        let image = roots.origin(language).unwrap_or_default();
        let template = match template {
            Ok(end) => Ok(Arc::new(Template::new(end, image).map_err(told)?)),
            Err(reason) => Err(reason),
        };
        templates.insert(language.clone(), template);
    }
    Ok((ready, templates))
}

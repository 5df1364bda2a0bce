//! A template's service: takes requests, and reports what becomes of each sandbox.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::setting::Setting;
use crate::error::{Doing, Error};
use crate::log::note;
use crate::network;
use crate::sandbox::{Birth, LaunchError, Means, Remains, Sandbox, launch};
use crate::socket::{Received, Socket};
use crate::wire::{Consumed, Launch, Report, Request, SandboxId};

/// Serves the worker until its end of the socket closes, then kills and removes every sandbox.
///
/// # Errors
/// The socket broke. Everything is removed then, too.
pub(super) fn serve(
    number: usize,
    setting: &Setting,
    means: Means,
    socket: &Socket,
) -> Result<(), Error> {
    let mut service = Service {
        number,
        setting,
        means,
        socket,
        living: BTreeMap::new(),
        ended: BTreeMap::new(),
        tend_at: None,
    };
    let served = service.go();
    service.end_all();
    served
}

struct Service<'a> {
    number: usize,
    setting: &'a Setting,
    means: Means,
    socket: &'a Socket,
    living: BTreeMap<SandboxId, Sandbox>,
    /// Those that have ended and that the worker has not asked to remove.
    ended: BTreeMap<SandboxId, Ended>,
    /// The moment at which network namespaces are to be tended.
    tend_at: Option<Instant>,
}

/// A sandbox that has ended.
struct Ended {
    user: u32,
    consumed: Consumed,
    /// Whether nothing is left of it. Otherwise its user is never used again.
    is_removed: bool,
}

impl Service<'_> {
    fn go(&mut self) -> Result<(), Error> {
        loop {
            let (has_request, news) = self.wait()?;
            for id in news {
                self.hear_of(id)?;
            }
            if has_request {
                let Some(received) = self.socket.receive()? else {
                    return Ok(());
                };
                self.answer(received)?;
            } else {
                self.tend_network()?;
            }
            self.end_overdue()?;
        }
    }

    /// Waits for requests and news. Returns whether there is a request, and the sandboxes with news.
    fn wait(&self) -> Result<(bool, Vec<SandboxId>), Error> {
        let mut all = vec![PollFd::new(self.socket, PollFlags::IN)];
        let news = self.living.values().map(Sandbox::news);
        all.extend(news.map(|news| PollFd::from_borrowed_fd(news, PollFlags::IN)));
        let timeout = self.timeout().and_then(|it| Timespec::try_from(it).ok());
        match poll(&mut all, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).doing("waiting for requests"),
        }
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let ready = self.living.keys().zip(&all[1..]);
        let ready = ready.filter(|(_, fd)| is_ready(fd)).map(|(id, _)| *id);
        Ok((is_ready(&all[0]), ready.collect()))
    }

    /// Returns the time until something is due; `None` if nothing is.
    fn timeout(&self) -> Option<Duration> {
        let deadlines = self.living.values().filter_map(Sandbox::deadline);
        let next = deadlines.chain(self.tend_at).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Audits or makes a network namespace if one is due, while no request waits.
    fn tend_network(&mut self) -> Result<(), Error> {
        if self.tend_at.is_none_or(|moment| moment > Instant::now()) {
            return Ok(());
        }
        self.tend_at = match self.means.network.tend() {
            Ok(next) => next,
            Err(error @ network::Error::Stranded(_)) => return Err(error.into()),
            Err(error) => {
                note(&error.to_string());
                None
            }
        };
        Ok(())
    }

    /// Removes what is left of a sandbox. Returns whether nothing is.
    fn clear_away(&mut self, remains: Remains) -> bool {
        // Its network namespace is due for an audit.
        self.tend_at = Some(Instant::now());
        remains.remove(&mut self.means.network)
    }

    fn answer(&mut self, received: Received<Request>) -> Result<(), Error> {
        match received.message {
            Request::Launch(launch) => self.launch(&launch, received.descriptors),
            Request::Remove(id) => self.remove(id),
            Request::Consumed(id) => {
                let ended = self.ended.get(&id).map(|ended| ended.consumed);
                let living = self.living.get(&id).map(Sandbox::consumed);
                self.report(&Report::Consumed(id, living.or(ended).unwrap_or_default()))
            }
            Request::Ping => self.report(&Report::Pong),
        }
    }

    fn report(&self, report: &Report) -> Result<(), Error> {
        self.socket.send(report, None)
    }

    fn launch(&mut self, request: &Launch, descriptors: Vec<OwnedFd>) -> Result<(), Error> {
        let id = request.id;
        let launched = self.check(request).and_then(|()| {
            let streams: Result<[OwnedFd; 3], _> = descriptors.try_into();
            streams.map_err(|_others| "it comes without its three streams".to_owned())
        });
        let name = format!("{}-{}", self.number, id.0);
        let launched = launched.map(|streams| launch(&mut self.means, request, &streams, &name));
        match launched {
            Ok(Ok(sandbox)) => {
                self.living.insert(id, sandbox);
                Ok(())
            }
            Ok(Err(LaunchError::Stranded(error))) => Err(error.into()),
            Ok(Err(LaunchError::Failed(reason))) | Err(reason) => {
                self.report(&Report::NotLaunched { id, reason })
            }
        }
    }

    /// Refuses what would put two sandboxes into one place.
    fn check(&self, request: &Launch) -> Result<(), String> {
        let count = self.living.len() + self.ended.len();
        let mut users = self.living.values().map(|sandbox| sandbox.user);
        let mut left = self.ended.values().map(|ended| ended.user);
        let refusal = if count >= self.setting.max_sandboxes {
            "there are as many sandboxes as there may be; remove one"
        } else if self.living.contains_key(&request.id) || self.ended.contains_key(&request.id) {
            "there is a sandbox of this number"
        } else if !self.setting.users.contains(&request.user) {
            "its user is not this launcher's"
        } else if users.any(|user| user == request.user) || left.any(|user| user == request.user) {
            "another sandbox has its user"
        } else {
            return Ok(());
        };
        Err(refusal.to_owned())
    }

    fn remove(&mut self, id: SandboxId) -> Result<(), Error> {
        if let Some(sandbox) = self.living.get_mut(&id) {
            sandbox.is_unwanted = true;
            sandbox.kill();
            return Ok(());
        }
        match self.ended.get(&id) {
            // Only the next launcher's sweep can report that.
            Some(ended) if !ended.is_removed => Ok(()),
            _ => {
                self.ended.remove(&id);
                self.report(&Report::Removed(id))
            }
        }
    }

    /// Takes a sandbox's news: the report of its set-up, or its end.
    fn hear_of(&mut self, id: SandboxId) -> Result<(), Error> {
        let Some(mut sandbox) = self.living.remove(&id) else {
            return Ok(());
        };
        match sandbox.born() {
            Some(Birth::Executed) => {
                self.living.insert(id, sandbox);
                self.report(&Report::Launched(id))
            }
            Some(Birth::Failed(reason)) => self.undo(sandbox, reason),
            None => self.bury(sandbox),
        }
    }

    /// Reports a sandbox's end and removes it, if it has ended.
    fn bury(&mut self, sandbox: Sandbox) -> Result<(), Error> {
        let (id, user, is_unwanted) = (sandbox.id, sandbox.user, sandbox.is_unwanted);
        let remains = match sandbox.ended() {
            Ok(remains) => remains,
            Err(sandbox) => {
                self.living.insert(id, *sandbox);
                return Ok(());
            }
        };
        let (death, consumed) = (remains.death, remains.consumed);
        // First what the worker waits for.
        let reported = self.report(&Report::Ended {
            id,
            death,
            consumed,
        });
        let is_removed = self.clear_away(remains);
        let ended = Ended {
            user,
            consumed,
            is_removed,
        };
        self.ended.insert(id, ended);
        reported?;
        if is_unwanted { self.remove(id) } else { Ok(()) }
    }

    /// Removes a sandbox that never was one, and reports why.
    fn undo(&mut self, sandbox: Sandbox, reason: String) -> Result<(), Error> {
        let (id, user, is_unwanted) = (sandbox.id, sandbox.user, sandbox.is_unwanted);
        let remains = sandbox.end();
        let consumed = remains.consumed;
        if !self.clear_away(remains) {
            // So that nobody else gets its user.
            let ended = Ended {
                user,
                consumed,
                is_removed: false,
            };
            self.ended.insert(id, ended);
        }
        self.report(&Report::NotLaunched { id, reason })?;
        if is_unwanted { self.remove(id) } else { Ok(()) }
    }

    /// Ends the sandboxes whose set-up takes too long.
    fn end_overdue(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        let is_overdue = |sandbox: &Sandbox| sandbox.deadline().is_some_and(|end| end <= now);
        let overdue = self
            .living
            .iter()
            .filter(|(_, sandbox)| is_overdue(sandbox));
        let overdue: Vec<_> = overdue.map(|(id, _)| *id).collect();
        for id in overdue {
            if let Some(sandbox) = self.living.remove(&id) {
                self.undo(sandbox, "setting it up took too long".to_owned())?;
            }
        }
        Ok(())
    }

    /// Kills and removes every sandbox. Nobody is there to be told.
    fn end_all(&mut self) {
        for sandbox in self.living.values() {
            sandbox.kill();
        }
        for sandbox in std::mem::take(&mut self.living).into_values() {
            sandbox.end().remove(&mut self.means.network);
        }
    }
}

//! The register of the claims that a worker has heard.
//!
//! It also has this worker's own words that a job is answered.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use warren_protocol::ids::JobId;

use crate::rabbit::broadcast::claims::{CLAIM_EVERY, Word};

/// The time for which a claim stands unless it is repeated: that of six of them.
const STANDS: Duration = CLAIM_EVERY.saturating_mul(6);
/// The time for which it is remembered that a living worker gave a job up. The job's message may
/// come to us later than that word.
const LET_GO_FOR: Duration = Duration::from_secs(30);
/// The most jobs of which something is remembered; beyond that, the first heard of are forgotten.
const MAX_REMEMBERED: usize = 4_096;

/// The register of one worker.
#[derive(Default)]
pub(crate) struct Claims(Mutex<Register>);

#[derive(Default)]
struct Register {
    last: HashMap<JobId, (Word, Instant)>,
    order: VecDeque<JobId>,
}

impl Claims {
    /// Enters the word about a job.
    pub(crate) fn heard(&self, job: JobId, word: Word) {
        self.heard_at(job, word, Instant::now());
    }

    fn heard_at(&self, job: JobId, word: Word, now: Instant) {
        let mut register = self.lock();
        match register.last.insert(job, (word, now)) {
            // An answer stays one, whoever speaks later.
            Some(before @ (Word::Answered, _)) => drop(register.last.insert(job, before)),
            Some(_) => {}
            None => register.order.push_back(job),
        }
        if register.order.len() > MAX_REMEMBERED
            && let Some(first) = register.order.pop_front()
        {
            register.last.remove(&first);
        }
    }

    /// Returns the word that stands about a job.
    pub(crate) fn about(&self, job: JobId) -> Option<Word> {
        self.about_at(job, Instant::now())
    }

    fn about_at(&self, job: JobId, now: Instant) -> Option<Word> {
        let (word, at) = *self.lock().last.get(&job)?;
        let age = now.saturating_duration_since(at);
        let stands = match word {
            Word::Answered => true,
            Word::Held => age < STANDS,
            Word::LetGo => age < LET_GO_FOR,
        };
        stands.then_some(word)
    }

    /// Returns whether the job is answered.
    pub(crate) fn answered(&self, job: JobId) -> bool {
        self.about(job) == Some(Word::Answered)
    }

    /// Forgets that the job was given up, since it goes on from here.
    pub(crate) fn used(&self, job: JobId) {
        let mut register = self.lock();
        if register.last.remove(&job).is_some() {
            register.order.retain(|other| *other != job);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Register> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_stands_for_as_long_as_it_is_repeated() {
        let (claims, job, start) = (Claims::default(), JobId::new(), Instant::now());
        assert_eq!(claims.about_at(job, start), None);
        for beat in 0..20 {
            let now = start + beat * CLAIM_EVERY;
            claims.heard_at(job, Word::Held, now);
            assert_eq!(claims.about_at(job, now + CLAIM_EVERY), Some(Word::Held));
        }
        assert_eq!(
            claims.about_at(job, start + 20 * CLAIM_EVERY + STANDS),
            None
        );
    }

    #[test]
    fn an_answer_is_final_and_a_job_that_was_let_go_is_so_once() {
        let (claims, now) = (Claims::default(), Instant::now());
        let (answered, let_go) = (JobId::new(), JobId::new());
        claims.heard_at(answered, Word::Answered, now);
        claims.heard_at(answered, Word::Held, now);
        let much_later = now + 100 * LET_GO_FOR;
        assert_eq!(claims.about_at(answered, much_later), Some(Word::Answered));
        claims.heard_at(let_go, Word::Held, now);
        claims.heard_at(let_go, Word::LetGo, now);
        assert_eq!(claims.about_at(let_go, now + STANDS), Some(Word::LetGo));
        assert_eq!(claims.about_at(let_go, now + LET_GO_FOR), None);
        claims.used(let_go);
        assert_eq!(claims.about_at(let_go, now), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (claims, first) = (Claims::default(), JobId::new());
        claims.heard(first, Word::Answered);
        for _ in 0..MAX_REMEMBERED {
            claims.heard(JobId::new(), Word::Answered);
        }
        assert!(!claims.answered(first));
        let register = claims.lock();
        let sizes = (register.last.len(), register.order.len());
        assert_eq!(sizes, (MAX_REMEMBERED, MAX_REMEMBERED));
    }
}

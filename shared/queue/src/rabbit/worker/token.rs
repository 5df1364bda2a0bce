//! A suspect's token as the broker delivered it.

use lapin::Acker;

use crate::rabbit::wire::held::HeldMessage;
use crate::rabbit::wire::settlement::Settlement;

/// The fate of a token when its suspect is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterSuspect {
    /// It goes to another worker: more suspects wait, and they may have lost theirs. A token too
    /// many costs one question to the broker.
    PassOn,
    /// It ends.
    End,
}

/// A held token. Dropping it gives it back, which must happen after its suspect has gone back: a
/// token that finds no suspect ends.
pub(crate) struct HeldToken {
    message: HeldMessage,
    then: AfterSuspect,
}

impl HeldToken {
    /// Holds the token that `acker` settles. Must be called within the runtime.
    pub(crate) fn new(acker: Acker) -> Self {
        Self {
            message: HeldMessage::new(acker),
            then: AfterSuspect::End,
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.message.is_ours()
    }

    /// Sets what happens to it when its suspect is settled.
    pub(crate) fn ends_as(&mut self, then: AfterSuspect) {
        self.then = then;
    }

    /// Settles it, since its suspect is settled.
    pub(crate) async fn end(self) {
        let how = match self.then {
            AfterSuspect::PassOn => Settlement::Requeue,
            AfterSuspect::End => Settlement::Ack,
        };
        settle(self.message, how).await;
    }

    /// Sends it back, since its suspect went back.
    pub(crate) async fn go_back(self) {
        settle(self.message, Settlement::Requeue).await;
    }
}

async fn settle(message: HeldMessage, how: Settlement) {
    if let Err(error) = message.settle(how).await {
        tracing::debug!(%error, "cannot settle a suspect's token; it is delivered again");
    }
}

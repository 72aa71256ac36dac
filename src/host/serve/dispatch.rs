//! What a worker does: it asks the session, and answers.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::link::{Link, Ticket};
use super::{Held, Shared};
use crate::host::Watch;
use crate::recipe::digest::ArtifactHash;
use crate::recipe::{ByteString, Recipe};
use crate::transport::socket::Deliver;
use crate::transport::wire::{Ask, Delivery, Finished, Say, WireError, limits, token};
use crate::world::Stream;

/// A recipe's text from which on it is large.
const LARGE: usize = 64 * 1024;

/// A request, and all that it takes to answer it.
pub(super) struct Task {
    pub(super) shared: Arc<Shared>,
    pub(super) link: Arc<Link>,
    pub(super) id: u32,
    pub(super) ticket: Arc<Ticket>,
    pub(super) ask: Ask,
    /// What its bytes count.
    pub(super) held: Held,
}

impl Task {
    /// Does what is asked for, and answers.
    pub(super) fn run(self) {
        let Self { shared, link, id, ticket, ask, held } = self;
        let watch = Waiting { shared: &shared, link: &link, id, ticket: &ticket };
        let failed = |_| Err(WireError::new(token::INTERNAL, "the host failed at this request"));
        let result = catch_unwind(AssertUnwindSafe(|| watch.answer(ask))).unwrap_or_else(failed);
        drop(held);
        link.finish(id, result.unwrap_or_else(Say::Error));
    }
}

/// Who waits for a request.
struct Waiting<'a> {
    shared: &'a Shared,
    link: &'a Link,
    id: u32,
    ticket: &'a Ticket,
}

impl Waiting<'_> {
    fn answer(&self, ask: Ask) -> Result<Say, WireError> {
        let session = &self.shared.session;
        if self.is_cancelled() {
            return Err(WireError::new(token::CANCELLED, "nobody waits for it any more"));
        }
        Ok(match ask {
            Ask::GetInputs => Say::Inputs(session.inputs()?),
            Ask::CreateArtifacts { paths } => Say::Artifacts(self.create_artifacts(&paths)),
            Ask::BakeRecipe { recipe, delivery, .. } => {
                let output = match &delivery {
                    Delivery::Nowhere => Deliver::Nowhere,
                    Delivery::At { path } => Deliver::At(absolute(path)?),
                    Delivery::Inline => Deliver::Inline,
                };
                Say::BakeFinished(self.bake(recipe, output)?)
            }
            Ask::GetNote { name } => Say::Note(session.get_note(&name)?),
            Ask::PutNote { name, note } => {
                session.put_note(&name, &note)?;
                Say::Noted
            }
            Ask::Cancel { .. } => return Err(WireError::new(token::INTERNAL, "a cancel is not answered")),
        })
    }

    fn create_artifacts(&self, paths: &[Vec<u8>]) -> Vec<Result<ArtifactHash, WireError>> {
        let takable: Vec<&Path> = paths.iter().filter_map(|path| absolute(path).ok()).collect();
        let mut taken = self.shared.session.create_artifacts(&takable, self).into_iter();
        let missing = || Err(WireError::new(token::INTERNAL, "the session did not say"));
        let each = |path: &Vec<u8>| absolute(path).and_then(|_| taken.next().unwrap_or_else(missing));
        paths.iter().map(each).collect()
    }

    fn bake(&self, text: Vec<u8>, output: Deliver<'_>) -> Result<Finished, WireError> {
        // A tree is many times as large as its text: one large and one other are read at a time.
        let reading = if text.len() >= LARGE { &self.shared.reading_large } else { &self.shared.reading };
        let alone = reading.lock().unwrap_or_else(PoisonError::into_inner);
        let recipe =
            Recipe::from_json(&text).map_err(|error| WireError::new(token::RECIPE, error.to_string()))?;
        drop((text, alone));
        let mut finished = self.shared.session.bake(&recipe, output, self)?;
        if let Finished::Failed { why } = &mut finished {
            *why = WireError::new("", std::mem::take(why)).message;
        }
        Ok(finished)
    }
}

impl Watch for Waiting<'_> {
    fn log(&self, stream: Stream, bytes: &[u8]) {
        for piece in bytes.chunks(limits::LOG) {
            self.link.log(self.id, Say::Log { stream, bytes: piece.to_vec() });
        }
    }

    fn is_cancelled(&self) -> bool {
        self.ticket.is_cancelled() || self.shared.stopped.load(Ordering::Acquire)
    }

    fn is_detached(&self) -> bool {
        self.ticket.is_detached()
    }
}

/// A path from the wire.
fn absolute(path: &[u8]) -> Result<&Path, WireError> {
    if path.first() == Some(&b'/') && !path.contains(&0) {
        return Ok(Path::new(OsStr::from_bytes(path)));
    }
    Err(WireError::new(token::PATH, format!("not an absolute path: {}", ByteString::from(path))))
}

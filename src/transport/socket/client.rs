//! What a process asks a host.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use super::ClientError;
use super::connection::{Connection, Interrupt, Until};
use crate::recipe::Recipe;
use crate::recipe::digest::{ArtifactHash, RecordName};
use crate::transport::wire::{
    Answer, Ask, Delivery, Finished, FrameError, Inputs, NOBODY, Request, Say, WireError, limits, token,
};
use crate::world::Stream;

/// Bakes that a client has under way at most. The rest of what the protocol allows is for other requests.
pub const BAKES: usize = 48;
/// Log bytes that are kept while nobody listens.
const LOG_ROOM: usize = 256 * 1024;

/// How long a host may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// To take the connection.
    pub connect: Duration,
    /// To answer what is no bake, from asking on; and how long it may be silent during a bake. A host shows
    /// that it is alive every [`ALIVE`](crate::transport::wire::ALIVE), so this is best several times that.
    pub overall: Duration,
    /// To end the bakes that one call waits for. As long as they take, when `None`.
    pub bakes: Option<Duration>,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), overall: Duration::from_secs(30), bakes: None }
    }
}

/// A bake that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BakeId(u32);

/// What to bake.
#[derive(Debug, Clone, Copy)]
pub struct BakeRequest<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Where the output goes.
    pub output: Deliver<'a>,
    /// Whether it goes on when this process goes away.
    pub detached: bool,
}

/// Where an output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deliver<'a> {
    /// Nowhere.
    Nowhere,
    /// To an absolute path at which nothing stands.
    At(&'a Path),
    /// Into [`Delivered::contents`](crate::transport::wire::Delivered::contents), where it is small; else nowhere.
    Inline,
}

/// Receives what a bake's processes write.
pub type LogSink<'a> = &'a mut (dyn FnMut(BakeId, Stream, &[u8]) + Send);

/// A connection to a host. No threads; every call blocks, up to its deadline.
///
/// A connection that is lost is made anew once in a client's life, and what was asked is asked again, if no
/// bake was: everything else is safe to ask twice. A bake is asked again only when not a byte of it could be
/// sent. After any error but [`ClientError::Host`], [`ClientError::Unsendable`], [`ClientError::TooManyBakes`]
/// and [`ClientError::NoBake`] the connection is given up, and so are its bakes that are not detached.
pub struct Client {
    socket: PathBuf,
    deadlines: Deadlines,
    connection: Option<Connection>,
    interrupt: Option<Interrupt>,
    may_reconnect: bool,
    next: u32,
    /// Bakes that the host has not ended.
    under_way: Vec<u32>,
    /// Bakes that it has, while something else was waited for.
    ended: BTreeMap<u32, Result<Finished, WireError>>,
    /// What bakes wrote meanwhile.
    logs: VecDeque<(u32, Stream, Vec<u8>)>,
}

impl Client {
    /// Connects to a host. The protocol's greeting travels with the first request, and so does a refusal.
    ///
    /// A path of more than 107 bytes is reached through `/proc`; its last name alone must be shorter than about 80.
    ///
    /// # Errors
    /// When nobody listens there, or the connection is not taken in time.
    pub fn connect(socket: impl Into<PathBuf>, deadlines: Deadlines) -> Result<Self, ClientError> {
        let mut client = Self {
            socket: socket.into(),
            deadlines,
            connection: None,
            interrupt: None,
            may_reconnect: true,
            next: 0,
            under_way: Vec::new(),
            ended: BTreeMap::new(),
            logs: VecDeque::new(),
        };
        client.connection = Some(client.open()?);
        Ok(client)
    }

    /// Gives up, with [`ClientError::Interrupted`], once this is the number of a signal: what a signal
    /// interrupts would else be waited for again.
    pub fn heed(&mut self, signal: Arc<AtomicUsize>) {
        if let Some(connection) = &mut self.connection {
            connection.heed(Arc::clone(&signal));
        }
        self.interrupt = Some(signal);
    }

    /// *get-inputs*: the artifacts that this process was given, and the paths of its symbols.
    ///
    /// # Errors
    /// When the host refuses or is lost.
    pub fn get_inputs(&mut self) -> Result<Inputs, ClientError> {
        self.ask(Ask::GetInputs, |say| match say {
            Say::Inputs(inputs) => Some(inputs),
            _ => None,
        })
    }

    /// *create-artifact*, for several paths at once. They are absolute.
    ///
    /// # Errors
    /// When the host is lost; what it says of each path is in the list.
    pub fn create_artifacts(
        &mut self,
        paths: &[&Path],
    ) -> Result<Vec<Result<ArtifactHash, WireError>>, ClientError> {
        let fits = |path: &&Path| path.as_os_str().len() <= limits::PATH;
        let sent: Vec<Vec<u8>> = paths.iter().copied().filter(fits).map(bytes).collect();
        let lists = sent.chunks(limits::PATHS);
        let asks = lists.clone().map(|list| Ask::CreateArtifacts { paths: list.to_vec() }).collect();
        let answers = self.ask_all(asks)?.into_iter().zip(lists).map(|(answer, list)| match answer {
            Ok(Say::Artifacts(made)) if made.len() == list.len() => Ok(made),
            Ok(_) => Err(ClientError::Unexpected("another answer than the artifacts' hashes")),
            Err(error) => Ok(vec![Err(error); list.len()]),
        });
        let answers = answers.collect::<Result<Vec<_>, _>>();
        let mut made = self.or_give_up(answers)?.into_iter().flatten();
        let each = |path| {
            if fits(path) { made.next().unwrap_or_else(|| Err(over_limit())) } else { Err(over_limit()) }
        };
        Ok(paths.iter().map(each).collect())
    }

    /// What was noted under a name.
    ///
    /// # Errors
    /// When the host refuses or is lost.
    pub fn get_note(&mut self, name: RecordName) -> Result<Option<Vec<u8>>, ClientError> {
        self.ask(Ask::GetNote { name }, |say| match say {
            Say::Note(note) => Some(note),
            _ => None,
        })
    }

    /// Notes something under a name.
    ///
    /// # Errors
    /// When the host refuses or is lost.
    pub fn put_note(&mut self, name: RecordName, note: Vec<u8>) -> Result<(), ClientError> {
        self.ask(Ask::PutNote { name, note }, |say| matches!(say, Say::Noted).then_some(()))
    }

    /// *bake-recipe*, to its end.
    ///
    /// # Errors
    /// When the host refuses or is lost. A process that fails is [`Finished::Failed`].
    pub fn bake(&mut self, request: BakeRequest<'_>, log: LogSink<'_>) -> Result<Finished, ClientError> {
        let mut all = self.bake_all(&[request], log)?;
        Ok(all.pop().ok_or(ClientError::NoBake)??)
    }

    /// *bake-recipe*, for several recipes at once, to the end of all.
    ///
    /// # Errors
    /// When the host is lost; what it says of each recipe is in the list. None of these bakes is under way
    /// any more then, but for detached ones.
    pub fn bake_all(
        &mut self,
        requests: &[BakeRequest<'_>],
        log: LogSink<'_>,
    ) -> Result<Vec<Result<Finished, WireError>>, ClientError> {
        let until = self.until_baked();
        let mut left = requests.iter().enumerate();
        let mut results: Vec<Option<Result<Finished, WireError>>> = vec![None; requests.len()];
        let mut places: BTreeMap<BakeId, usize> = BTreeMap::new();
        loop {
            let room = BAKES.saturating_sub(self.under_way.len());
            let mut batch = Vec::new();
            for (place, request) in left.by_ref().take(room) {
                let ask = request.ask();
                match sendable(&ask) {
                    Ok(()) => batch.push((place, ask)),
                    Err(error) => results[place] = Some(Err(error)),
                }
            }
            let (of, asks): (Vec<usize>, Vec<Ask>) = batch.into_iter().unzip();
            places.extend(self.submit_all(asks)?.into_iter().zip(of));
            if !places.is_empty() {
                let (id, result) = self.wait_for(until, log, &|id| places.contains_key(&id))?;
                if let Some(place) = places.remove(&id) {
                    results[place] = Some(result);
                }
            } else if left.len() > 0 && room == 0 {
                // Other bakes have all the room.
                self.file_next(until)?;
            } else if left.len() == 0 {
                break;
            }
        }
        results.into_iter().map(|result| result.ok_or(ClientError::NoBake)).collect()
    }

    /// *bake-recipe*, without waiting. [`Client::wait`] tells when it ends.
    ///
    /// # Errors
    /// When [`BAKES`] are under way already, the recipe is too long, or the host is lost.
    pub fn submit(&mut self, request: BakeRequest<'_>) -> Result<BakeId, ClientError> {
        if self.under_way.len() >= BAKES {
            return Err(ClientError::TooManyBakes);
        }
        let ask = request.ask();
        sendable(&ask).map_err(|_| ClientError::Unsendable(FrameError::OverLimit))?;
        self.submit_all(vec![ask])?.pop().ok_or(ClientError::NoBake)
    }

    /// Waits for the next of the submitted bakes to end.
    ///
    /// # Errors
    /// When none is under way, or the host is lost.
    pub fn wait(&mut self, log: LogSink<'_>) -> Result<(BakeId, Result<Finished, WireError>), ClientError> {
        let until = self.until_baked();
        self.wait_for(until, log, &|_| true)
    }

    /// Tells the host that a bake is no longer waited for. It still ends, and [`Client::wait`] tells how.
    ///
    /// # Errors
    /// When the host is lost.
    pub fn cancel(&mut self, bake: BakeId) -> Result<(), ClientError> {
        if !self.under_way.contains(&bake.0) {
            return Ok(());
        }
        let id = self.new_id();
        let until = self.until_answered();
        let connection = self.connection.as_mut().ok_or(ClientError::GivenUp)?;
        connection.queue(&Request { id, ask: Ask::Cancel { of: bake.0 } })?;
        let sent = connection.send(until).map_err(|unsent| unsent.error);
        self.or_give_up(sent)
    }

    fn until_answered(&self) -> Until {
        Until::after("answer", self.deadlines.overall)
    }

    fn until_baked(&self) -> Until {
        let start = Instant::now();
        let end = self.deadlines.bakes.and_then(|time| start.checked_add(time));
        Until { what: "bake, or say that it is alive,", start, end, silence: Some(self.deadlines.overall) }
    }

    fn open(&self) -> Result<Connection, ClientError> {
        let until = Until::after("take the connection", self.deadlines.connect);
        Connection::open(&self.socket, until, self.interrupt.clone())
    }

    fn new_id(&mut self) -> u32 {
        let id = self.next;
        self.next = (id + 1) % NOBODY;
        id
    }

    /// After an error that leaves the connection in an unknown state, nothing more is asked on it.
    fn or_give_up<T>(&mut self, result: Result<T, ClientError>) -> Result<T, ClientError> {
        if result.is_err() {
            self.connection = None;
            self.under_way.clear();
        }
        result
    }

    /// Connects anew, if that was not done before and no bake is under way.
    fn reconnect(&mut self, error: ClientError) -> Result<&mut Connection, ClientError> {
        let lost = matches!(error, ClientError::Lost(_));
        if !(lost && self.may_reconnect && self.under_way.is_empty()) {
            return Err(error);
        }
        self.may_reconnect = false;
        let connection = self.open()?;
        Ok(self.connection.insert(connection))
    }

    /// Sends requests. Those that the host can't have seen any of are sent again on a new connection.
    fn send(&mut self, requests: &[Request], until: Until) -> Result<(), ClientError> {
        let connection = self.connection.as_mut().ok_or(ClientError::GivenUp)?;
        requests.iter().try_for_each(|request| connection.queue(request))?;
        match connection.send(until) {
            Err(unsent) if unsent.untouched => {
                let connection = self.reconnect(unsent.error)?;
                requests.iter().try_for_each(|request| connection.queue(request))?;
                connection.send(until).map_err(|unsent| unsent.error)
            }
            other => other.map_err(|unsent| unsent.error),
        }
    }

    fn submit_all(&mut self, asks: Vec<Ask>) -> Result<Vec<BakeId>, ClientError> {
        if asks.is_empty() {
            return Ok(Vec::new());
        }
        let until = self.until_answered();
        let requests: Vec<Request> = asks.into_iter().map(|ask| Request { id: self.new_id(), ask }).collect();
        let sent = self.send(&requests, until);
        self.or_give_up(sent)?;
        self.under_way.extend(requests.iter().map(|request| request.id));
        Ok(requests.into_iter().map(|request| BakeId(request.id)).collect())
    }

    fn wait_for(
        &mut self,
        until: Until,
        log: LogSink<'_>,
        wanted: &dyn Fn(BakeId) -> bool,
    ) -> Result<(BakeId, Result<Finished, WireError>), ClientError> {
        loop {
            for (id, stream, bytes) in self.logs.drain(..) {
                log(BakeId(id), stream, &bytes);
            }
            let ended = self.ended.keys().copied().find(|id| wanted(BakeId(*id)));
            if let Some((id, result)) = ended.and_then(|id| self.ended.remove_entry(&id)) {
                return Ok((BakeId(id), result));
            }
            if !self.under_way.iter().any(|id| wanted(BakeId(*id))) {
                return Err(if self.connection.is_some() {
                    ClientError::NoBake
                } else {
                    ClientError::GivenUp
                });
            }
            self.file_next(until)?;
        }
    }

    /// Waits for something to be said of a bake.
    fn file_next(&mut self, until: Until) -> Result<(), ClientError> {
        let heard = self.receive(until).and_then(|answer| match self.of_a_bake(answer)? {
            None => Ok(()),
            Some(_) => Err(ClientError::Unexpected("an answer to nothing that was asked")),
        });
        self.or_give_up(heard)
    }

    fn receive(&mut self, until: Until) -> Result<Answer, ClientError> {
        self.connection.as_mut().ok_or(ClientError::GivenUp)?.receive(until)
    }

    /// Takes what is said of a bake; gives back what is not.
    fn of_a_bake(&mut self, answer: Answer) -> Result<Option<Answer>, ClientError> {
        let Answer { id, say } = answer;
        let Some(place) = self.under_way.iter().position(|bake| *bake == id) else {
            return Ok(Some(Answer { id, say }));
        };
        let result = match say {
            Say::Alive => return Ok(None),
            Say::Log { stream, bytes } => {
                let kept: usize = self.logs.iter().map(|(_, _, bytes)| bytes.len()).sum();
                if kept + bytes.len() <= LOG_ROOM {
                    self.logs.push_back((id, stream, bytes));
                }
                return Ok(None);
            }
            Say::BakeFinished(finished) => Ok(finished),
            Say::Error(error) => Err(error),
            _ => return Err(ClientError::Unexpected("another answer than a bake's")),
        };
        self.under_way.swap_remove(place);
        self.ended.insert(id, result);
        Ok(None)
    }

    fn ask<T>(&mut self, ask: Ask, read: impl FnOnce(Say) -> Option<T>) -> Result<T, ClientError> {
        sendable(&ask).map_err(|_| ClientError::Unsendable(FrameError::OverLimit))?;
        let say = self.ask_all(vec![ask])?.pop().ok_or(ClientError::GivenUp)??;
        let answer = read(say).ok_or(ClientError::Unexpected("an answer to another question"));
        self.or_give_up(answer)
    }

    /// Asks what is safe to ask twice, as much at once as may be.
    fn ask_all(&mut self, asks: Vec<Ask>) -> Result<Vec<Result<Say, WireError>>, ClientError> {
        let mut answers: Vec<Option<Result<Say, WireError>>> = vec![None; asks.len()];
        let room = limits::REQUESTS - self.under_way.len();
        let mut asks = asks.into_iter().enumerate();
        while asks.len() > 0 {
            let (mut places, mut batch) = (Vec::new(), Vec::new());
            for (place, ask) in asks.by_ref().take(room) {
                if let Err(error) = sendable(&ask) {
                    answers[place] = Some(Err(error));
                } else {
                    places.push(place);
                    batch.push(Request { id: self.new_id(), ask });
                }
            }
            let said = self.ask_batch(&batch);
            for (place, say) in places.into_iter().zip(self.or_give_up(said)?) {
                answers[place] = Some(say);
            }
        }
        answers.into_iter().map(|answer| answer.ok_or(ClientError::GivenUp)).collect()
    }

    fn ask_batch(&mut self, batch: &[Request]) -> Result<Vec<Result<Say, WireError>>, ClientError> {
        let until = self.until_answered();
        let mut said: BTreeMap<u32, Result<Say, WireError>> = BTreeMap::new();
        self.send(batch, until)?;
        while said.len() < batch.len() {
            let answer = match self.receive(until) {
                Ok(answer) => answer,
                Err(error) => {
                    self.reconnect(error)?;
                    let unanswered = batch.iter().filter(|request| !said.contains_key(&request.id));
                    self.send(&unanswered.cloned().collect::<Vec<_>>(), until)?;
                    continue;
                }
            };
            let Some(Answer { id, say }) = self.of_a_bake(answer)? else { continue };
            let open = batch.iter().any(|request| request.id == id) && !said.contains_key(&id);
            let say = match say {
                _ if !open => return Err(ClientError::Unexpected("an answer to nothing that was asked")),
                Say::Alive => continue,
                Say::Error(error) => Err(error),
                say => Ok(say),
            };
            said.insert(id, say);
        }
        Ok(batch.iter().filter_map(|request| said.remove(&request.id)).collect())
    }
}

impl BakeRequest<'_> {
    fn ask(&self) -> Ask {
        let recipe = self.recipe.to_json().into_bytes();
        let delivery = match self.output {
            Deliver::Nowhere => Delivery::Nowhere,
            Deliver::At(path) => Delivery::At { path: bytes(path) },
            Deliver::Inline => Delivery::Inline,
        };
        Ask::BakeRecipe { recipe, delivery, detached: self.detached }
    }
}

/// Whether what is asked is within the protocol's limits.
fn sendable(ask: &Ask) -> Result<(), WireError> {
    let within = match ask {
        Ask::CreateArtifacts { paths } => paths.iter().all(|path| path.len() <= limits::PATH),
        Ask::BakeRecipe { recipe, delivery, .. } => {
            let fits = |delivery: &Delivery| match delivery {
                Delivery::At { path } => path.len() <= limits::PATH,
                Delivery::Nowhere | Delivery::Inline => true,
            };
            recipe.len() <= limits::RECIPE && fits(delivery)
        }
        Ask::PutNote { note, .. } => note.len() <= limits::NOTE,
        Ask::GetInputs | Ask::Cancel { .. } | Ask::GetNote { .. } => true,
    };
    if within { Ok(()) } else { Err(over_limit()) }
}

fn over_limit() -> WireError {
    WireError::new(token::OVER_LIMIT, "the request holds something that is too long")
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

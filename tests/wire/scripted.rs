//! A session that does what the recipes say, a host that serves it, and a client without manners.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bakeplan::host::{Options, Server, Session, Watch, serve};
use bakeplan::recipe::Recipe;
use bakeplan::recipe::digest::{ArtifactHash, RecipeHash, RecordName};
use bakeplan::transport::socket::{Client, Deadlines, Deliver};
use bakeplan::transport::wire::{
    Answer, Ask, Delivered, Delivery, Finished, Greeting, Hello, Inbox, Input, Inputs, Message, Request, Say,
    WireError, decode, limits,
};
use bakeplan::world::Stream;

use super::golden::frame;

/// A recipe that says what its bake does: words, each done in turn.
///
/// `log:N` writes N lines, `flood:N` N times 16 KiB, `sleep:MS` waits, `hold` waits for [`Scripted::release`]
/// or for being cancelled, `fail` and `panic` end it.
pub fn script(words: &str) -> Recipe {
    let json = format!(
        r#"{{"type":"create_file","content":"{words}","executable":false,"resources":{{"type":"directory","entries":{{}}}}}}"#
    );
    Recipe::from_json(json.as_bytes()).expect("a recipe")
}

#[derive(Default)]
pub struct Scripted {
    pub asked: AtomicUsize,
    /// Bakes that are under way, and the most that were.
    pub baking: AtomicUsize,
    pub most: AtomicUsize,
    pub finished: AtomicUsize,
    pub cancelled: AtomicUsize,
    released: AtomicUsize,
    pub large: AtomicUsize,
    notes: Mutex<HashMap<RecordName, Vec<u8>>>,
}

impl Scripted {
    pub fn release(&self) {
        self.released.store(1, Ordering::SeqCst);
    }

    fn word(&self, word: &str, watch: &dyn Watch) -> Result<Option<Finished>, WireError> {
        let (word, number) = word.split_once(':').unwrap_or((word, "0"));
        let number: u64 = number.parse().expect("a number");
        let until = |mut done: Box<dyn FnMut() -> bool + '_>| {
            while !done() {
                if watch.is_cancelled() {
                    self.cancelled.fetch_add(1, Ordering::SeqCst);
                    return Err(WireError::new("cancelled", "cancelled"));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(None)
        };
        match word {
            "log" => {
                for line in 0..number {
                    watch.log(Stream::Stderr, format!("line {line}\n").as_bytes());
                }
            }
            "flood" => (0..number).for_each(|_| watch.log(Stream::Stdout, &[b'x'; limits::LOG])),
            "sleep" => {
                let start = Instant::now();
                return until(Box::new(move || start.elapsed() >= Duration::from_millis(number)));
            }
            "hold" => return until(Box::new(|| self.released.load(Ordering::SeqCst) > 0)),
            "fail" => return Ok(Some(Finished::Failed { why: "exit status 1".into() })),
            "panic" => panic!("as the recipe says"),
            _ => {}
        }
        Ok(None)
    }
}

impl Session for Scripted {
    fn inputs(&self) -> Result<Inputs, WireError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let input =
            Input { artifact: ArtifactHash::of(b"toolchain"), path: b"/home/x/locals/toolchain".to_vec() };
        let artifacts = vec![input; 1 + self.large.load(Ordering::SeqCst)];
        Ok(Inputs { artifacts, ..Inputs::default() })
    }

    fn create_artifacts(&self, paths: &[&Path], _: &dyn Watch) -> Vec<Result<ArtifactHash, WireError>> {
        self.asked.fetch_add(paths.len(), Ordering::SeqCst);
        let create = |path: &&Path| {
            if *path == "/refused" {
                return Err(WireError::new("not-yours", "it is not yours"));
            }
            Ok(ArtifactHash::of(path.as_os_str().as_encoded_bytes()))
        };
        paths.iter().map(create).collect()
    }

    fn bake(&self, recipe: &Recipe, _: Deliver<'_>, watch: &dyn Watch) -> Result<Finished, WireError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let now = self.baking.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let Recipe::CreateFile { content, .. } = recipe else { panic!("not a script: {recipe:?}") };
        let words = String::from_utf8_lossy(content.as_bytes()).into_owned();
        let ended = words.split(' ').try_fold(None, |ended, word| match ended {
            None => self.word(word, watch),
            ended => Ok(ended),
        });
        self.baking.fetch_sub(1, Ordering::SeqCst);
        let artifact = ArtifactHash::of(words.as_bytes());
        let succeeded =
            Delivered { artifact, recipe: RecipeHash::of(b""), hit: true, took: 5, contents: Vec::new() };
        let finished = ended?.unwrap_or(Finished::Succeeded(succeeded));
        self.finished.fetch_add(1, Ordering::SeqCst);
        Ok(finished)
    }

    fn get_note(&self, name: &RecordName) -> Result<Option<Vec<u8>>, WireError> {
        if *name == RecordName::of(b"too long") {
            return Ok(Some(vec![0; limits::NOTE + 1]));
        }
        Ok(self.notes.lock().expect("notes").get(name).cloned())
    }

    fn put_note(&self, name: &RecordName, note: &[u8]) -> Result<(), WireError> {
        self.notes.lock().expect("notes").insert(*name, note.to_vec());
        Ok(())
    }
}

/// A host that serves a scripted session.
pub struct Rig {
    pub session: Arc<Scripted>,
    pub server: Option<Server>,
    pub socket: PathBuf,
    _dir: tempfile::TempDir,
}

impl Rig {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("s").join("host");
        let session = Arc::new(Scripted::default());
        let mut options = Options::new(&socket);
        change(&mut options);
        let server = serve(options, Arc::clone(&session) as Arc<dyn Session>).expect("a host");
        Self { session, server: Some(server), socket, _dir: dir }
    }

    pub fn client(&self) -> Client {
        let overall = Duration::from_secs(20);
        Client::connect(&self.socket, Deadlines { overall, ..Deadlines::default() }).expect("a client")
    }

    pub fn raw(&self) -> Raw {
        Raw::new(&self.socket)
    }

    /// The host still does what it should.
    pub fn is_well(&self) {
        let start = Instant::now();
        assert!(self.client().get_inputs().is_ok());
        assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    }
}

/// Waits for something to come true.
pub fn soon(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(20), "not so: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A client that sends what it likes.
pub struct Raw {
    pub stream: UnixStream,
    inbox: Inbox,
}

impl Raw {
    pub fn new(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Self { stream, inbox: Inbox::default() }
    }

    /// One that has said hello.
    pub fn greeted(socket: &Path) -> Self {
        let mut raw = Self::new(socket);
        raw.say(&Hello::new());
        assert!(matches!(raw.hear(), Some(Greeting::Welcome { .. })));
        raw
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // What the host no longer takes can't be sent.
        let _ = self.stream.write_all(bytes);
    }

    pub fn say<M: Message>(&mut self, message: &M) {
        self.send(&frame(message));
    }

    pub fn ask(&mut self, id: u32, ask: Ask) {
        self.say(&Request { id, ask });
    }

    pub fn bake(&mut self, id: u32, words: &str, detached: bool) {
        let recipe = script(words).to_json().into_bytes();
        self.ask(id, Ask::BakeRecipe { recipe, delivery: Delivery::Nowhere, detached });
    }

    /// Whether the host says or does something in this time.
    pub fn has_heard(&self, within: Duration) -> bool {
        use rustix::event::{PollFd, PollFlags, poll};
        let within = rustix::event::Timespec::try_from(within).expect("a short time");
        let poll = || poll(&mut [PollFd::new(&self.stream, PollFlags::IN)], Some(&within));
        rustix::io::retry_on_intr(poll).expect("a poll") > 0
    }

    /// The next message; `None` when the host has closed the connection.
    pub fn hear<M: Message>(&mut self) -> Option<M> {
        let mut buffer = [0; 16384];
        loop {
            if let Some(body) = self.inbox.take(limits::FRAME).expect("a frame") {
                return Some(decode(body).expect("a message"));
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(read) => self.inbox.put(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                // A read with a time limit is interrupted even where no signal is handled: by a stop.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("the host says nothing: {error}"),
            }
        }
    }

    pub fn answer(&mut self) -> Option<(u32, Say)> {
        self.hear().map(|Answer { id, say }| (id, say))
    }

    /// The token of a refusal of the connection, and its end.
    pub fn refused(&mut self) -> String {
        let Some(Greeting::Refused(error)) = self.hear() else { panic!("not refused") };
        assert!(self.hear::<Answer>().is_none(), "the connection is closed");
        error.token
    }

    /// The token of the host's last word.
    pub fn closed(&mut self) -> String {
        loop {
            match self.answer() {
                Some((bakeplan::transport::wire::NOBODY, Say::Error(error))) => {
                    assert!(self.answer().is_none(), "the connection is closed");
                    return error.token;
                }
                Some(_) => {}
                None => panic!("closed without a word"),
            }
        }
    }
}

//! What the socket costs: microseconds a request, and the host's memory, with a session that answers at once.
//!
//!     cargo run --release --features host --example round_trips [HITS [CONNECTIONS]]
//!
//! The host is a process of its own (this program, called again), so that its memory is its own.
#![allow(clippy::disallowed_methods, reason = "this is where the surroundings come in")]
#![allow(clippy::print_stdout, reason = "a program may print")]

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bakeplan::host::{Options, Session, Watch, serve};
use bakeplan::recipe::Recipe;
use bakeplan::recipe::digest::{ArtifactHash, RecipeHash, RecordName};
use bakeplan::transport::socket::{BakeRequest, Client, Deadlines, Deliver};
use bakeplan::transport::wire::{Delivered, Finished, Input, Inputs, WireError};

type Failed = Box<dyn std::error::Error>;

/// A session that has everything already.
struct Ready;

impl Session for Ready {
    fn inputs(&self) -> Result<Inputs, WireError> {
        let input = |n: u32| Input {
            artifact: ArtifactHash::of(&n.to_le_bytes()),
            path: format!("/home/brioche-runner-{n:064}/.local/share/brioche/locals/{n:064}").into_bytes(),
        };
        Ok(Inputs { artifacts: (0..20).map(input).collect(), ..Inputs::default() })
    }

    fn create_artifacts(&self, paths: &[&Path], _: &dyn Watch) -> Vec<Result<ArtifactHash, WireError>> {
        paths.iter().map(|path| Ok(ArtifactHash::of(path.as_os_str().as_encoded_bytes()))).collect()
    }

    fn bake(&self, recipe: &Recipe, _: Deliver<'_>, _: &dyn Watch) -> Result<Finished, WireError> {
        let (artifact, recipe) = (ArtifactHash::of(b""), RecipeHash::of(recipe.to_json().as_bytes()));
        Ok(Finished::Succeeded(Delivered { artifact, recipe, hit: true, took: 0, contents: Vec::new() }))
    }

    fn get_note(&self, _: &RecordName) -> Result<Option<Vec<u8>>, WireError> {
        Ok(Some(vec![7; 8192]))
    }

    fn put_note(&self, _: &RecordName, _: &[u8]) -> Result<(), WireError> {
        Ok(())
    }
}

fn main() -> Result<(), Failed> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [serving, socket] = args.as_slice()
        && serving == "serve"
    {
        let server = serve(Options::new(socket), Arc::new(Ready))?;
        // Until the other process is gone.
        let _ = std::io::stdin().read(&mut [0]);
        server.stop();
        return Ok(());
    }
    let number = |at: usize, default| args.get(at).map_or(Ok(default), |arg| arg.parse());
    let (hits, connections) = (number(0, 100_000)?, number(1, 1000)?);
    let dir = tempfile::tempdir()?;
    let socket = dir.path().join("host");
    let mut host =
        Command::new(std::env::current_exe()?).arg("serve").arg(&socket).stdin(Stdio::piped()).spawn()?;
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    measure(&socket, &host, hits, connections)?;
    drop(host.stdin.take());
    host.wait()?;
    Ok(())
}

fn measure(socket: &Path, host: &Child, hits: usize, connections: usize) -> Result<(), Failed> {
    let connect = || Client::connect(socket, Deadlines::default());
    let recipe = Recipe::from_json(compile().as_bytes())?;
    let request = BakeRequest { recipe: &recipe, output: Deliver::Nowhere, detached: false };
    let name = RecordName::of(b"");
    let log = &mut |_, _, _: &[u8]| {};
    println!(
        "a recipe of {} bytes, notes of 8,192; the host holds {} KiB",
        recipe.to_json().len(),
        memory(host)?
    );

    let mut client = connect()?;
    each("get-inputs (20 artifacts)", hits / 10, || Ok(client.get_inputs()?))?;
    each("get-note", hits / 10, || Ok(client.get_note(name)?))?;
    each("put-note", hits / 10, || Ok(client.put_note(name, vec![7; 8192])?))?;
    each("create-artifact", hits / 10, || Ok(client.create_artifacts(&[Path::new("/tmp/a.i")])?))?;
    each("create-artifact, 50 at once", hits / 500, || {
        Ok(client.create_artifacts(&[Path::new("/tmp/a.i"); 50])?)
    })?;
    each("bake, 40 at once", hits / 400, || Ok(client.bake_all(&[request; 40], log)?))?;
    for tenth in 1..=10 {
        let what = format!("bake ({tenth} of 10; the host holds {} KiB)", memory(host)?);
        each(&what, hits / 10, || Ok(client.bake(request, log)?))?;
    }
    each("connect, get-inputs, get-note, bake: a wrapper's hit", hits / 100, || {
        let mut client = connect()?;
        client.get_inputs()?;
        client.get_note(name)?;
        Ok(client.bake(request, log)?)
    })?;

    let mut all = (0..connections).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
    let mut next = (0..all.len()).cycle();
    each(&format!("bake, each on another of {connections} connections"), hits / 10, || {
        let at = next.next().unwrap_or(0);
        Ok(all[at].bake(request, log)?)
    })?;
    println!(
        "with {connections} connections the host holds {} KiB, {} threads",
        memory(host)?,
        threads(host)?
    );
    for client in &mut all {
        client.submit(request)?;
    }
    for client in &mut all {
        client.wait(log)?.1?;
    }
    println!("after {connections} bakes at once {} KiB, {} threads", memory(host)?, threads(host)?);
    Ok(())
}

/// Does something many times, and prints how long it takes once.
fn each<T>(what: &str, times: usize, mut does: impl FnMut() -> Result<T, Failed>) -> Result<(), Failed> {
    let start = Instant::now();
    for _ in 0..times {
        does()?;
    }
    let micros = start.elapsed().as_secs_f64() * 1e6 / f64::from(u32::try_from(times.max(1))?);
    println!("{micros:8.1} µs  {what}");
    Ok(())
}

/// The host's resident memory, KiB.
fn memory(host: &Child) -> Result<u64, Failed> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no figure")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn threads(host: &Child) -> Result<usize, Failed> {
    Ok(std::fs::read_dir(format!("/proc/{}/task", host.id()))?.count())
}

/// A recipe as a compile has it.
fn compile() -> String {
    let literal = |text: &str| format!(r#"{{"components":[{{"type":"literal","value":"{text}"}}]}}"#);
    let args: Vec<String> = (0..40).map(|n| literal(&format!("-DOPTION_{n}=some-value"))).collect();
    format!(
        r#"{{"type":"process","command":{},"args":[{}],"env":{{}},"platform":"x86_64-linux","workDir":{{"type":"directory","entries":{{}}}}}}"#,
        literal("/bin/sh"),
        args.join(",")
    )
}

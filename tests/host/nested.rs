//! Processes in the sandbox that ask for bakes of their own, over their own sockets.

use std::fs;
use std::process::Command;

use super::support::*;
use bakeplan::host::{Baked, Order, Slot};
use bakeplan::recipe::digest::RecipeHash;
use bakeplan::recipe::{ProcessRecipe, ProcessTemplate, Recipe, Symbol};
use bakeplan::transport::wire::{
    self, Answer, Ask, Delivery, Finished, Greeting, Hello, Request, Say, limits,
};

/// Sends what stands in a file, and writes down what comes until `BakeFinished` or an error does.
const CLIENT: &str = r#"
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
static int all(int fd, unsigned char *to, unsigned n) {
    while (n) { long got = read(fd, to, n); if (got <= 0) return 0; to += got; n -= got; }
    return 1;
}
int main(int argc, char **argv) {
    static unsigned char text[1 << 20], body[1 << 21];
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    strncpy(at.sun_path, argv[1], sizeof at.sun_path - 1);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(s, (void *)&at, sizeof at)) { perror("connect"); return 2; }
    FILE *in = fopen(argv[2], "rb"), *out = fopen(argv[3], "wb");
    size_t n = fread(text, 1, sizeof text, in);
    if (write(s, text, n) != (long)n) { perror("write"); return 3; }
    for (int frames = 0;; frames++) {
        unsigned char head[4];
        if (!all(s, head, 4)) { fprintf(stderr, "closed\n"); return 4; }
        unsigned size = head[0] | head[1] << 8 | head[2] << 16;
        if (!all(s, body, size)) return 5;
        fwrite(head, 1, 4, out); fwrite(body, 1, size, out);
        /* An answer: id, then the kind. Three ends a bake, six is an error, seven and two go on. */
        if (frames > 0 && (body[1] == 3 || body[1] == 6)) return fclose(out) != 0;
    }
}
"#;

/// The client, as an artifact.
fn client(host: &Host) -> Recipe {
    fs::write(host.path("client.c"), CLIENT).unwrap();
    let (from, to) = (host.path("client.c"), host.path("client"));
    let compiled =
        Command::new("gcc").args(["-static", "-O1", "-w", "-o"]).arg(&to).arg(from).status().unwrap();
    assert!(compiled.success());
    let artifact = host.import(&to);
    Recipe::from(host.engine.artifacts().need(&artifact).unwrap())
}

/// A process that asks for a bake, and leaves the answers.
fn asking(client: &Recipe, ask: &Recipe, output: Option<&str>, script: &str) -> ProcessRecipe {
    let mut frames = Vec::new();
    wire::encode(&Hello::new(), &mut frames).unwrap();
    let ask = Ask::BakeRecipe {
        recipe: ask.to_json().into_bytes(),
        delivery: output.map_or(Delivery::Nowhere, |path| Delivery::At { path: path.as_bytes().to_vec() }),
        detached: false,
    };
    wire::encode(&Request { id: 1, ask }, &mut frames).unwrap();
    let requests =
        Recipe::CreateFile { content: frames.into(), executable: false, resources: Box::new(directory(&[])) };
    let process = with_input(shell(script), "client", client.clone());
    let mut process = with_input(process, "requests", requests);
    process.env.insert("socket".into(), ProcessTemplate::symbol(Symbol::HostSocketPath));
    process
}

const ASK: &str = "exec \"$client\" \"$socket\" \"$requests\" \"$out\"";

/// The last answer among those that a process left.
fn answer(host: &Host, baked: &Baked) -> Say {
    let Baked::Done(output) = baked else { panic!("{baked:?}") };
    let path = host.path("answers");
    let _ = fs::remove_file(&path);
    host.export(&output.artifact, &path).unwrap();
    let bytes = fs::read(path).unwrap();
    let mut rest = &bytes[..];
    let mut bodies = Vec::new();
    while let Some((head, more)) = rest.split_at_checked(4) {
        let size = u32::from_le_bytes(head.try_into().unwrap()) as usize;
        bodies.push(&more[..size]);
        rest = &more[size..];
    }
    let greeting = wire::decode::<Greeting>(bodies[0]).unwrap();
    assert!(matches!(greeting, Greeting::Welcome { .. }), "{greeting:?}");
    assert!(bodies.iter().all(|body| body.len() <= limits::FRAME));
    wire::decode::<Answer>(bodies.last().unwrap()).unwrap().say
}

#[test]
fn those_who_all_wait_do_not_keep_each_other_from_going_on() {
    let host = Host::with(|options| options.processes = 1);
    let client = client(&host);
    // Three deep, and two of them side by side, with a limit of one.
    let depth = |name: &str| {
        let inner = sh(&format!("echo {name} >\"$out\""));
        let middle = Recipe::from(asking(&client, &inner, None, ASK));
        Recipe::from(asking(&client, &middle, None, ASK))
    };
    std::thread::scope(|scope| {
        let bakes: Vec<_> = ["one", "two"]
            .map(|name| {
                let (host, recipe) = (&host, depth(name));
                scope.spawn(move || host.bake(&recipe).unwrap())
            })
            .into_iter()
            .collect();
        for bake in bakes {
            let came = bake.join().unwrap();
            let say = answer(&host, &came);
            assert!(matches!(say, Say::BakeFinished(Finished::Succeeded(_))), "{say:?}");
        }
    });
    let outers: Vec<_> = host.engine.lineage().read().unwrap().into_iter().map(|entry| entry.outer).collect();
    assert_eq!(outers.iter().filter(|outer| outer.is_some()).count(), 4, "{outers:?}");
}

#[test]
fn an_output_is_put_where_the_process_sees_it() {
    let host = Host::new();
    let client = client(&host);
    let inner = sh("echo baked >\"$out\"");
    let script =
        "\"$client\" \"$socket\" \"$requests\" answers && read -r text </tmp/new && echo \"$text\" >\"$out\"";
    let output = host.ok(&asking(&client, &inner, Some("/tmp/new"), script).into());
    host.export(&output.artifact, &host.path("text")).unwrap();
    assert_eq!(fs::read_to_string(host.path("text")).unwrap(), "baked\n");
    for (path, token) in [
        ("/etc/new", "outside-roots"),
        ("/tmp/../etc/new", "outside-roots"),
        ("/proc/self/cwd/new", "outside-roots"),
        ("/brioche-host.d/new", "outside-roots"),
    ] {
        let baked = host.bake(&asking(&client, &inner, Some(path), ASK).into()).unwrap();
        match answer(&host, &baked) {
            Say::Error(error) => assert_eq!(error.token, token, "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn an_inner_process_has_no_more_rights() {
    let host = Host::new();
    let client = client(&host);
    let mut inner = shell(": >\"$out\"");
    inner.networking = true;
    let baked = host.bake(&asking(&client, &inner.into(), None, ASK).into()).unwrap();
    assert!(matches!(answer(&host, &baked), Say::Error(error) if error.token == "unsafe-not-allowed"));
    let foreign = host.ok(&file("of another")).artifact;
    let foreign = Recipe::from(host.engine.artifacts().need(&foreign).unwrap());
    let baked = host.bake(&asking(&client, &foreign, None, ASK).into()).unwrap();
    assert!(matches!(answer(&host, &baked), Say::Error(error) if error.token == "not-granted"));
}

#[test]
fn a_slot_is_given_back() {
    let host = Host::with(|options| options.processes = 1);
    for number in 0..3 {
        let slot = Slot::new(host.engine.permits());
        let watch = Waiter::default();
        let outer = Some(RecipeHash::of(b"outer"));
        let order = Order { outer, watch: &watch, slot: Some(&slot), afresh: false };
        let recipe = sh(&format!("echo {number} >\"$out\""));
        assert!(matches!(bakeplan::host::Baker::bake(&host.engine, &recipe, &order), Ok(Baked::Done(_))));
    }
    host.ok(&sh("echo last >\"$out\""));
}

//! Processes that may use the network, which is unsafe, and those that may not.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::support::*;
use bakeplan::host::{Baked, Rights, Roots, Session};
use bakeplan::recipe::{ProcessRecipe, ProcessTemplate, Recipe, Symbol, Template};
use bakeplan::transport::socket::Deliver;
use bakeplan::transport::wire::Finished;

/// Connects to a port of 127.0.0.1, and writes what it is told there to a file.
const CALLER: &str = r#"
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **args) {
    char said[64];
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(atoi(args[1]))};
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int to = socket(AF_INET, SOCK_STREAM, 0), out = open(args[2], O_WRONLY | O_CREAT, 0666);
    if (connect(to, (struct sockaddr *)&there, sizeof there) != 0) {
        perror("connect");
        return 9;
    }
    ssize_t length = read(to, said, sizeof said);
    return count == 3 && length > 0 && write(out, said, length) == length ? 0 : 1;
}
"#;

/// A process that calls a port.
fn caller(host: &Host, port: u16, networking: bool) -> ProcessRecipe {
    let (source, program) = (host.path("caller.c"), host.path("caller"));
    fs::write(&source, CALLER).unwrap();
    let made = Command::new("gcc").arg("-static").arg(&source).arg("-o").arg(&program).status().unwrap();
    assert!(made.success());
    let program = host.engine.artifacts().need(&host.import(&program)).unwrap();
    ProcessRecipe {
        command: ProcessTemplate::input(Recipe::from(program)),
        args: vec![Template::literal(port.to_string()), Template::symbol(Symbol::OutputPath)],
        networking,
        ..shell("")
    }
}

#[test]
fn only_who_may_use_the_network_reaches_the_machine() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut call in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = call.write_all(b"from the machine\n");
        }
    });
    let host = Host::new();
    let watch = Waiter::default();
    let shut_out = host.bake_for(&caller(&host, port, false).into(), &watch).unwrap();
    assert!(matches!(&shut_out, Baked::Failed { why } if why.contains("exit status 9")), "{shut_out:?}");
    assert!(watch.text().starts_with("connect: "), "{}", watch.text());
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    let recipe = Recipe::from(caller(&host, port, true));
    let session = |networking| {
        let rights = Rights { networking, platforms: vec![platform()] };
        let program = host.import(&host.path("caller"));
        host.session_of(&[program], Roots::default(), rights)
    };
    let bake = |networking| session(networking).bake(&recipe, Deliver::Inline, &Waiter::default());
    assert_eq!(bake(false).unwrap_err().token, "unsafe-not-allowed");
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    let Ok(Finished::Succeeded(delivered)) = bake(true) else { panic!("not baked") };
    assert_eq!(delivered.contents[0].bytes, b"from the machine\n");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert!(host.ok(&recipe).hit);
    // A hit reaches nobody, and is nobody's who may not.
    assert_eq!(bake(false).unwrap_err().token, "unsafe-not-allowed");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let other = Host::new();
    other.ok(&caller(&other, port, true).into());
    assert_eq!(calls.load(Ordering::SeqCst), 2, "the engine itself bakes it for whoever may");
}

#[test]
fn names_and_authorities_are_those_of_the_machine_where_there_is_a_network() {
    let host = Host::new();
    let script = "show() { while IFS= read -r line; do echo \"$line\"; done <\"$1\"; }\n\
        { show /etc/resolv.conf; echo --; [ -e \"$authorities\" ] && show \"$authorities\"; } >\"$out\"";
    let mut process = shell(script);
    process.env.insert("authorities".into(), Template::symbol(Symbol::CaCertificateBundlePath));
    process.networking = true;
    let output = host.ok(&process.clone().into());
    host.export(&output.artifact, &host.path("said")).unwrap();
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let expected = [text("/etc/resolv.conf"), text("/etc/ssl/certs/ca-certificates.crt")].join("--\n");
    assert_eq!(fs::read_to_string(host.path("said")).unwrap(), expected);
    // Where there is none, they are not there either.
    process.networking = false;
    assert_eq!(host.bake(&process.into()).unwrap_err().token(), "bad-recipe");
    let none = host
        .ok(&sh("for file in /etc/resolv.conf /etc/ssl; do [ -e $file ] && echo $file; done >\"$out\"; :"));
    host.export(&none.artifact, &host.path("none")).unwrap();
    assert_eq!(fs::read_to_string(host.path("none")).unwrap(), "");
}

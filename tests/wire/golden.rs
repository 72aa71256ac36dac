//! Frames are what they were: `fixtures/wire/frames.tsv` has one a line, a name and the frame in hexadecimal
//! digits. A line may be added for a new message; one that changes makes another version of the protocol.

use std::collections::BTreeMap;

use bakeplan::transport::wire::{FrameError, Inbox, Message, decode, encode, limits};

use super::messages::{Any, samples};

const FRAMES: &str = include_str!("../../fixtures/wire/frames.tsv");

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal digits");
    (0..text.len()).step_by(2).map(pair).collect()
}

pub fn frame<M: Message>(message: &M) -> Vec<u8> {
    let mut frame = Vec::new();
    encode(message, &mut frame).expect("within the limits");
    frame
}

impl Any {
    pub fn frame(&self) -> Vec<u8> {
        match self {
            Self::Hello(hello) => frame(hello),
            Self::Greeting(greeting) => frame(greeting),
            Self::Request(request) => frame(request),
            Self::Answer(answer) => frame(answer),
        }
    }

    /// What the body says when it is read as a message of the same kind.
    pub fn read_alike(&self, body: &[u8]) -> Result<Self, FrameError> {
        Ok(match self {
            Self::Hello(_) => Self::Hello(decode(body)?),
            Self::Greeting(_) => Self::Greeting(decode(body)?),
            Self::Request(_) => Self::Request(decode(body)?),
            Self::Answer(_) => Self::Answer(decode(body)?),
        })
    }
}

#[test]
fn frames_are_what_they_were() {
    let golden: BTreeMap<&str, &str> = FRAMES.lines().filter_map(|line| line.split_once('\t')).collect();
    let samples = samples();
    let unknown = golden.keys().find(|name| !samples.iter().any(|(sample, _)| sample == *name));
    assert_eq!(unknown, None, "a golden frame without a sample");
    let lacking: String = samples
        .iter()
        .filter(|(name, _)| !golden.contains_key(name))
        .map(|(name, message)| format!("{name}\t{}\n", hex(&message.frame())))
        .collect();
    assert_eq!(lacking, "", "samples without a golden frame:\n{lacking}");
    for (name, message) in samples {
        let now = hex(&message.frame());
        let then = golden[name];
        assert_eq!(now, then, "{name} is written as it was");
        let mut inbox = Inbox::default();
        inbox.put(&unhex(then));
        let body = inbox.take(limits::FRAME).expect("a frame").expect("all of it");
        assert_eq!(message.read_alike(body), Ok(message), "{name} is read as it was");
        assert!(inbox.is_empty());
    }
}

#[test]
fn a_body_that_ends_early_or_goes_on_is_none() {
    for (name, message) in samples() {
        let frame = message.frame();
        for end in 4..frame.len() {
            assert!(message.read_alike(&frame[4..end]).is_err(), "{name} up to {end}");
        }
        let longer = [&frame[4..], &[0]].concat();
        assert!(message.read_alike(&longer).is_err(), "{name} and a byte");
    }
}

//! Any bytes, in pieces, are frames or an error; a body that is a message is the only spelling of it.
#![no_main]

use bakeplan::transport::wire::{Answer, Greeting, Hello, Inbox, Message, Request, decode, encode, limits};
use libfuzzer_sys::fuzz_target;

fn spelled_once<M: Message>(body: &[u8]) {
    if let Ok(message) = decode::<M>(body) {
        let mut frame = Vec::new();
        encode(&message, &mut frame).expect("what was read is within the limits");
        assert_eq!(&frame[4..], body);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((piece, data)) = data.split_first() else { return };
    let _ = Hello::read(data);
    // The bytes as one body: a fuzzer need not guess the length.
    spelled_once::<Hello>(data);
    spelled_once::<Greeting>(data);
    spelled_once::<Request>(data);
    spelled_once::<Answer>(data);
    // The bytes as a stream, in pieces.
    let mut inbox = Inbox::default();
    for piece in data.chunks(usize::from(*piece) + 1) {
        inbox.put(piece);
        loop {
            match inbox.take(limits::FRAME) {
                Ok(Some(body)) => spelled_once::<Request>(body),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
});

//! What holds for all messages, and for all bytes.

use bakeplan::recipe::digest::{ArtifactHash, RecipeHash, RecordName};
use bakeplan::transport::wire::{
    Answer, Ask, Content, Delivered, Delivery, Finished, FrameError, Greeting, Hello, Inbox, Input, Inputs,
    MAGIC, Message, Request, Say, WireError, decode, encode, limits,
};
use bakeplan::world::Stream;
use proptest::collection::vec;
use proptest::prelude::*;

use super::golden::frame;
use super::messages::{Any, message};

/// Bytes that a message holds on the heap.
fn heap(message: &Any) -> usize {
    let error = |error: &WireError| error.token.capacity() + error.message.capacity();
    match message {
        Any::Hello(_) | Any::Greeting(Greeting::Welcome { .. }) => 0,
        Any::Greeting(Greeting::Refused(refused)) => error(refused),
        Any::Request(request) => match &request.ask {
            Ask::CreateArtifacts { paths } => {
                paths.capacity() * size_of::<Vec<u8>>() + paths.iter().map(Vec::capacity).sum::<usize>()
            }
            Ask::PutNote { note, .. } => note.capacity(),
            Ask::BakeRecipe { recipe, delivery, .. } => {
                let path = match delivery {
                    Delivery::At { path } => path.capacity(),
                    Delivery::Nowhere | Delivery::Inline => 0,
                };
                recipe.capacity() + path
            }
            Ask::GetInputs | Ask::Cancel { .. } | Ask::GetNote { .. } => 0,
        },
        Any::Answer(answer) => match &answer.say {
            Say::Inputs(Inputs { artifacts, symbols, .. }) => {
                let paths: usize = artifacts.iter().map(|input| input.path.capacity()).sum();
                let named: usize = symbols.iter().map(|(name, path)| name.capacity() + path.capacity()).sum();
                let lists = artifacts.capacity() * size_of::<Input>() + symbols.capacity() * 48;
                paths + named + lists
            }
            Say::Artifacts(made) => {
                let errors: usize = made.iter().filter_map(|made| made.as_ref().err()).map(error).sum();
                errors + made.capacity() * size_of::<Result<ArtifactHash, WireError>>()
            }
            Say::BakeFinished(Finished::Succeeded(Delivered { contents, .. })) => {
                let bytes: usize = contents.iter().map(|it| it.name.capacity() + it.bytes.capacity()).sum();
                bytes + contents.capacity() * size_of::<Content>()
            }
            Say::Log { bytes, .. } | Say::Note(Some(bytes)) => bytes.capacity(),
            Say::Error(refused) => error(refused),
            _ => 0,
        },
    }
}

/// Reads a body as each kind of message.
fn each_way(body: &[u8]) -> Vec<Any> {
    let all = [
        decode(body).map(Any::Hello),
        decode(body).map(Any::Greeting),
        decode(body).map(Any::Request),
        decode(body).map(Any::Answer),
    ];
    all.into_iter().flatten().collect()
}

/// The one spelling of a message.
fn spelled_once(body: &[u8]) -> Result<(), TestCaseError> {
    for message in each_way(body) {
        let frame = message.frame();
        prop_assert_eq!(&frame[4..], body);
        prop_assert!(
            heap(&message) <= 16 * body.len() + 4096,
            "{} bytes from {}",
            heap(&message),
            body.len()
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_that_is_written_is_read(message in message()) {
        let frame = message.frame();
        prop_assert_eq!(message.read_alike(&frame[4..]), Ok(message));
    }

    #[test]
    fn any_bytes_are_no_message_or_one_that_is_spelled_so(body in vec(any::<u8>(), 0..200)) {
        spelled_once(&body)?;
    }

    #[test]
    fn a_message_with_a_byte_changed_is_another_or_none(
        message in message(), at in any::<prop::sample::Index>(), to in any::<u8>(),
    ) {
        let mut body = message.frame().split_off(4);
        let at = at.index(body.len());
        body[at] = to;
        spelled_once(&body)?;
        let _ = Hello::read(&body);
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut(
        messages in vec(message(), 0..6), cuts in vec(1_usize..500, 1..20),
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(Any::frame).collect();
        let (mut inbox, mut rest, mut came) = (Inbox::default(), stream.as_slice(), Vec::new());
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at(rest.len().min(*cut));
            inbox.put(now);
            while let Some(body) = inbox.take(limits::FRAME).expect("frames") {
                came.push(messages[came.len()].read_alike(body).expect("a message"));
            }
            rest = later;
            if now.is_empty() {
                break;
            }
        }
        prop_assert_eq!(came, messages);
        prop_assert!(inbox.is_empty());
    }
}

fn request(ask: Ask) -> Request {
    Request { id: 1, ask }
}

fn answer(say: Say) -> Answer {
    Answer { id: 1, say }
}

/// What has `at_most` of something is written and read; what has one more is neither.
fn limited<M: Message + std::fmt::Debug + PartialEq>(make: impl Fn(usize) -> M, at_most: usize) {
    let largest = make(at_most);
    assert_eq!(decode::<M>(&frame(&largest)[4..]), Ok(largest));
    let mut into = b"before".to_vec();
    assert_eq!(encode(&make(at_most + 1), &mut into), Err(FrameError::OverLimit));
    assert_eq!(into, b"before");
}

#[test]
fn each_limit_holds_where_it_is_written() {
    let name = RecordName::of(b"");
    let input = || Input { artifact: ArtifactHash::of(b""), path: b"/a".to_vec() };
    let inputs = |inputs| answer(Say::Inputs(inputs));
    let path = |length| vec![b'/'; length];
    limited(|n| request(Ask::CreateArtifacts { paths: vec![path(n)] }), limits::PATH);
    limited(|n| request(Ask::CreateArtifacts { paths: vec![path(1); n] }), limits::PATHS);
    limited(|n| answer(Say::Artifacts(vec![Ok(ArtifactHash::of(b"")); n])), limits::PATHS);
    limited(
        |n| request(Ask::BakeRecipe { recipe: vec![b' '; n], delivery: Delivery::Nowhere, detached: false }),
        limits::RECIPE,
    );
    limited(
        |n| {
            request(Ask::BakeRecipe {
                recipe: vec![],
                delivery: Delivery::At { path: path(n) },
                detached: false,
            })
        },
        limits::PATH,
    );
    limited(|n| request(Ask::PutNote { name, note: vec![0; n] }), limits::NOTE);
    limited(|n| answer(Say::Note(Some(vec![0; n]))), limits::NOTE);
    let delivered = |contents| {
        let (artifact, recipe) = (ArtifactHash::of(b""), RecipeHash::of(b""));
        answer(Say::BakeFinished(Finished::Succeeded(Delivered {
            artifact,
            recipe,
            hit: true,
            took: 0,
            contents,
        })))
    };
    let content = |name, bytes| Content { name: vec![b'n'; name], bytes: vec![0; bytes] };
    limited(|n| delivered(vec![content(1, 1); n]), limits::CONTENTS);
    limited(|n| delivered(vec![content(n, 1)]), limits::NAME);
    limited(|n| delivered(vec![content(1, n)]), limits::INLINE);
    limited(|n| answer(Say::Log { stream: Stream::Stdout, bytes: vec![0; n] }), limits::LOG);
    limited(
        |n| inputs(Inputs { artifacts: (0..n).map(|_| input()).collect(), ..Inputs::default() }),
        limits::ARTIFACTS,
    );
    limited(|n| inputs(Inputs { scratch: path(n), ..Inputs::default() }), limits::PATH);
    limited(
        |n| inputs(Inputs { symbols: vec![(String::new(), vec![]); n], ..Inputs::default() }),
        limits::SYMBOLS,
    );
    limited(
        |n| inputs(Inputs { symbols: vec![("s".repeat(n), vec![])], ..Inputs::default() }),
        limits::SYMBOL,
    );
    limited(
        |n| answer(Say::Error(WireError { token: "t".repeat(n), message: String::new() })),
        limits::TOKEN,
    );
    limited(
        |n| answer(Say::Error(WireError { token: String::new(), message: "m".repeat(n) })),
        limits::MESSAGE,
    );
}

#[test]
fn each_limit_holds_where_it_is_read() {
    // `CreateArtifacts` with a path of one byte too many; the same of a log, a token, a list, a text.
    let bytes = |start: &[u8], length: [u8; 2], count: usize| [start, &length, &vec![1; count]].concat();
    assert!(decode::<Request>(&bytes(&[1, 1, 1], [0x80, 0x20], 4096)).is_ok());
    assert!(decode::<Request>(&bytes(&[1, 1, 1], [0x81, 0x20], 4097)).is_err());
    assert!(decode::<Answer>(&[&[1, 2, 0, 0x81, 0x80, 1][..], &vec![0; 16385]].concat()).is_err());
    assert!(decode::<Answer>(&[&[1, 6, 65][..], &[b'a'; 65], &[0]].concat()).is_err());
    // A list of 4,097 inputs, each 34 bytes.
    let input = [&[32][..], &[0; 32], &[0]].concat();
    let list = |count: u16, items| {
        let length = [
            u8::try_from(count & 127).expect("seven bits") | 128,
            u8::try_from(count >> 7).expect("six bits"),
        ];
        [&[1, 0][..], &length, &input.repeat(items), &[0, 0, 0, 0]].concat()
    };
    assert!(decode::<Answer>(&list(4096, 4096)).is_ok());
    assert!(decode::<Answer>(&list(4097, 4097)).is_err());
    assert!(decode::<Answer>(&list(4096, 1)).is_err());
}

#[test]
fn a_frame_that_is_too_long_is_refused_by_its_length_alone() {
    let mut inbox = Inbox::default();
    inbox.put(&u32::try_from(limits::FRAME + 1).expect("a length").to_le_bytes());
    assert_eq!(inbox.take(limits::FRAME), Err(FrameError::TooLong { limit: limits::FRAME }));
    let mut inbox = Inbox::default();
    inbox.put(&u32::MAX.to_le_bytes());
    assert!(inbox.take(limits::FRAME).is_err());
    // A whole that is beyond the limit though its parts are within theirs.
    let path = vec![b'/'; limits::PATH];
    let input = Input { artifact: ArtifactHash::of(b""), path };
    let inputs = Inputs { artifacts: vec![input; 300], ..Inputs::default() };
    let long = encode(&answer(Say::Inputs(inputs)), &mut Vec::new());
    assert_eq!(long, Err(FrameError::TooLong { limit: limits::FRAME }));
}

#[test]
fn a_number_is_spelled_one_way() {
    let body = [1, 0];
    assert!(decode::<Request>(&body).is_ok());
    assert!(decode::<Request>(&[0x81, 0, 0]).is_err(), "an id in two bytes that needs one");
    assert!(decode::<Request>(&[1, 0x80, 0]).is_err(), "a variant in two bytes");
}

#[test]
fn another_version_is_told_from_garbage() {
    let token = |body: &[u8]| Hello::read(body).expect_err("refused").token;
    assert_eq!(Hello::read(&[&MAGIC[..], &[3, 0]].concat()), Ok(Hello::new()));
    assert_eq!(token(&[&MAGIC[..], &[2, 0]].concat()), "version");
    assert_eq!(token(&[&MAGIC[..], &[1, 1, 2, 3]].concat()), "version", "whatever that version says");
    assert_eq!(token(&[&MAGIC[..], &[3]].concat()), "malformed");
    assert_eq!(token(&[&MAGIC[..], &[3, 0, 0]].concat()), "malformed");
    assert_eq!(token(&MAGIC), "malformed");
    assert_eq!(token(b"GET / HTTP/1.1"), "not-bakeplan");
    assert_eq!(token(b""), "not-bakeplan");
}

#[test]
fn a_long_message_of_an_error_is_cut_between_characters() {
    let error = WireError::new("é".repeat(40), "é".repeat(5000));
    assert_eq!((error.token.len(), error.message.len()), (64, 4096));
    assert_eq!(WireError::new("a", format!("x{}", "é".repeat(5000))).message.len(), 4095);
    frame(&answer(Say::Error(error)));
}

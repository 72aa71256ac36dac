//! Messages: some of each kind, and any.

use bakeplan::recipe::digest::{ArtifactHash, RecipeHash, RecordName};
use bakeplan::transport::wire::{
    Answer, Ask, Content, Delivered, Delivery, Finished, Greeting, Hello, Input, Inputs, MAGIC, NOBODY,
    Request, Say, VERSION, WireError, limits,
};
use bakeplan::world::Stream;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// A message of any kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Any {
    Hello(Hello),
    Greeting(Greeting),
    Request(Request),
    Answer(Answer),
}

fn request(id: u32, ask: Ask) -> Any {
    Any::Request(Request { id, ask })
}

fn answer(id: u32, say: Say) -> Any {
    Any::Answer(Answer { id, say })
}

/// One of each kind at least, by name: what `fixtures/wire/frames.tsv` holds.
pub fn samples() -> Vec<(&'static str, Any)> {
    let mut all = greetings();
    all.extend(requests());
    all.extend(answers());
    all
}

fn greetings() -> Vec<(&'static str, Any)> {
    vec![
        ("hello", Any::Hello(Hello::new())),
        (
            "hello-of-another",
            Any::Hello(Hello {
                magic: *b"something"[..8].first_chunk().expect("8"),
                version: 300,
                capabilities: u64::MAX,
            }),
        ),
        ("welcome", Any::Greeting(Greeting::Welcome { magic: MAGIC, version: VERSION, capabilities: 0 })),
        (
            "refused",
            Any::Greeting(Greeting::Refused(WireError::new(
                "version",
                "the client speaks version 2, the host version 1",
            ))),
        ),
    ]
}

fn requests() -> Vec<(&'static str, Any)> {
    let name = RecordName::of(b"a name");
    vec![
        ("get-inputs", request(0, Ask::GetInputs)),
        (
            "create-artifacts",
            request(1, Ask::CreateArtifacts { paths: vec![b"/tmp/a.i".to_vec(), b"/tmp/b".to_vec()] }),
        ),
        (
            "bake-recipe",
            request(
                127,
                Ask::BakeRecipe {
                    recipe: br#"{"type":"directory","entries":{}}"#.to_vec(),
                    delivery: Delivery::At { path: b"/home/x/work/\xffout".to_vec() },
                    detached: false,
                },
            ),
        ),
        (
            "bake-recipe-detached",
            request(
                128,
                Ask::BakeRecipe { recipe: b"{}".to_vec(), delivery: Delivery::Nowhere, detached: true },
            ),
        ),
        (
            "bake-recipe-inline",
            request(
                1,
                Ask::BakeRecipe { recipe: b"{}".to_vec(), delivery: Delivery::Inline, detached: false },
            ),
        ),
        ("cancel", request(7, Ask::Cancel { of: 300 })),
        ("get-note", request(u32::MAX - 1, Ask::GetNote { name })),
        ("put-note", request(16384, Ask::PutNote { name, note: vec![0, 255, 128] })),
    ]
}

fn answers() -> Vec<(&'static str, Any)> {
    let (artifact, recipe) = (ArtifactHash::of(b"artifact"), RecipeHash::of(b"recipe"));
    let inputs = Inputs {
        artifacts: vec![
            Input { artifact, path: b"/home/x/locals/a".to_vec() },
            Input { artifact, path: b"/b".to_vec() },
        ],
        symbols: vec![
            ("home_dir".into(), b"/home/x".to_vec()),
            ("work_dir".into(), b"/home/x/work".to_vec()),
        ],
        scratch: b"/tmp".to_vec(),
        like_a_bake: true,
        recipe: Some(recipe),
    };
    vec![
        ("inputs", answer(0, Say::Inputs(inputs))),
        ("inputs-none", answer(0, Say::Inputs(Inputs::default()))),
        (
            "artifacts",
            answer(1, Say::Artifacts(vec![Ok(artifact), Err(WireError::new("not-there", "gone"))])),
        ),
        ("log-stdout", answer(127, Say::Log { stream: Stream::Stdout, bytes: b"made it\n".to_vec() })),
        ("log-stderr", answer(127, Say::Log { stream: Stream::Stderr, bytes: b"\x1b[1m".to_vec() })),
        (
            "bake-succeeded",
            answer(
                127,
                Say::BakeFinished(Finished::Succeeded(Delivered {
                    artifact,
                    recipe,
                    hit: true,
                    took: 1_234_567,
                    contents: vec![Content { name: b"object".to_vec(), bytes: b"\x7fELF".to_vec() }],
                })),
            ),
        ),
        ("bake-failed", answer(128, Say::BakeFinished(Finished::Failed { why: "exit status 1".into() }))),
        ("note", answer(5, Say::Note(Some(vec![1, 2, 3])))),
        ("note-none", answer(5, Say::Note(None))),
        ("noted", answer(6, Say::Noted)),
        ("error", answer(2, Say::Error(WireError::new("recipe", "args[2]: unknown field \"x\"")))),
        ("alive", answer(127, Say::Alive)),
        ("closing", answer(NOBODY, Say::Error(WireError::new("stopping", "the host ends")))),
    ]
}

fn digest() -> impl Strategy<Value = [u8; 32]> {
    any::<[u8; 32]>()
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 0..limits::PATH)]
}

fn error() -> impl Strategy<Value = WireError> {
    ("[a-z-]{0,64}", "\\PC{0,80}").prop_map(|(token, message)| WireError::new(token, message))
}

fn made() -> impl Strategy<Value = Result<ArtifactHash, WireError>> {
    prop_oneof![digest().prop_map(|hash| Ok(ArtifactHash::from_bytes(hash))), error().prop_map(Err)]
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![
        Just(Delivery::Nowhere),
        bytes().prop_map(|path| Delivery::At { path }),
        Just(Delivery::Inline),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let name = || digest().prop_map(RecordName::from_bytes);
    prop_oneof![
        Just(Ask::GetInputs),
        vec(bytes(), 0..4).prop_map(|paths| Ask::CreateArtifacts { paths }),
        (bytes(), delivery(), any::<bool>()).prop_map(|(recipe, delivery, detached)| Ask::BakeRecipe {
            recipe,
            delivery,
            detached
        }),
        any::<u32>().prop_map(|of| Ask::Cancel { of }),
        name().prop_map(|name| Ask::GetNote { name }),
        (name(), bytes()).prop_map(|(name, note)| Ask::PutNote { name, note }),
    ]
}

fn inputs() -> impl Strategy<Value = Inputs> {
    let input = (digest().prop_map(ArtifactHash::from_bytes), bytes());
    let symbol = ("[a-z_]{0,64}", bytes());
    let recipe = option::of(digest().prop_map(RecipeHash::from_bytes));
    let all = (vec(input, 0..9), vec(symbol, 0..9), vec(any::<u8>(), 0..limits::PATH), any::<bool>(), recipe);
    all.prop_map(|(inputs, symbols, scratch, like_a_bake, recipe)| Inputs {
        artifacts: inputs.into_iter().map(|(artifact, path)| Input { artifact, path }).collect(),
        symbols,
        scratch,
        like_a_bake,
        recipe,
    })
}

fn content() -> impl Strategy<Value = Content> {
    (vec(any::<u8>(), 0..limits::NAME), bytes()).prop_map(|(name, bytes)| Content { name, bytes })
}

fn finished() -> impl Strategy<Value = Finished> {
    prop_oneof![
        (digest(), digest(), any::<bool>(), any::<u64>(), vec(content(), 0..4)).prop_map(
            |(artifact, recipe, hit, took, contents)| {
                let (artifact, recipe) = (ArtifactHash::from_bytes(artifact), RecipeHash::from_bytes(recipe));
                Finished::Succeeded(Delivered { artifact, recipe, hit, took, contents })
            }
        ),
        "\\PC{0,80}".prop_map(|why| Finished::Failed { why }),
    ]
}

fn say() -> impl Strategy<Value = Say> {
    let stream = any::<bool>().prop_map(|out| if out { Stream::Stdout } else { Stream::Stderr });
    prop_oneof![
        inputs().prop_map(Say::Inputs),
        vec(made(), 0..4).prop_map(Say::Artifacts),
        (stream, bytes()).prop_map(|(stream, bytes)| Say::Log { stream, bytes }),
        finished().prop_map(Say::BakeFinished),
        option::of(bytes()).prop_map(Say::Note),
        Just(Say::Noted),
        error().prop_map(Say::Error),
        Just(Say::Alive),
    ]
}

/// Any message.
pub fn message() -> impl Strategy<Value = Any> {
    let greeting = prop_oneof![
        (any::<[u8; 8]>(), any::<u16>(), any::<u64>())
            .prop_map(|(magic, version, capabilities)| Greeting::Welcome { magic, version, capabilities }),
        error().prop_map(Greeting::Refused),
    ];
    prop_oneof![
        (any::<[u8; 8]>(), any::<u16>(), any::<u64>())
            .prop_map(|(magic, version, capabilities)| Any::Hello(Hello { magic, version, capabilities })),
        greeting.prop_map(Any::Greeting),
        (any::<u32>(), ask()).prop_map(|(id, ask)| request(id, ask)),
        (any::<u32>(), say()).prop_map(|(id, say)| answer(id, say)),
    ]
}

//! Paths below roots: there and back.

use bakeplan::paths::{Located, PathMap, PathMapError};
use bakeplan::recipe::{Component, Recipe, Symbol, Template};
use proptest::prelude::*;

fn map() -> PathMap<&'static str> {
    PathMap::named([("/home/u", "~home"), ("/home/u/work/", "/work"), ("/tmp", "/t m\u{f8}"), ("/o", "/out")])
        .unwrap()
}

fn mapped(path: &[u8]) -> Vec<u8> {
    map().map(path).unwrap().into_owned()
}

#[test]
fn the_longest_root_of_whole_components_counts() {
    let cases: [(&[u8], &[u8]); 15] = [
        (b"/home/u/work/a.c", b"/work/a.c"),
        (b"/home/u/work", b"/work"),
        (b"/home/u/work/", b"/work/"),
        (b"/home/u/work//a.c", b"/work//a.c"),
        (b"/home/u/work/./a/../a.c", b"/work/./a/../a.c"),
        (b"/home/u/workshop/a.c", b"~home/workshop/a.c"),
        (b"/home/u/\xff\n", b"~home/\xff\n"),
        (b"/home/us", b"/home/us"),
        (b"/home", b"/home"),
        (b"/tmp/x", "/t m\u{f8}/x".as_bytes()),
        (b"/other", b"/other"),
        (b"", b""),
        (b"a/home/u", b"a/home/u"),
        // Spelled in another way, or leading out again: left as it is.
        (b"/home//u/a", b"/home//u/a"),
        (b"/home/u/work/a/../../b", b"/home/u/work/a/../../b"),
    ];
    for (path, expected) in cases {
        assert_eq!(mapped(path).escape_ascii().to_string(), expected.escape_ascii().to_string());
        assert_eq!(*map().unmap(expected), *path);
    }
}

#[test]
fn a_path_that_would_come_back_as_another_is_refused() {
    for path in ["/work", "/work/a.c", "~home", "/out/x"] {
        assert_eq!(map().map(path.as_bytes()), Err(PathMapError::Clash(path.into())));
    }
    for path in ["/works", "~homes", "/outer"] {
        assert_eq!(mapped(path.as_bytes()), path.as_bytes());
    }
}

#[test]
fn roots_are_plain_and_given_once() {
    for root in ["", "/", "//", "a", "a/b", "/a//b", "/a/./b", "/a/..", "/.", "/a\0b"] {
        assert_eq!(PathMap::new([(root, ())]), Err(PathMapError::Root(root.into())), "{root:?}");
    }
    assert_eq!(PathMap::new([("/a", 1), ("/a/", 2)]), Err(PathMapError::Twice("/a".into())));
    let sorted = PathMap::new([("/a", 1), ("/a/b/", 2), ("/b", 3)]).unwrap();
    assert_eq!(sorted.roots().collect::<Vec<_>>(), [(&b"/a/b"[..], &2), (b"/a", &1), (b"/b", &3)]);
    assert!(PathMap::<u8>::default().is_empty() && !sorted.is_empty());
}

#[test]
fn names_tell_what_they_stand_for() {
    let named = |a, b| PathMap::named([("/a", a), ("/b", b)]);
    assert_eq!(named("", "x"), Err(PathMapError::Name(String::new())));
    assert_eq!(named("x/", "y"), Err(PathMapError::Name("x/".into())));
    assert_eq!(named("x", "x"), Err(PathMapError::Names("x".into(), "x".into())));
    assert_eq!(named("x/y", "x"), Err(PathMapError::Names("x/y".into(), "x".into())));
    assert!(named("xy", "x").is_ok());
}

#[test]
fn a_root_can_be_a_component_of_a_template() {
    let map: PathMap<Component<Recipe>> = PathMap::new([
        ("/home/u", Component::Symbol(Symbol::HomeDir)),
        ("/home/u/work", Component::Symbol(Symbol::WorkDir)),
    ])
    .unwrap();
    let template = |path: &'static str| {
        let Located { root, rest } = map.locate(path.as_bytes())?;
        Some(Template { components: vec![root.clone()] }.then(rest))
    };
    assert_eq!(template("/home/u/work/a.c"), Some(Template::symbol(Symbol::WorkDir).then("/a.c")));
    assert_eq!(template("/home/u"), Some(Template::symbol(Symbol::HomeDir)));
    assert_eq!(template("/usr"), None);
}

#[test]
fn names_in_text_become_roots_again() {
    let roots = [("/r w/1", "/brioche/work"), ("/r/2", "/brioche/out")];
    let map = PathMap::named(roots).unwrap();
    let plain = |text: &str| {
        let out = map.unmap_text(text.as_bytes(), |root, out| out.extend_from_slice(root));
        String::from_utf8(out).unwrap()
    };
    let cases = [
        ("/brioche/out/a.o: /brioche/work/a.c \\\n /brioche/work\n", "/r/2/a.o: /r w/1/a.c \\\n /r w/1\n"),
        ("\"/brioche/work/a.h\" (/brioche/out):/brioche/out", "\"/r w/1/a.h\" (/r/2):/r/2"),
        ("‘/brioche/work’ “/brioche/out/é”", "‘/r w/1’ “/r/2/é”"),
        ("\x1b[01m\x1b[K/brioche/work/a.c:1:\x1b[m\x1b[K", "\x1b[01m\x1b[K/r w/1/a.c:1:\x1b[m\x1b[K"),
        // Parts of other words and paths.
        ("/brioche/works /x/brioche/work é/brioche/work", "/brioche/works /x/brioche/work é/brioche/work"),
        (
            "K/brioche/work [1m/brioche/work /brioche/work.c",
            "K/brioche/work [1m/brioche/work /brioche/work.c",
        ),
        ("", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(plain(text), expected);
    }
    let escaped = map.unmap_text(b"/brioche/work/a.c", |root, out| {
        out.extend_from_slice(
            &root
                .iter()
                .flat_map(|b| if *b == b' ' { vec![b'\\', b' '] } else { vec![*b] })
                .collect::<Vec<_>>(),
        );
    });
    assert_eq!(escaped, b"/r\\ w/1/a.c");
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        4 => prop::sample::select(vec![&b"a"[..], b"b", b"ab", b"..", b".", b"", b"n"]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    (any::<bool>(), prop::collection::vec(part, 0..6))
        .prop_map(|(absolute, parts)| [if absolute { &b"/"[..] } else { b"" }, &parts.join(&b'/')].concat())
}

proptest! {
    #[test]
    fn there_and_back_is_the_same_path(
        roots in prop::collection::vec(("(/[abn]{1,2}){1,3}", "/?[abn]{1,2}(/[abn]{1,2}){0,2}"), 0..4),
        paths in prop::collection::vec(path(), 1..8),
    ) {
        let Ok(map) = PathMap::named(roots) else { return Ok(()) };
        for path in paths {
            match map.map(&path) {
                Ok(mapped) => prop_assert_eq!(&*map.unmap(&mapped), &path[..]),
                Err(error) => prop_assert!(matches!(error, PathMapError::Clash(_))),
            }
        }
    }

    #[test]
    fn two_paths_never_become_one(a in path(), b in path()) {
        let map = PathMap::named([("/a", "n"), ("/a/b", "/b"), ("/ab", "/n/a")]).unwrap();
        if let (Ok(mapped_a), Ok(mapped_b)) = (map.map(&a), map.map(&b)) {
            prop_assert_eq!(mapped_a == mapped_b, a == b);
        }
    }

    #[test]
    fn text_without_names_stays_as_it_is(text in prop::collection::vec(any::<u8>(), 0..64)) {
        let map = PathMap::named([("/a", "/brioche/work")]).unwrap();
        prop_assert_eq!(map.unmap_text(&text, |_, _| ()), text);
    }
}

//! What a process gave, and what the store has lost since: nothing wrong comes of it, and the next try works. The host
//! believes for a minute that what it has just seen in the store is still there.

use std::fs;
use std::path::{Path, PathBuf};

use super::support::*;
use bakeplan::host::{Grants, Session};
use bakeplan::recipe::digest::{ArtifactHash, BlobDigest};
use bakeplan::recipe::{Artifact, Recipe};
use bakeplan::transport::socket::Deliver;
use bakeplan::transport::wire::{Delivered, Finished};

/// How a recipe names what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// As an input of a process.
    Input,
    /// By its hash.
    Proxy,
    /// As an entry of a directory.
    Entry,
}

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    Blob,
    /// The bytes are others.
    Damaged,
    /// The bytes are fewer.
    Cut,
    FileRecord,
    DirectoryRecord,
}

const TEXT: &str = "a header that many sources include\n";

struct Case {
    host: Host,
    session: Grants,
}

impl Case {
    fn new() -> Self {
        let host = Host::new();
        let session = host.session(&[]);
        fs::create_dir(host.path("outer/dir")).unwrap();
        fs::write(host.path("outer/dir/a.h"), TEXT).unwrap();
        // What was changed just now is not known by its looks.
        std::thread::sleep(std::time::Duration::from_millis(50));
        let case = Self { host, session };
        // Once to be hashed, and once to be seen in the store.
        case.give();
        case.give();
        case
    }

    /// The directory, and the file in it.
    fn give(&self) -> [ArtifactHash; 2] {
        ["/outer/dir", "/outer/dir/a.h"].map(|path| give(&self.session, path.as_ref()).unwrap())
    }

    fn stored(&self, kind: &str, name: &str) -> PathBuf {
        let found = find(&self.host.path("store/v1").join(kind), name);
        found.unwrap_or_else(|| panic!("{kind} {name} is not in the store"))
    }

    fn lose(&self, lost: Lost, [directory, file]: [ArtifactHash; 2]) {
        let blob = self.stored("blobs", &BlobDigest::of(TEXT.as_bytes()).to_hex());
        match lost {
            Lost::Blob => fs::remove_file(blob).unwrap(),
            Lost::Damaged => fs::write(blob, TEXT.to_uppercase()).unwrap(),
            Lost::Cut => fs::write(blob, "a").unwrap(),
            Lost::FileRecord => fs::remove_file(self.stored("artifacts", &file.to_hex())).unwrap(),
            Lost::DirectoryRecord => fs::remove_file(self.stored("artifacts", &directory.to_hex())).unwrap(),
        }
    }

    /// A recipe that names what was given, and has its text as the output's `said`.
    fn recipe(&self, named: Named, [directory, _]: [ArtifactHash; 2]) -> Recipe {
        let artifact = self.host.engine.artifacts().need(&directory).unwrap();
        let given = match named {
            Named::Input => Recipe::from(artifact),
            Named::Proxy => Recipe::Proxy { recipe: directory.into() },
            Named::Entry => {
                let Artifact::Directory(inner) = artifact else { panic!("no directory") };
                super::support::directory(&[(
                    "a.h",
                    Recipe::Proxy { recipe: inner.entries[&"a.h".into()].into() },
                )])
            }
        };
        with_input(shell("read -r line <\"$in/a.h\"; echo \"$line\" >\"$out\""), "in", given).into()
    }

    fn bake(&self, recipe: &Recipe) -> Result<Delivered, String> {
        match self.session.bake(recipe, Deliver::Inline, &Waiter::default()) {
            Ok(Finished::Succeeded(delivered)) => {
                assert_eq!(delivered.contents[0].bytes, TEXT.as_bytes(), "a wrong object");
                Ok(delivered)
            }
            Ok(Finished::Failed { why }) => panic!("{why}"),
            Err(error) => Err(error.token),
        }
    }
}

/// The file of this name somewhere below a directory.
fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    let mut entries = fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    entries.find_map(|path| {
        if path.is_dir() {
            return find(&path, name);
        }
        path.file_name().is_some_and(|is| is.to_string_lossy().starts_with(name)).then_some(path)
    })
}

#[test]
fn what_is_in_a_directory_that_was_lost_is_the_processs_again() {
    let case = Case::new();
    let session = case.host.session(&[]);
    let directory = || give(&session, "/outer/dir".as_ref()).unwrap();
    let given = [directory(), case.give()[1]];
    let inner = Recipe::from(case.host.engine.artifacts().need(&given[1]).unwrap());
    let baked = || session.bake(&inner, Deliver::Nowhere, &Waiter::default()).map_err(|error| error.token);
    case.lose(Lost::DirectoryRecord, given);
    assert_eq!(baked().unwrap_err(), "not-granted", "nobody can tell what was in it");
    assert_eq!(directory(), given[0]);
    assert!(baked().is_ok());
}

#[test]
fn what_was_lost_is_missing_and_then_given_anew() {
    for lost in [Lost::Blob, Lost::Damaged, Lost::Cut, Lost::FileRecord, Lost::DirectoryRecord] {
        for named in [Named::Input, Named::Proxy, Named::Entry] {
            let case = Case::new();
            let given = case.give();
            let recipe = case.recipe(named, given);
            case.lose(lost, given);
            let first = case.bake(&recipe);
            let is_expected = first.as_ref().map_or_else(|token| token == "missing", |_| true);
            assert!(is_expected, "{lost:?}, {named:?}: {first:?}");
            assert_eq!(case.give(), given);
            let again = case.bake(&recipe);
            assert!(again.is_ok(), "{lost:?}, {named:?}: {first:?}, then {again:?}");
            assert!(case.bake(&recipe).unwrap().hit);
            let verified = case.host.engine.verify().unwrap();
            assert!(
                verified.is_clean() && verified.incomplete.is_empty(),
                "{lost:?}, {named:?}: {verified:?}"
            );
        }
    }
}

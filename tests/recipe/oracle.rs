//! Recipes made at random, and what they must agree with.

use std::collections::{BTreeMap, BTreeSet};

use bakeplan::recipe::{
    ArchiveFormat, Artifact, ArtifactKind, ByteString, CompleteProcessRecipe, Component, CompressionFormat,
    Directory, Download, DownloadHash, DownloadUrl, File, Platform, ProcessRecipe, Recipe, Symbol, Template,
    digest::{ArtifactHash, BlobDigest, RecipeHash},
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub(super) fn bytes() -> impl Strategy<Value = ByteString> {
    let any_bytes = vec(any::<u8>(), 0..12).prop_map(ByteString::from);
    prop_oneof![any_bytes, "[ -~\t\n\r`]{0,12}".prop_map(ByteString::from)]
}

fn directory() -> impl Strategy<Value = Directory> {
    let hash = any::<[u8; 32]>().prop_map(ArtifactHash::from_bytes);
    btree_map(bytes(), hash, 0..3).prop_map(|entries| Directory { entries })
}

pub(super) fn artifact() -> impl Strategy<Value = Artifact> {
    let file = (any::<[u8; 32]>(), any::<bool>(), directory()).prop_map(|(blob, executable, resources)| {
        Artifact::File(File { content_blob: BlobDigest::from_bytes(blob), executable, resources })
    });
    let symlink = bytes().prop_map(|target| Artifact::Symlink { target });
    prop_oneof![file, symlink, directory().prop_map(Artifact::Directory)]
}

fn template<I: std::fmt::Debug + Clone + 'static>(
    input: impl Strategy<Value = I> + Clone + 'static,
) -> impl Strategy<Value = Template<I>> + Clone {
    let component = prop_oneof![
        bytes().prop_map(Component::Literal),
        select(Symbol::ALL.to_vec()).prop_map(Component::Symbol),
        input.prop_map(Component::Input),
    ];
    // Hashing is about any template, not just those that the builder joins.
    vec(component, 0..3).prop_map(|components| Template { components }).boxed()
}

fn platform() -> impl Strategy<Value = Platform> {
    select(vec![Platform::X86_64Linux, Platform::Aarch64Linux])
}

fn process(recipe: BoxedStrategy<Recipe>) -> impl Strategy<Value = Recipe> {
    let template = template(recipe.clone());
    let current_dir = prop_oneof![Just(Template::symbol(Symbol::WorkDir)), template.clone()];
    (
        template.clone(),
        vec(template.clone(), 0..3),
        btree_map(bytes(), template, 0..3),
        current_dir,
        vec(recipe.clone(), 0..2),
        recipe.clone(),
        option::of(recipe),
        platform(),
        any::<bool>(),
    )
        .prop_map(
            |(command, args, env, current_dir, dependencies, work_dir, scaffold, platform, networking)| {
                Recipe::from(ProcessRecipe {
                    command,
                    args,
                    env,
                    current_dir,
                    dependencies,
                    work_dir: Box::new(work_dir),
                    output_scaffold: scaffold.map(Box::new),
                    platform,
                    networking,
                })
            },
        )
}

fn complete_process() -> impl Strategy<Value = Recipe> {
    let template = template(artifact().boxed());
    (
        template.clone(),
        vec(template.clone(), 0..3),
        btree_map(bytes(), template.clone(), 0..3),
        template,
        directory(),
        option::of(artifact()),
        platform(),
        any::<bool>(),
    )
        .prop_map(|(command, args, env, current_dir, work_dir, scaffold, platform, networking)| {
            Recipe::from(CompleteProcessRecipe {
                command,
                args,
                env,
                current_dir,
                work_dir,
                output_scaffold: scaffold.map(Box::new),
                platform,
                networking,
            })
        })
}

fn leaf() -> impl Strategy<Value = Recipe> {
    let url = "[a-z]{1,8}(\\.[a-z]{2,3})?(:8080)?/[a-zA-Z0-9/_~-]{0,9}(\\?[a-z=&]{0,5})?(#[a-z]{0,3})?"
        .prop_filter_map("the URL has a normal form", |rest| {
            DownloadUrl::new(&format!("https://{rest}")).ok()
        });
    let download = (url, vec(any::<u8>(), 0..33))
        .prop_map(|(url, digest)| Recipe::Download(Download { url, hash: DownloadHash::Sha256(digest) }));
    prop_oneof![
        4 => artifact().prop_map(Recipe::from),
        1 => any::<[u8; 32]>().prop_map(|hash| Recipe::Proxy { recipe: RecipeHash::from_bytes(hash) }),
        1 => download,
        1 => complete_process(),
    ]
}

pub(super) fn recipe() -> impl Strategy<Value = Recipe> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let inner = inner.boxed();
        let boxed = inner.clone().prop_map(Box::new).boxed();
        let patterns = btree_set(bytes(), 0..3).prop_map(BTreeSet::from);
        let kinds = vec![ArtifactKind::File, ArtifactKind::Symlink, ArtifactKind::Directory];
        let archives = vec![ArchiveFormat::Tar, ArchiveFormat::Zip];
        let compressions = vec![
            CompressionFormat::None,
            CompressionFormat::Bzip2,
            CompressionFormat::Gzip,
            CompressionFormat::Xz,
            CompressionFormat::Zstd,
        ];
        prop_oneof![
            4 => process(inner.clone()),
            1 => (any::<[u8; 32]>(), any::<bool>(), boxed.clone()).prop_map(|(blob, executable, resources)| {
                Recipe::File { content_blob: BlobDigest::from_bytes(blob), executable, resources }
            }),
            1 => (bytes(), any::<bool>(), boxed.clone()).prop_map(|(content, executable, resources)| {
                Recipe::CreateFile { content, executable, resources }
            }),
            1 => btree_map(bytes(), inner.clone(), 0..3)
                .prop_map(|entries: BTreeMap<_, _>| Recipe::CreateDirectory { entries }),
            1 => vec(inner, 0..3).prop_map(|directories| Recipe::Merge { directories }),
            1 => (boxed.clone(), bytes()).prop_map(|(directory, path)| Recipe::Get { directory, path }),
            1 => (boxed.clone(), bytes(), option::of(boxed.clone()))
                .prop_map(|(directory, path, recipe)| Recipe::Insert { directory, path, recipe }),
            1 => (boxed.clone(), patterns)
                .prop_map(|(directory, patterns)| Recipe::Glob { directory, patterns }),
            1 => (boxed.clone(), any::<u32>()).prop_map(|(directory, depth)| Recipe::Peel { directory, depth }),
            1 => (boxed.clone(), select(kinds)).prop_map(|(recipe, to)| Recipe::Cast { recipe, to }),
            1 => (boxed.clone(), any::<Option<bool>>())
                .prop_map(|(file, executable)| Recipe::SetPermissions { file, executable }),
            1 => boxed.clone().prop_map(|recipe| Recipe::CollectReferences { recipe }),
            1 => boxed.clone().prop_map(|recipe| Recipe::AttachResources { recipe }),
            1 => boxed.clone().prop_map(|recipe| Recipe::Sync { recipe }),
            1 => (boxed, select(archives), select(compressions))
                .prop_map(|(file, archive, compression)| Recipe::Unarchive { file, archive, compression }),
        ]
    })
}

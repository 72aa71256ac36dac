//! A unit as a recipe: its compile as a Brioche process, with its preprocessed text as the one input.
//!
//! Shape *preprocessed*: the work directory holds the text as one file, named after the source. The
//! compiler is named by its path; a transport that knows the compiler's artifact names that instead. No
//! path is mapped.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use crate::argparse::{Invocation, Mode, OutputKind, Role};
use crate::planner::Unit;
use crate::recipe::digest::BlobDigest;
use crate::recipe::{
    Artifact, ByteString, Compile, Directory, File, Platform, ProcessTemplate, Recipe, Symbol, Template,
    compile_process,
};

/// What a unit's recipe is made of, beside the plan.
#[derive(Debug, Clone, Copy)]
pub struct RecipeInputs<'a> {
    /// The invocation.
    pub invocation: &'a Invocation,
    /// The unit of it.
    pub unit: &'a Unit,
    /// The compiler's path.
    pub compiler: &'a Path,
    /// `PATH`, by which gcc finds the assembler.
    pub search_path: Option<&'a OsStr>,
    /// The preprocessed text.
    pub text: BlobDigest,
    /// The machine.
    pub platform: Platform,
}

/// The recipe of a unit.
#[must_use]
pub fn unit_recipe(inputs: &RecipeInputs<'_>) -> Recipe {
    let RecipeInputs { invocation, unit, compiler, search_path, text, platform } = *inputs;
    let (language, extension) = preprocessed_language(unit.source.language.name);
    let stem = Path::new(&unit.source.path).file_stem().unwrap_or_default();
    let name = [stem.as_encoded_bytes(), b".", extension.as_bytes()].concat();

    let goes = |role| matches!(role, Role::Compile | Role::Assemble | Role::Presentation | Role::Driver);
    let given = invocation.args.iter().filter(|arg| goes(arg.role)).flat_map(|arg| &arg.tokens);
    let mut args: Vec<ProcessTemplate> =
        given.map(|token| Template::literal(token.as_encoded_bytes().to_vec())).collect();
    args.extend(unit.source.naming.iter().map(|token| Template::literal(token.as_encoded_bytes().to_vec())));
    let (stop, kind) = match invocation.mode {
        Mode::Assembly => ("-S", OutputKind::Assembly),
        _ => ("-c", OutputKind::Object),
    };
    args.extend([stop, "-x", language].map(Template::literal));
    args.push(Template::literal(name.clone()));
    args.push(Template::literal("-o"));
    args.push(Template::symbol(Symbol::OutputPath).then(format!("/{}", kind.name()).into_bytes()));

    let text = Artifact::File(File::new(text, false));
    let entries = BTreeMap::from([(ByteString::from(name), text.hash())]);
    let mut env = BTreeMap::from([
        (ByteString::from("LC_ALL"), Template::literal("C.UTF-8")),
        (ByteString::from("TMPDIR"), Template::symbol(Symbol::TempDir)),
    ]);
    if let Some(path) = search_path {
        env.insert(ByteString::from("PATH"), Template::literal(path.as_encoded_bytes().to_vec()));
    }
    compile_process(Compile {
        compiler: Template::literal(compiler.as_os_str().as_encoded_bytes().to_vec()),
        args,
        env,
        work_dir: Recipe::Directory(Directory { entries }),
        current_dir: Template::symbol(Symbol::WorkDir),
        platform,
    })
}

/// The language of a source's preprocessed text, as for `-x`, and the extension that the drivers give it.
fn preprocessed_language(language: &str) -> (&str, &'static str) {
    match language {
        "c" | "cpp-output" => ("cpp-output", "i"),
        "c++" | "c++-cpp-output" => ("c++-cpp-output", "ii"),
        "objective-c" | "objective-c-cpp-output" => ("objective-c-cpp-output", "mi"),
        "objective-c++" | "objective-c++-cpp-output" => ("objective-c++-cpp-output", "mii"),
        "assembler" | "assembler-with-cpp" => ("assembler", "s"),
        other => (other, "i"),
    }
}

//! Processes: programs that run in a sandbox and leave an artifact.

use std::collections::BTreeMap;

use super::artifact::{Artifact, Directory};
use super::bytes::ByteString;
use super::error::{Cause, Misfit};
use super::json::{Fields, Json, JsonForm};
use super::recipe::{Recipe, RecipeIncomplete};
use super::template::{CompleteProcessTemplate, Input, ProcessTemplate, Symbol, Template};

/// A process whose inputs are recipes.
///
/// There is no field for `unsafe`: it is true in the JSON exactly when an unsafe feature is used, and
/// JSON that says otherwise is refused. The one unsafe feature is `networking`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProcessRecipe {
    /// The program: a path.
    pub command: ProcessTemplate,
    /// Its arguments, without `argv[0]`.
    pub args: Vec<ProcessTemplate>,
    /// Its environment, all of it.
    pub env: BTreeMap<ByteString, ProcessTemplate>,
    /// Where it runs; by default exactly the work directory.
    pub current_dir: ProcessTemplate,
    /// Directories whose `bin` and `brioche-env.d` add to the environment.
    pub dependencies: Vec<Recipe>,
    /// What the work directory holds at the start.
    pub work_dir: Box<Recipe>,
    /// What stands at the output path at the start; nothing when `None`.
    pub output_scaffold: Option<Box<Recipe>>,
    /// For which machines.
    pub platform: Platform,
    /// Whether it sees the network.
    pub networking: bool,
}

/// A process whose inputs are artifacts and whose dependencies are in its environment already.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CompleteProcessRecipe {
    /// As in [`ProcessRecipe`].
    pub command: CompleteProcessTemplate,
    /// As in [`ProcessRecipe`].
    pub args: Vec<CompleteProcessTemplate>,
    /// As in [`ProcessRecipe`].
    pub env: BTreeMap<ByteString, CompleteProcessTemplate>,
    /// As in [`ProcessRecipe`].
    pub current_dir: CompleteProcessTemplate,
    /// As in [`ProcessRecipe`].
    pub work_dir: Directory,
    /// As in [`ProcessRecipe`].
    pub output_scaffold: Option<Box<Artifact>>,
    /// As in [`ProcessRecipe`].
    pub platform: Platform,
    /// As in [`ProcessRecipe`].
    pub networking: bool,
}

/// The machines that a process runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// Linux on 64-bit x86.
    X86_64Linux,
    /// Linux on 64-bit ARM.
    Aarch64Linux,
}

impl Platform {
    const ALL: [Self; 2] = [Self::X86_64Linux, Self::Aarch64Linux];

    /// The platform that this was built for; `None` for one that Brioche does not know.
    #[must_use]
    pub fn current() -> Option<Self> {
        match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => Some(Self::X86_64Linux),
            ("linux", "aarch64") => Some(Self::Aarch64Linux),
            _ => None,
        }
    }

    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64Linux => "x86_64-linux",
            Self::Aarch64Linux => "aarch64-linux",
        }
    }
}

impl ProcessRecipe {
    /// The process as it is once all that it needs is baked.
    ///
    /// # Errors
    /// When it has dependencies (which a host turns into environment variables first), or an input is
    /// not an artifact yet.
    pub fn complete(&self) -> Result<CompleteProcessRecipe, RecipeIncomplete> {
        let Self {
            command,
            args,
            env,
            current_dir,
            dependencies,
            work_dir,
            output_scaffold,
            platform,
            networking,
        } = self;
        let template = |template: &ProcessTemplate| template.try_map(Recipe::to_artifact);
        let Artifact::Directory(work_dir) = work_dir.to_artifact()? else { return Err(RecipeIncomplete) };
        if !dependencies.is_empty() {
            return Err(RecipeIncomplete);
        }
        Ok(CompleteProcessRecipe {
            command: template(command)?,
            args: args.iter().map(template).collect::<Result<_, _>>()?,
            env: env
                .iter()
                .map(|(name, value)| Ok((name.clone(), template(value)?)))
                .collect::<Result<_, _>>()?,
            current_dir: template(current_dir)?,
            work_dir,
            output_scaffold: match output_scaffold {
                Some(scaffold) => Some(Box::new(scaffold.to_artifact()?)),
                None => None,
            },
            platform: *platform,
            networking: *networking,
        })
    }

    pub(super) fn write(&self) -> Json<'_> {
        let Self {
            command,
            args,
            env,
            current_dir,
            dependencies,
            work_dir,
            output_scaffold,
            platform,
            networking,
        } = self;
        Json::object([
            ("type", Some(Json::word("process"))),
            ("command", Some(command.write())),
            ("args", Some(args.write())),
            ("env", Some(env.write())),
            ("currentDir", write_current_dir(current_dir)),
            ("dependencies", (!dependencies.is_empty()).then(|| dependencies.write())),
            ("workDir", Some(work_dir.write())),
            ("outputScaffold", output_scaffold.as_ref().map(JsonForm::write)),
            ("platform", Some(platform.write())),
            ("unsafe", networking.then_some(Json::Bool(true))),
            ("networking", networking.then_some(Json::Bool(true))),
        ])
    }

    pub(super) fn read_fields(fields: &mut Fields<'_>) -> Result<Self, Misfit> {
        Ok(Self {
            command: fields.required("command")?,
            args: fields.required("args")?,
            env: fields.required("env")?,
            current_dir: read_current_dir(fields)?,
            dependencies: fields.optional("dependencies")?.unwrap_or_default(),
            work_dir: fields.required("workDir")?,
            output_scaffold: fields.optional("outputScaffold")?.flatten(),
            platform: fields.required("platform")?,
            networking: read_networking(fields)?,
        })
    }
}

impl CompleteProcessRecipe {
    pub(super) fn write(&self) -> Json<'_> {
        let Self { command, args, env, current_dir, work_dir, output_scaffold, platform, networking } = self;
        Json::object([
            ("type", Some(Json::word("complete_process"))),
            ("command", Some(command.write())),
            ("args", Some(args.write())),
            ("env", Some(env.write())),
            ("currentDir", write_current_dir(current_dir)),
            ("workDir", Some(work_dir.write())),
            ("outputScaffold", output_scaffold.as_ref().map(JsonForm::write)),
            ("platform", Some(platform.write())),
            ("unsafe", networking.then_some(Json::Bool(true))),
            ("networking", networking.then_some(Json::Bool(true))),
        ])
    }

    pub(super) fn read_fields(fields: &mut Fields<'_>) -> Result<Self, Misfit> {
        Ok(Self {
            command: fields.required("command")?,
            args: fields.required("args")?,
            env: fields.required("env")?,
            current_dir: read_current_dir(fields)?,
            work_dir: fields.required("workDir")?,
            output_scaffold: fields.optional("outputScaffold")?.flatten(),
            platform: fields.required("platform")?,
            networking: read_networking(fields)?,
        })
    }
}

fn write_current_dir<I: Input>(current_dir: &Template<I>) -> Option<Json<'_>> {
    (!current_dir.is_symbol(Symbol::WorkDir)).then(|| current_dir.write())
}

fn read_current_dir<I: Input>(fields: &mut Fields<'_>) -> Result<Template<I>, Misfit> {
    Ok(fields.optional("currentDir")?.unwrap_or_else(|| Template::symbol(Symbol::WorkDir)))
}

fn read_networking(fields: &mut Fields<'_>) -> Result<bool, Misfit> {
    let networking = fields.optional("networking")?.unwrap_or(false);
    match (fields.optional("unsafe")?.unwrap_or(false), networking) {
        (false, true) => Err(Cause::UnsafeMissing.into()),
        (true, false) => Err(Cause::UnsafeUnused.into()),
        _ => Ok(networking),
    }
}

impl JsonForm for Platform {
    fn write(&self) -> Json<'_> {
        Json::word(self.name())
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        json.one_of("platform", Self::ALL, Self::name)
    }
}

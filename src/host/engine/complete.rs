//! A process on its way to a complete one: inputs are baked, dependencies become environment, the command is
//! looked up. All as Brioche does it, so that the complete process has the hash that it has there.
//!
//! Each dependency, in order, adds to the environment:
//!
//! | in the dependency | does |
//! |---|---|
//! | `brioche-env.d/env/NAME/…`, symbolic links | each target, as a path in the dependency, is appended to `NAME` after a `:` |
//! | `brioche-env.d/env/NAME`, a symbolic link | its target is the value of `NAME`, if that is empty or not there |
//! | `brioche-env.d/env/NAME`, a file | its bytes are the value of `NAME`, if that is empty or not there |
//! | `bin`, a directory | is appended to `PATH` |
//!
//! A command without a slash is then looked for on `PATH`, whose entries must be places in artifacts.

use std::collections::BTreeMap;

use super::compute::bad;
use super::{Baking, Unbaked};
use crate::recipe::{
    Artifact, ByteString, CompleteProcessRecipe, CompleteProcessTemplate, Component, Directory, File,
    ProcessRecipe, ProcessTemplate,
};

const ENV_DIR: &str = "brioche-env.d/env";

type Environment = BTreeMap<ByteString, CompleteProcessTemplate>;

impl Baking<'_> {
    /// Bakes what a process needs.
    pub(crate) fn complete(&self, process: &ProcessRecipe) -> Result<CompleteProcessRecipe, Unbaked> {
        let ProcessRecipe {
            command,
            args,
            env,
            current_dir,
            dependencies,
            work_dir,
            output_scaffold,
            platform,
            networking,
        } = process;
        let template = |template: &ProcessTemplate| template.try_map(|input| self.input(input));
        let command = template(command)?;
        let args = args.iter().map(template).collect::<Result<_, _>>()?;
        let mut env = env
            .iter()
            .map(|(name, value)| Ok((name.clone(), template(value)?)))
            .collect::<Result<Environment, Unbaked>>()?;
        let current_dir = template(current_dir)?;
        for dependency in dependencies {
            let dependency = self.directory(dependency, "a dependency")?;
            self.engine.artifacts.save(&Artifact::Directory(dependency.clone()))?;
            self.add_environment(&mut env, &dependency)?;
        }
        Ok(CompleteProcessRecipe {
            command: self.look_up(command, env.get(&"PATH".into()))?,
            args,
            env,
            current_dir,
            work_dir: self.directory(work_dir, "the work directory")?,
            output_scaffold: match output_scaffold {
                Some(scaffold) => Some(Box::new(self.recipe(scaffold)?)),
                None => None,
            },
            platform: *platform,
            networking: *networking,
        })
    }

    fn input(&self, recipe: &crate::recipe::Recipe) -> Result<Artifact, Unbaked> {
        let artifact = self.recipe(recipe)?;
        self.engine.artifacts.save(&artifact)?;
        Ok(artifact)
    }

    fn add_environment(&self, env: &mut Environment, dependency: &Directory) -> Result<(), Unbaked> {
        let artifacts = &self.engine.artifacts;
        let whole = || Artifact::Directory(dependency.clone());
        if let Some(Artifact::Directory(variables)) = artifacts.entry(dependency, ENV_DIR.as_bytes())? {
            for (name, hash) in &variables.entries {
                match artifacts.need(hash)? {
                    Artifact::Directory(values) => {
                        for (entry, hash) in &values.entries {
                            let Artifact::Symlink { target } = artifacts.need(hash)? else {
                                return Err(bad(format!("{ENV_DIR}/{name}/{entry} must be a symbolic link")));
                            };
                            let base = [ENV_DIR.as_bytes(), name.as_bytes(), target.as_bytes()].join(&b'/');
                            append(env, name, place(whole(), &logical(&base)?));
                        }
                    }
                    Artifact::Symlink { target } => {
                        let base = [ENV_DIR.as_bytes(), target.as_bytes()].join(&b'/');
                        fall_back(env, name, place(whole(), &logical(&base)?));
                    }
                    Artifact::File(File { content_blob, .. }) => {
                        let value = artifacts.read_blob(&content_blob)?;
                        fall_back(env, name, CompleteProcessTemplate::literal(value));
                    }
                }
            }
        }
        if let Some(Artifact::Directory(_)) = artifacts.entry(dependency, b"bin")? {
            append(env, &"PATH".into(), place(whole(), b"bin"));
        }
        Ok(())
    }

    /// The command as a place in an artifact, where it is only a name.
    fn look_up(
        &self,
        command: CompleteProcessTemplate,
        path: Option<&CompleteProcessTemplate>,
    ) -> Result<CompleteProcessTemplate, Unbaked> {
        let name = match &command.components[..] {
            [] => Vec::new(),
            [Component::Literal(name)] => name.as_bytes().to_vec(),
            _ => return Ok(command),
        };
        if name.starts_with(b"/") {
            return Ok(command);
        }
        let shown = String::from_utf8_lossy(&name).into_owned();
        if name.contains(&b'/') {
            return Err(bad(format!("the command {shown:?} is neither an absolute path nor a name")));
        }
        let Some(path) = path else {
            return Err(bad(format!(
                "the command {shown:?} is a name, and no PATH is given, nor an input with a directory bin"
            )));
        };
        for (directory, below) in entries(path).ok_or_else(|| {
            bad(format!(
                "the command {shown:?} is a name, and PATH has entries that are no places in artifacts"
            ))
        })? {
            if self.is_program(&directory, &below, &name)? {
                let mut file = below;
                if !file.is_empty() {
                    file.push(b'/');
                }
                file.extend_from_slice(&name);
                return Ok(place(Artifact::Directory(directory), &file));
            }
        }
        Err(bad(format!("the command {shown:?} is not on PATH")))
    }

    fn is_program(&self, directory: &Directory, below: &[u8], name: &[u8]) -> Result<bool, Unbaked> {
        let artifacts = &self.engine.artifacts;
        let inner = match artifacts.entry(directory, below)? {
            Some(Artifact::Directory(inner)) => inner,
            None if below.is_empty() => directory.clone(),
            Some(_) | None => return Ok(false),
        };
        Ok(matches!(
            artifacts.entry(&inner, name)?,
            Some(Artifact::File(File { executable: true, .. }) | Artifact::Symlink { .. })
        ))
    }
}

/// A place in an artifact.
fn place(artifact: Artifact, path: &[u8]) -> CompleteProcessTemplate {
    let template = CompleteProcessTemplate::input(artifact);
    if path.is_empty() { template } else { template.then([b"/", path].concat()) }
}

fn append(env: &mut Environment, name: &ByteString, value: CompleteProcessTemplate) {
    let now = env.entry(name.clone()).or_default();
    if now.components.is_empty() {
        *now = value;
    } else {
        let mut joined = std::mem::take(now).then(":");
        joined.components.extend(value.components);
        *now = joined;
    }
}

fn fall_back(env: &mut Environment, name: &ByteString, value: CompleteProcessTemplate) {
    let now = env.entry(name.clone()).or_default();
    if now.components.is_empty() {
        *now = value;
    }
}

/// A path without `.` and `..`; one that leads out is no place in the dependency.
fn logical(path: &[u8]) -> Result<Vec<u8>, Unbaked> {
    let shown = || String::from_utf8_lossy(path).into_owned();
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop().ok_or_else(|| bad(format!("{} leads out of the dependency", shown())))?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join(&b'/'))
}

/// The entries of a `:`-list, each a directory and a path in it; `None` when one is anything else.
fn entries(path: &CompleteProcessTemplate) -> Option<Vec<(Directory, Vec<u8>)>> {
    let mut entries: Vec<(Option<Directory>, Vec<u8>)> = vec![(None, Vec::new())];
    for component in &path.components {
        match component {
            Component::Literal(text) => {
                for (at, part) in text.as_bytes().split(|b| *b == b':').enumerate() {
                    if at > 0 {
                        entries.push((None, Vec::new()));
                    }
                    entries.last_mut()?.1.extend_from_slice(part);
                }
            }
            Component::Input(Artifact::Directory(directory)) => {
                let last = entries.last_mut()?;
                if last.0.is_some() || !last.1.is_empty() {
                    return None;
                }
                last.0 = Some(directory.clone());
            }
            Component::Input(_) | Component::Symbol(_) => return None,
        }
    }
    let place = |(directory, below): (Option<Directory>, Vec<u8>)| {
        let below = match below.strip_prefix(b"/") {
            Some(below) => below.to_vec(),
            None if below.is_empty() => below,
            None => return None,
        };
        Some((directory?, below))
    };
    entries.into_iter().map(place).collect()
}

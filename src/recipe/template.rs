//! Templates: strings with holes that are filled when a process is about to run.

use super::artifact::Artifact;
use super::bytes::ByteString;
use super::error::{Cause, Misfit, quote};
use super::json::{Json, JsonForm};
use super::recipe::Recipe;

/// A string whose components are put together when the process runs. `I` is what an input is: a
/// [`Recipe`] still to be baked, or an [`Artifact`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template<I> {
    /// The components, in order.
    pub components: Vec<Component<I>>,
}

/// A template of a process.
pub type ProcessTemplate = Template<Recipe>;

/// A template of a complete process.
pub type CompleteProcessTemplate = Template<Artifact>;

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Component<I> {
    /// These bytes.
    Literal(ByteString),
    /// The absolute path where this input is found in the sandbox.
    Input(I),
    /// Something that only the sandbox knows.
    Symbol(Symbol),
}

/// What a sandbox fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Symbol {
    /// Where the process leaves its output.
    OutputPath,
    /// Where `brioche-pack` puts the resources of what the process makes.
    ResourceDir,
    /// The resource directories of all inputs, `:` between them.
    InputResourceDirs,
    /// The home directory.
    HomeDir,
    /// The work directory.
    WorkDir,
    /// The directory for temporary files.
    TempDir,
    /// A file with certificates of authorities, for processes that use the network.
    CaCertificateBundlePath,
    /// The path of the Unix socket where the process can ask its host to bake further recipes: the
    /// component that the proposal adds. Brioche 0.1 does not know it and refuses a recipe that has it,
    /// so no recipe that is made here for others to bake holds it.
    HostSocketPath,
}

impl Symbol {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::OutputPath,
        Self::ResourceDir,
        Self::InputResourceDirs,
        Self::HomeDir,
        Self::WorkDir,
        Self::TempDir,
        Self::CaCertificateBundlePath,
        Self::HostSocketPath,
    ];

    /// The `type` in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OutputPath => "output_path",
            Self::ResourceDir => "resource_dir",
            Self::InputResourceDirs => "input_resource_dirs",
            Self::HomeDir => "home_dir",
            Self::WorkDir => "work_dir",
            Self::TempDir => "temp_dir",
            Self::CaCertificateBundlePath => "ca_certificate_bundle_path",
            Self::HostSocketPath => "host_socket_path",
        }
    }
}

impl<I> Default for Template<I> {
    /// The empty string.
    fn default() -> Self {
        Self { components: Vec::new() }
    }
}

impl<I> Template<I> {
    /// Just these bytes.
    #[must_use]
    pub fn literal(bytes: impl Into<ByteString>) -> Self {
        Self::default().then(bytes)
    }

    /// Just this symbol.
    #[must_use]
    pub fn symbol(symbol: Symbol) -> Self {
        Self { components: vec![Component::Symbol(symbol)] }
    }

    /// Just the path of this input.
    #[must_use]
    pub fn input(input: I) -> Self {
        Self { components: vec![Component::Input(input)] }
    }

    /// The same with bytes after it. One string must have one template, for its recipe to have one
    /// hash: literals in a row are joined, empty ones left out.
    #[must_use]
    pub fn then(mut self, bytes: impl Into<ByteString>) -> Self {
        let bytes = bytes.into().into_bytes();
        if bytes.is_empty() {
            return self;
        }
        if let Some(Component::Literal(last)) = self.components.last_mut() {
            last.append(&bytes);
        } else {
            self.components.push(Component::Literal(bytes.into()));
        }
        self
    }

    /// The same with another template after it.
    #[must_use]
    pub fn join(mut self, after: Self) -> Self {
        for component in after.components {
            match component {
                Component::Literal(bytes) => self = self.then(bytes),
                other => self.components.push(other),
            }
        }
        self
    }

    /// The same with another input in each place of one, if all of them can be had.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map<J, E>(&self, mut f: impl FnMut(&I) -> Result<J, E>) -> Result<Template<J>, E> {
        let map = |component: &Component<I>| {
            Ok(match component {
                Component::Literal(bytes) => Component::Literal(bytes.clone()),
                Component::Input(input) => Component::Input(f(input)?),
                Component::Symbol(symbol) => Component::Symbol(*symbol),
            })
        };
        Ok(Template { components: self.components.iter().map(map).collect::<Result<_, _>>()? })
    }

    /// The inputs, in order.
    pub fn inputs(&self) -> impl Iterator<Item = &I> {
        self.components.iter().filter_map(|component| match component {
            Component::Input(input) => Some(input),
            Component::Literal(_) | Component::Symbol(_) => None,
        })
    }

    /// Whether it is exactly one symbol.
    #[must_use]
    pub(super) fn is_symbol(&self, symbol: Symbol) -> bool {
        matches!(self.components[..], [Component::Symbol(only)] if only == symbol)
    }
}

/// What can be the input of a template.
pub(super) trait Input: JsonForm {
    /// The field that holds it.
    const FIELD: &'static str;
}

impl Input for Recipe {
    const FIELD: &'static str = "recipe";
}

impl Input for Artifact {
    const FIELD: &'static str = "artifact";
}

impl<I: Input> JsonForm for Template<I> {
    fn write(&self) -> Json<'_> {
        let Self { components } = self;
        Json::object([("components", Some(components.write()))])
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        let mut fields = json.fields()?;
        let components = fields.required("components")?;
        fields.finish()?;
        Ok(Self { components })
    }
}

impl<I: Input> JsonForm for Component<I> {
    fn write(&self) -> Json<'_> {
        match self {
            Self::Literal(value) => Json::tagged("literal", [("value", value.write())]),
            Self::Input(input) => Json::tagged("input", [(I::FIELD, input.write())]),
            Self::Symbol(symbol) => Json::tagged(symbol.name(), []),
        }
    }

    fn read(json: Json<'_>) -> Result<Self, Misfit> {
        let mut fields = json.fields()?;
        let component = match &*fields.tag()? {
            "literal" => Self::Literal(fields.required("value")?),
            "input" => Self::Input(fields.required(I::FIELD)?),
            name => match Symbol::ALL.into_iter().find(|symbol| symbol.name() == name) {
                Some(symbol) => Self::Symbol(symbol),
                None => return Err(Cause::NoSuch("type of template component", quote(name)).into()),
            },
        };
        fields.finish()?;
        Ok(component)
    }
}

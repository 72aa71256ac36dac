//! The names of the files that a compile leaves, as `rustc_session`'s `OutputFilenames` gives them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::invocation::{CrateInvocation, CrateType, Emit};
use crate::argparse::{Output, OutputKind};

/// Fills in the outputs of an invocation.
pub(super) fn name_all(invocation: &mut CrateInvocation) {
    match names(invocation) {
        Ok(outputs) => {
            let device = outputs.iter().find(|output| Path::new(&output.path).starts_with("/dev"));
            if let Some(device) = device.map(|output| output.path.clone()) {
                invocation.refuse("output-is-device", device, "what goes there is no file");
            }
            invocation.outputs = outputs;
        }
        Err((token, argument, why)) => invocation.refuse(token, argument, why),
    }
}

type Refused = (&'static str, OsString, &'static str);

fn names(invocation: &CrateInvocation) -> Result<Vec<Output>, Refused> {
    let names = Names::of(invocation)?;
    let mut outputs = Vec::new();
    for (emit, path) in &invocation.emits {
        let path = path.as_ref().or(names.single.as_ref());
        match emit {
            Emit::Link => links(invocation, &names, path, &mut outputs)?,
            Emit::DepInfo => outputs.push(output(OutputKind::Dependencies, path, || names.file("d"))),
            Emit::Metadata => outputs.push(output(OutputKind::Metadata, path, || names.metadata())),
            emit => {
                let (kind, extension) = code(*emit);
                let one = invocation.codegen_units.as_ref().is_none_or(|units| units == "1");
                if !one {
                    let why = "each unit of code gets a file of its own, named by a hash";
                    return Err(("codegen-unit-files", extension.into(), why));
                }
                outputs.push(output(kind, path, || names.file(extension)));
            }
        }
    }
    Ok(outputs)
}

fn code(emit: Emit) -> (OutputKind, &'static str) {
    match emit {
        Emit::Assembly => (OutputKind::Assembly, "s"),
        Emit::LlvmIr => (OutputKind::LlvmIr, "ll"),
        Emit::Mir => (OutputKind::Mir, "mir"),
        Emit::Bitcode => (OutputKind::Bitcode, "bc"),
        Emit::ThinLinkBitcode => (OutputKind::ThinLinkBitcode, "indexing.o"),
        Emit::Object | Emit::DepInfo | Emit::Link | Emit::Metadata => (OutputKind::Object, "o"),
    }
}

/// The crate itself, in each of its kinds.
fn links(
    invocation: &CrateInvocation,
    names: &Names,
    path: Option<&OsString>,
    outputs: &mut Vec<Output>,
) -> Result<(), Refused> {
    let made = invocation.made();
    if path.is_some() && made.len() > 1 {
        return Err(("driver-error", path.cloned().unwrap_or_default(), "several results, and one name"));
    }
    for kind in made {
        let of_linux = invocation.target.as_ref().is_none_or(|target| is_linux(target));
        if !of_linux && !matches!(kind, CrateType::Rlib) {
            let target = invocation.target.clone().unwrap_or_default();
            return Err(("foreign-target", target, "how its files are called is not known here"));
        }
        if invocation.crt_static
            && matches!(kind, CrateType::Dylib | CrateType::Cdylib | CrateType::ProcMacro)
        {
            let why = "whether this kind is made is up to the target";
            return Err(("static-library-loaded", "+crt-static".into(), why));
        }
        let (file, name) = match kind {
            CrateType::Bin => (OutputKind::Executable, names.stem.clone()),
            CrateType::Rlib => (OutputKind::Rlib, names.library("rlib")),
            CrateType::Dylib | CrateType::Cdylib | CrateType::ProcMacro => {
                (OutputKind::SharedLibrary, names.library("so"))
            }
            CrateType::Staticlib => (OutputKind::StaticLibrary, names.library("a")),
        };
        let made = output(file, path, || names.place(name));
        let debug = split_debug(invocation, &made)?;
        outputs.push(made);
        outputs.extend(debug);
    }
    Ok(())
}

/// The debug information beside something that is linked, where it is split off.
fn split_debug(invocation: &CrateInvocation, made: &Output) -> Result<Option<Output>, Refused> {
    let split = invocation.split_debuginfo.as_deref().filter(|_| invocation.debug);
    match split.map(OsStr::as_bytes) {
        Some(b"packed") if matches!(made.kind, OutputKind::Executable | OutputKind::SharedLibrary) => {
            let mut path = made.path.clone();
            path.push(".dwp");
            Ok(Some(Output { kind: OutputKind::Dwo, path, optional: true }))
        }
        Some(b"unpacked") => {
            let why = "its files have names that the compiler alone knows";
            Err(("split-debuginfo", "unpacked".into(), why))
        }
        _ => Ok(None),
    }
}

fn is_linux(target: &OsStr) -> bool {
    let target = target.as_bytes();
    memchr::memmem::find(target, b"-linux-").is_some() && !target.ends_with(b".json")
}

fn output(kind: OutputKind, path: Option<&OsString>, name: impl FnOnce() -> OsString) -> Output {
    Output { kind, path: path.cloned().unwrap_or_else(name), optional: false }
}

/// What names are made of.
struct Names {
    /// Where files go; empty for the working directory.
    directory: PathBuf,
    /// The beginning of most names.
    stem: OsString,
    /// The crate's name with what is added to file names.
    library: OsString,
    /// The name of the metadata.
    metadata: OsString,
    /// The file that `-o` names, where it is the only one without a name of its own.
    single: Option<OsString>,
}

impl Names {
    fn of(invocation: &CrateInvocation) -> Result<Self, Refused> {
        let source = Path::new(invocation.source());
        let from_source = source.file_stem().unwrap_or_default().to_owned();
        let given = invocation.name.clone();
        let name = given.clone().unwrap_or_else(|| dashes_replaced(&from_source));
        if !is_identifier(&name) {
            return Err(("driver-error", name, "no name for a crate"));
        }
        let with_extra = |name: &OsStr| {
            let mut name = name.to_owned();
            name.push(&invocation.extra_filename);
            name
        };
        let library = with_extra(&name);
        let (directory, stem, metadata, single) = if let Some(file) = &invocation.output {
            let unnamed = invocation.emits.iter().filter(|(_, path)| path.is_none()).count();
            let path = Path::new(file);
            let directory = path.parent().unwrap_or(Path::new("")).to_owned();
            let stem = path.file_stem().unwrap_or_default().to_owned();
            (directory, stem.clone(), stem, (unnamed == 1).then(|| file.clone()))
        } else {
            let directory = invocation.out_dir.clone().unwrap_or_default().into();
            (directory, with_extra(&given.unwrap_or(from_source)), library.clone(), None)
        };
        Ok(Self { directory, stem, library, metadata, single })
    }

    fn place(&self, name: OsString) -> OsString {
        if self.directory.as_os_str().is_empty() { name } else { self.directory.join(name).into() }
    }

    fn file(&self, extension: &str) -> OsString {
        let mut name = self.stem.clone();
        name.push(".");
        name.push(extension);
        self.place(name)
    }

    fn library(&self, extension: &str) -> OsString {
        library(&self.library, extension)
    }

    fn metadata(&self) -> OsString {
        self.place(library(&self.metadata, "rmeta"))
    }
}

fn library(name: &OsStr, extension: &str) -> OsString {
    let mut file = OsString::from("lib");
    file.push(name);
    file.push(".");
    file.push(extension);
    file
}

fn dashes_replaced(name: &OsStr) -> OsString {
    let bytes: Vec<u8> =
        name.as_bytes().iter().map(|byte| if *byte == b'-' { b'_' } else { *byte }).collect();
    OsStr::from_bytes(&bytes).to_owned()
}

/// Letters of other scripts are letters too; whether they may stand here the compiler says itself.
fn is_identifier(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte > 127)
}

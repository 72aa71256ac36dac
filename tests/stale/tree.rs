//! Random trees of headers, and the invocations that compile sources in them.

use std::path::{Path, PathBuf};

use super::random::Random;

/// The headers, in the order in which they may include each other.
pub const HEADERS: [&str; 6] = ["a.h", "b.h", "sub/a.h", "sub/c.h", "d.h", "e.h"];
/// The directories that are searched; `base` has every header, always.
pub const DIRECTORIES: [&str; 6] = ["one", "two", "three", "here", "src", "."];
/// The sources.
const SOURCES: [&str; 4] = ["src/x.c", "y.c", "src/z.cc", "w.S"];

/// One way of compiling one source.
#[derive(Clone)]
pub struct Invocation {
    pub args: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub object: String,
    pub dependencies: Option<String>,
}

/// What a project's headers and sources are made of.
pub struct Writer {
    unique: u64,
}

impl Writer {
    pub fn new() -> Self {
        Self { unique: 1000 }
    }

    /// A number that no other text has.
    pub fn number(&mut self) -> u64 {
        self.unique += 1;
        self.unique
    }

    /// A header that shows in the object, and that includes and looks for others.
    pub fn header(&mut self, random: &mut Random, name: &str) -> String {
        let index = HEADERS.iter().position(|header| *header == name).unwrap_or(0);
        let mut text = String::new();
        let guard = format!("GUARD_{}", self.number());
        let guarded = random.below(4);
        match guarded {
            0 => text += "#pragma once\n",
            1 => text += &format!("#ifndef {guard}\n#define {guard}\n"),
            _ => {}
        }
        text += &self.mark();
        for _ in 0..random.below(3) {
            text += &self.look(random, index + 1, Path::new(name).file_name().unwrap().to_str().unwrap());
        }
        if guarded == 1 {
            text += "#endif\n";
        }
        text
    }

    /// A line that shows in the object, for C and for assembly.
    pub fn mark(&mut self) -> String {
        let number = self.number();
        format!("#ifdef __ASSEMBLER__\n.quad {number}\n#else\nasm(\".data\\n.quad {number}\");\n#endif\n")
    }

    /// An include or a probe of some header from `first` on. Changes make headers include each other in
    /// circles, so that it ends at some depth: compilers would go on for hours.
    fn look(&mut self, random: &mut Random, first: usize, own: &str) -> String {
        format!("#if __INCLUDE_LEVEL__ < 7\n{}#endif\n", self.unbounded_look(random, first, own))
    }

    fn unbounded_look(&mut self, random: &mut Random, first: usize, own: &str) -> String {
        let Some(header) = HEADERS.get(first + random.below(HEADERS.len())) else { return String::new() };
        let (open, close) = *random.pick(&[("\"", "\""), ("<", ">")]);
        let name = format!("{open}{header}{close}");
        let seen = self.mark();
        match random.below(10) {
            0 => format!("#if __has_include({name})\n{seen}#endif\n"),
            1 => format!("#if __has_\\\ninclude({name})\n{seen}#endif\n"),
            2 => format!("#define PROBE __has_include({name})\n#if PROBE\n{seen}#endif\n#undef PROBE\n"),
            3 => format!("#if __has_include_next(<{own}>)\n#include_next <{own}>\n#endif\n"),
            4 => format!("#define WHICH {name}\n#include WHICH\n#undef WHICH\n"),
            5 => format!("#if __has_include(\"rare/{header}\")\n{seen}#include \"rare/{header}\"\n#endif\n"),
            6 if random.percent(30) => {
                "#ifndef __ASSEMBLER__\nasm(\".data\\n.incbin \\\"blob\\\"\");\n#endif\n".to_owned()
            }
            7 if random.percent(30) => "static const char *stamp = __TIMESTAMP__;\n".to_owned(),
            8 if random.percent(20) => {
                "#define GLUE(a, b) a##b\nstatic const char *date = GLUE(__DA, TE__);\n#undef GLUE\n"
                    .to_owned()
            }
            _ => format!("#include {name}\n"),
        }
    }

    fn source(&mut self, random: &mut Random) -> String {
        let mut text = self.mark();
        for _ in 0..=random.below(3) {
            text += &self.look(random, 0, "a.h");
        }
        text
    }
}

/// Makes a tree below `root`.
pub fn plant(random: &mut Random, writer: &mut Writer, root: &Path) {
    for directory in ["src", "one", "two", "three/sub", "base/sub", "base/rare", "out", "other/sub"] {
        std::fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    std::os::unix::fs::symlink("three", root.join("here")).expect("a link");
    for header in HEADERS {
        std::fs::write(root.join("base").join(header), writer.header(random, header)).expect("a header");
        if random.percent(40) {
            let place = root.join(*random.pick(&["one", "two", "three", "src"])).join(header);
            let _ = std::fs::create_dir_all(place.parent().expect("a parent"));
            std::fs::write(place, writer.header(random, header)).expect("a header");
        }
    }
    std::fs::write(root.join("blob"), "blob").expect("a blob");
    for source in SOURCES {
        let is_assembly = source.rsplit_once('.').is_some_and(|(_, extension)| extension == "S");
        let text = if is_assembly { assembly(writer, random) } else { writer.source(random) };
        std::fs::write(root.join(source), text).expect("a source");
    }
}

/// Assembly that reads what only the assembler sees.
fn assembly(writer: &mut Writer, random: &mut Random) -> String {
    let include = random
        .pick(&["#include \"a.h\"\n", "#include <sub/c.h>\n", ".include \"one/late.inc\"\n"])
        .to_string();
    format!(
        ".data\n{}.incbin \"blob\"\n{}",
        writer.mark(),
        if include.starts_with('#') { include } else { String::new() }
    )
}

/// A random way of compiling.
pub fn invocation(random: &mut Random, compilers: &[&str], root: &Path) -> Invocation {
    let compiler = *random.pick(compilers);
    let source = *random.pick(&SOURCES);
    let mut args: Vec<String> = vec![compiler.to_owned(), format!("-O{}", random.below(2))];
    let mut directories = DIRECTORIES.to_vec();
    for _ in 0..2 + random.below(3) {
        let directory = directories.remove(random.below(directories.len()));
        let option = *random.pick(&["-I", "-isystem", "-iquote", "-I", "-idirafter"]);
        let whole: PathBuf = if random.percent(20) { root.join(directory) } else { directory.into() };
        args.extend([option.to_owned(), whole.display().to_string()]);
    }
    args.extend(["-idirafter".to_owned(), "base".to_owned()]);
    if random.percent(20) {
        args.extend([random.pick(&["-include", "-imacros"]).to_string(), "d.h".to_owned()]);
    }
    let stem = Path::new(source).file_stem().unwrap().to_str().unwrap();
    let number = random.below(1000);
    let object = match random.below(3) {
        0 => format!("{}.{number}.o", Path::new(source).with_extension("").display()),
        1 => format!("out/{stem}.{number}.o"),
        _ => root.join(format!("out/{stem}-{number}.o")).display().to_string(),
    };
    let dependencies = random.percent(50).then(|| format!("out/{stem}.{number}.d"));
    if let Some(file) = &dependencies {
        args.extend([random.pick(&["-MD", "-MMD"]).to_string(), "-MF".to_owned(), file.clone()]);
    }
    args.extend(["-c".to_owned(), source.to_owned(), "-o".to_owned(), object.clone()]);
    Invocation { args, environment: Vec::new(), object, dependencies }
}

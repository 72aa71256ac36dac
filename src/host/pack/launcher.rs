//! The scripts that stand where a program is looked for.

use std::ffi::OsStr;

/// What a launcher starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A driver that looks for its programs beside the place that `argv[0]` names.
    Gcc,
    /// A driver that looks beside its executable, which would be the loader, unless it is told not to; and that
    /// runs itself again.
    Clang,
    /// Anything else.
    Plain,
}

/// The text of a launcher. It finds the directory by its own path, which may be a link to it from anywhere within.
pub(super) fn text(kind: Kind, loader: &OsStr, program: &OsStr) -> String {
    // The driver's name is part of what it says, and the place before it is where it looks for its programs.
    let (name, argv0) = match kind {
        Kind::Gcc | Kind::Clang => ("n=${p##*/}\nn=${n#.brioche-cc-orig-}\n", "$r/bin/$n"),
        Kind::Plain => ("", "$p"),
    };
    // Another `-cc1` of clang's own must be the first argument.
    let first = match kind {
        Kind::Clang => "case ${1-} in -cc1*) ;; *) set -- -no-canonical-prefixes \"$@\" ;; esac\n",
        Kind::Gcc | Kind::Plain => "",
    };
    format!(
        "#!/bin/sh\n\
         p=$0\n\
         case $p in /*) ;; *) p=$PWD/$p ;; esac\n\
         r=${{p%/*}}\n\
         until [ -d \"$r/libexec/packed\" ]; do\n\
         case $r in ?*/*) r=${{r%/*}} ;; *) echo \"$0: its directory is not whole\" >&2; exit 127 ;; esac\n\
         done\n\
         {name}{first}\
         exec \"$r/libexec/packed/{}\" --library-path \"$r/libexec/packed/lib\" --argv0 \"{argv0}\" \
         \"$r/libexec/packed/bin/{}\" \"$@\"\n",
        loader.display(),
        program.display(),
    )
}

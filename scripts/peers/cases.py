"""The four files whose compiles are measured, from tiny to 9 MB."""

import dataclasses
import glob
import os
import subprocess

HEADERS = """stdio.h stdlib.h string.h math.h time.h unistd.h errno.h signal.h pthread.h fcntl.h sys/stat.h
sys/types.h sys/socket.h netinet/in.h locale.h""".split()
TINY = "int f(int x){return x*3;}\n"
C = "".join(f"#include <{header}>\n" for header in HEADERS) + 'int g(int x){printf("%d",x);return x;}\n'
CXX = """#include <iostream>
#include <regex>
#include <map>
#include <functional>
int q(const std::string&s){
  std::map<std::string,std::function<int(int)>> m;
  m[s]=[](int x){return x+1;};
  std::regex r("a+b");
  std::cout<<std::regex_match(s,r);
  return m[s](2);
}
"""


@dataclasses.dataclass
class Case:
    name: str
    cxx: bool
    file: str
    text: str
    options: list
    outputs: list

    def compiler(self, family):
        return {"gcc": "/usr/bin/g++", "clang": "/usr/bin/clang++"}[family] if self.cxx else f"/usr/bin/{family}"

    def argv(self, family):
        return [self.compiler(family), *self.options, self.file, "-o", self.outputs[0]]


def cases(scratch):
    sqlite = sqlite_source(scratch)
    return {
        "tiny": Case("tiny C", False, "t.c", TINY, ["-c", "-O2"], ["t.o"]),
        "headers": Case("C, 15 headers, `-g -MD`", False, "h.c", C, ["-c", "-O2", "-g", "-MD"], ["h.o", "h.d"]),
        "cxx": Case("C++, `-g -MMD -MF`", True, "q.cc", CXX, ["-c", "-O2", "-g", "-MMD", "-MF", "q.dep"], ["q.o", "q.dep"]),
        "sqlite": Case("sqlite, 9 MB", False, "s.c", sqlite, ["-c", "-O0"], ["s.o"]),
    }


def sqlite_source(scratch):
    """sqlite's one file, by cargo."""
    package = os.path.join(scratch, "sqlite")
    os.makedirs(os.path.join(package, "src"))
    open(os.path.join(package, "src", "lib.rs"), "w").close()
    manifest = os.path.join(package, "Cargo.toml")
    with open(manifest, "w") as file:
        file.write('[package]\nname = "s"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n')
        file.write('libsqlite3-sys = { version = "=0.40.0", features = ["bundled"] }\n')
    subprocess.run(["cargo", "fetch", "-q", "--manifest-path", manifest], check=True)
    home = os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))
    with open(glob.glob(f"{home}/registry/src/*/libsqlite3-sys-0.40.0/sqlite3/sqlite3.c")[0]) as file:
        return file.read()

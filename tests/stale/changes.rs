//! Random changes of the world.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::random::Random;
use super::tree::{DIRECTORIES, HEADERS, Invocation, Writer};

/// Changes something, or nothing. Says what, as a shell command would where it can.
pub fn change(
    random: &mut Random,
    writer: &mut Writer,
    root: &Path,
    invocations: &mut [Invocation],
) -> String {
    match random.below(100) {
        0..=34 => "nothing".to_owned(),
        35..=44 => irrelevant(random, root),
        45..=56 => add(random, writer, root),
        57..=63 => edit(random, writer, root),
        64..=68 => remove(random, root),
        69..=73 => same_size_and_time(random, writer, root),
        74..=77 => touch(random, root),
        78..=81 => rename(random, root),
        82..=84 => swap(random, root),
        85..=88 => links(random, writer, root),
        89..=91 => equal_files(random, root),
        92..=94 => directories(random, writer, root),
        95..=96 => precompiled(random, root),
        _ => options(random, invocations),
    }
}

fn place(random: &mut Random, root: &Path) -> PathBuf {
    let mut directories = DIRECTORIES.to_vec();
    directories.push("rare");
    directories.push("one/rare");
    root.join(*random.pick(&directories)).join(*random.pick(&HEADERS))
}

/// A header that is there.
fn existing(random: &mut Random, root: &Path) -> Option<PathBuf> {
    let all: Vec<PathBuf> = DIRECTORIES
        .iter()
        .chain(&["base", "rare", "other"])
        .flat_map(|directory| HEADERS.iter().map(move |header| root.join(directory).join(header)))
        .filter(|path| path.is_file())
        .collect();
    (!all.is_empty()).then(|| random.pick(&all).clone())
}

fn name_of(path: &Path) -> String {
    let name = path.display().to_string();
    HEADERS.iter().find(|header| name.ends_with(&format!("/{header}"))).unwrap_or(&"a.h").to_string()
}

fn irrelevant(random: &mut Random, root: &Path) -> String {
    let Some(path) = existing(random, root) else { return "nothing".to_owned() };
    let mut text = fs::read_to_string(&path).unwrap_or_default();
    text += *random.pick(&["// a comment\n", "#define UNUSED 1\n", "\n", "/* fall through */\n"]);
    let _ = fs::write(&path, text);
    format!("append something of no consequence to {}", path.display())
}

fn add(random: &mut Random, writer: &mut Writer, root: &Path) -> String {
    let path = place(random, root);
    let _ = fs::create_dir_all(path.parent().expect("a parent"));
    let _ = fs::write(&path, writer.header(random, &name_of(&path)));
    format!("write {}", path.display())
}

fn edit(random: &mut Random, writer: &mut Writer, root: &Path) -> String {
    if random.percent(20) {
        let _ = fs::write(root.join("blob"), format!("blob {}", writer.number()));
        return "write blob".to_owned();
    }
    let Some(path) = existing(random, root) else { return "nothing".to_owned() };
    let _ = fs::write(&path, writer.header(random, &name_of(&path)));
    format!("rewrite {}", path.display())
}

fn remove(random: &mut Random, root: &Path) -> String {
    match existing(random, root).filter(|path| !path.starts_with(root.join("base"))) {
        Some(path) => {
            let _ = fs::remove_file(&path);
            format!("rm {}", path.display())
        }
        None => "nothing".to_owned(),
    }
}

/// Other bytes of the same length under the same modification time; in place, or as another file.
fn same_size_and_time(random: &mut Random, writer: &mut Writer, root: &Path) -> String {
    let Some(path) = existing(random, root) else { return "nothing".to_owned() };
    let Ok(text) = fs::read_to_string(&path) else { return "nothing".to_owned() };
    let Some(at) = text.find(".quad ") else { return "nothing".to_owned() };
    let end = text[at + 6..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |end| at + 6 + end);
    let number = format!("{:0>width$}", writer.number() % 10_u64.pow(4), width = end - at - 6);
    let other = text.replace(&text[at + 6..end], &number.replace("00", "12"));
    let time = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");
    if random.percent(50) {
        let _ = fs::write(&path, other);
    } else {
        let beside = path.with_extension("new");
        let _ = fs::write(&beside, other);
        let _ = fs::rename(&beside, &path);
    }
    set_time(&path, time);
    format!("other bytes, same size and time: {}", path.display())
}

fn set_time(path: &Path, time: SystemTime) {
    if let Ok(file) = fs::File::options().write(true).open(path) {
        let _ = file.set_modified(time);
    }
}

fn touch(random: &mut Random, root: &Path) -> String {
    let Some(path) = existing(random, root) else { return "nothing".to_owned() };
    let offset = Duration::from_secs(random.next() % 100_000);
    let now = SystemTime::now();
    set_time(&path, if random.percent(70) { now - offset } else { now + offset });
    format!("touch {}", path.display())
}

fn rename(random: &mut Random, root: &Path) -> String {
    let from = existing(random, root).filter(|path| !path.starts_with(root.join("base")));
    let Some(from) = from else { return "nothing".to_owned() };
    let to = place(random, root);
    let _ = fs::create_dir_all(to.parent().expect("a parent"));
    let _ = fs::rename(&from, &to);
    format!("mv {} {}", from.display(), to.display())
}

fn swap(random: &mut Random, root: &Path) -> String {
    let (one, two) =
        *random.pick(&[("one", "two"), ("two", "three"), ("three", "other"), ("one/sub", "two/sub")]);
    let (one, two, aside) = (root.join(one), root.join(two), root.join("aside"));
    let _ = fs::rename(&one, &aside);
    let _ = fs::rename(&two, &one);
    let _ = fs::rename(&aside, &two);
    format!("swap {} and {}", one.display(), two.display())
}

fn links(random: &mut Random, writer: &mut Writer, root: &Path) -> String {
    match random.below(4) {
        0 => {
            let path = place(random, root);
            let _ = fs::create_dir_all(path.parent().expect("a parent"));
            let _ = fs::remove_file(&path);
            let _ = symlink(root.join("late.h"), &path);
            format!("ln -s late.h {}", path.display())
        }
        1 => {
            let late = root.join("late.h");
            if late.exists() {
                let _ = fs::remove_file(&late);
                return "rm late.h".to_owned();
            }
            let _ = fs::write(&late, writer.header(random, "e.h"));
            "write late.h, to which links dangle".to_owned()
        }
        2 => {
            let target = *random.pick(&["one", "two", "three", "other", "nowhere"]);
            let _ = fs::remove_file(root.join("here"));
            let _ = symlink(target, root.join("here"));
            format!("ln -sfn {target} here")
        }
        _ => {
            let Some(path) = existing(random, root) else { return "nothing".to_owned() };
            let target = root.join("other").join(format!("kept-{}.h", writer.number()));
            let _ = fs::rename(&path, &target);
            let _ = symlink(&target, &path);
            format!("move {} away and link to it", path.display())
        }
    }
}

/// Two files of the same bytes: copies, links, of one time or not, as `#pragma once` tells them apart.
fn equal_files(random: &mut Random, root: &Path) -> String {
    let Some(from) = existing(random, root) else { return "nothing".to_owned() };
    let to = place(random, root);
    let _ = fs::create_dir_all(to.parent().expect("a parent"));
    if from == to || fs::remove_file(&to).is_err() && to.exists() {
        return "nothing".to_owned();
    }
    if !from.exists() {
        return format!("rm {}, by another name", from.display());
    }
    if random.percent(40) {
        let _ = fs::hard_link(&from, &to);
        return format!("ln {} {}", from.display(), to.display());
    }
    let _ = fs::copy(&from, &to);
    if random.percent(60) {
        let time = fs::metadata(&from).and_then(|metadata| metadata.modified()).expect("a time");
        set_time(&to, time);
    }
    format!("cp {} {}", from.display(), to.display())
}

fn directories(random: &mut Random, writer: &mut Writer, root: &Path) -> String {
    let name = *random.pick(&["two", "three", "rare", "one/sub", "three/sub"]);
    let path = root.join(name);
    match random.below(3) {
        0 => {
            let _ = fs::rename(&path, root.join(format!("gone-{}", writer.number())));
            format!("mv {name} away")
        }
        1 => {
            let _ = fs::create_dir_all(&path);
            let _ = fs::write(path.join("a.h"), writer.header(random, "a.h"));
            format!("make {name} with a header")
        }
        _ => {
            let _ = fs::rename(&path, root.join(format!("gone-{}", writer.number())));
            let _ = symlink(root.join("other"), &path);
            format!("replace {name} by a link")
        }
    }
}

/// What may be taken for a precompiled header.
fn precompiled(random: &mut Random, root: &Path) -> String {
    let mut path = place(random, root).into_os_string();
    path.push(".gch");
    let path = PathBuf::from(path);
    let _ = fs::create_dir_all(path.parent().expect("a parent"));
    if path.exists() {
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
    } else if random.percent(50) {
        let _ = fs::write(&path, "not a precompiled header");
    } else {
        let _ = fs::create_dir(&path);
    }
    format!("make or remove {}", path.display())
}

fn options(random: &mut Random, invocations: &mut [Invocation]) -> String {
    let which = random.below(invocations.len());
    let invocation = &mut invocations[which];
    match random.below(4) {
        0 => invocation.args.insert(1, format!("-DUNUSED_{}", random.below(3))),
        1 => {
            let at = invocation.args.iter().position(|arg| arg.starts_with("-O")).expect("a level");
            invocation.args[at] = format!("-O{}", random.below(3));
        }
        2 => {
            let places: Vec<usize> =
                (1..invocation.args.len()).filter(|at| invocation.args[at - 1] == "-I").collect();
            if places.len() > 1 {
                invocation.args.swap(places[0], places[1]);
            }
        }
        _ => {
            invocation.environment.clear();
            if random.percent(60) {
                let variable = *random.pick(&["CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH"]);
                invocation
                    .environment
                    .push((variable.to_owned(), random.pick(&["one", "two", "here:one"]).to_string()));
            }
        }
    }
    format!("other options: {} {:?}", invocation.args.join(" "), invocation.environment)
}

//! Parsing and planning, without preprocessing: what a command line costs before anything is read.
#![allow(missing_docs, reason = "criterion makes functions")]

use std::ffi::OsString;
use std::hint::black_box;
use std::path::Path;

use bakeplan::{argparse, planner};
use criterion::{Criterion, criterion_group, criterion_main};

/// 60 arguments, as a kernel-like build gives them.
const SIXTY: &str = "-Wp,-MMD,drivers/.a.o.d -nostdinc -Iarch/x86/include -Iarch/x86/include/generated -Iinclude \
    -Iinclude/uapi -include include/kconfig.h -D__KERNEL__ -DCC_USING_FENTRY -fmacro-prefix-map=./= -std=gnu11 \
    -fshort-wchar -funsigned-char -fno-common -fno-PIE -fno-strict-aliasing -mno-sse -mno-mmx -mno-sse2 -mno-avx \
    -fcf-protection=none -m64 -falign-jumps=1 -falign-loops=1 -mno-80387 -mno-fp-ret-in-387 -mskip-rax-setup \
    -march=x86-64 -mtune=generic -mno-red-zone -mcmodel=kernel -Wno-sign-compare -fno-asynchronous-unwind-tables \
    -mindirect-branch=thunk-extern -fno-jump-tables -O2 -fno-allow-store-data-races -fstack-protector-strong \
    -fno-stack-clash-protection -pg -mrecord-mcount -mfentry -Wall -Wundef -Werror=strict-prototypes \
    -Wno-trigraphs -Wno-format-security -Wno-frame-address -Wno-pointer-sign -fno-stack-check \
    -fconserve-stack -DKBUILD_MODFILE=\"a\" -DKBUILD_BASENAME=\"a\" -g -gdwarf-5 -c -o drivers/a.o drivers/a.c";

fn parse(criterion: &mut Criterion) {
    let args: Vec<OsString> = SIXTY.split_whitespace().map(OsString::from).collect();
    assert_eq!(args.len(), 60);
    let compiler = argparse::compiler_from_name("gcc".as_ref()).expect("a compiler's name");
    let no_files = |_: &Path| None;
    criterion.bench_function("parse and plan 60 arguments", |bencher| {
        bencher.iter(|| {
            let invocation = argparse::parse(&compiler, black_box(&args), &no_files);
            planner::plan(&invocation).expect("nothing is refused")
        });
    });
}

criterion_group!(benches, parse);
criterion_main!(benches);

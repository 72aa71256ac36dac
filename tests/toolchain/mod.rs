//! Compiler identity, with the compilers of this machine.

mod world;

mod real;

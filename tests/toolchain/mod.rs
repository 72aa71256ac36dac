//! Compiler identity, with the compilers of this machine.

mod world;

mod real;
mod refused;
mod remembered;
mod scripted;
mod traps;

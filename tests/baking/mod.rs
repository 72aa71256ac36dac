//! Real compilers, end to end.

mod keys;
mod outputs;
mod split;

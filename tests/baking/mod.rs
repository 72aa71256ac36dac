//! Real compilers, end to end.

mod faults;
mod hidden;
mod keys;
mod outputs;
mod real;
mod semantic;
mod split;

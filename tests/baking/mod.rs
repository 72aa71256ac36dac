//! Real compilers, end to end.

mod calling;
mod concurrency;
mod dependencies;
mod explain;
mod faults;
mod further;
mod hidden;
mod keys;
mod manifests;
mod outputs;
mod places;
mod real;
mod semantic;
mod signals;
mod split;
mod streams;
mod tools;

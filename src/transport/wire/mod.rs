//! The protocol between a process that wants recipes baked and the host that bakes them.

mod message;

pub use message::{
    Answer, Ask, Delivered, Finished, Greeting, Hello, Input, Inputs, Request, Say, WireError,
};

//! The protocol, and both ends of it.

mod golden;
mod messages;
mod properties;

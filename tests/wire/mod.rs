//! The protocol, and both ends of it.

mod golden;
mod messages;
mod properties;

#[cfg(feature = "host")]
mod clients;
#[cfg(feature = "host")]
mod crowds;
mod hosts;
#[cfg(feature = "host")]
mod places;
#[cfg(feature = "host")]
pub(crate) mod scripted;
#[cfg(feature = "host")]
mod serving;

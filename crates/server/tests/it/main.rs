//! The program from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bootstrap;
mod catalogue;
mod commands;
mod demo;
mod process;
mod serve;
mod split;
mod traces;
mod workflow_files;

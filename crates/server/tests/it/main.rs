//! Tests of the program as a whole that need no other crate's test tools.

mod catalogue;
mod commands;

//! Between the wire and the domain. Reading never panics and loses nothing silently: what
//! the domain cannot hold is a fault with the path of its field.

pub(crate) mod admin;
pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod comment;
pub(crate) mod context;
pub(crate) mod definition;
pub(crate) mod directory;
pub(crate) mod engine;
pub(crate) mod faults;
pub(crate) mod figures;
pub(crate) mod form;
pub(crate) mod item;
pub(crate) mod json;
pub(crate) mod ledger;
pub(crate) mod mask;
pub(crate) mod migration;
pub(crate) mod owner;
pub(crate) mod parameter;
pub(crate) mod patch;
pub(crate) mod permission;
pub(crate) mod plan;
pub(crate) mod recommendation;
pub(crate) mod repository;
pub(crate) mod revision;
pub(crate) mod run;
pub(crate) mod scalar;
pub(crate) mod session;
mod stage_type;
pub(crate) mod team;
pub(crate) mod user;

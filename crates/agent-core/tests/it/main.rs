//! The agent's pure rules on labelled phrases, fixture repositories and generated input.

mod bundles;
mod fixture;
mod intents;
mod plans;
mod properties;

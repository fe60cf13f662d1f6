//! Holds a run at one place, so that a crash test can kill the process there.

use agent_core::service::{Checkpoint, Checkpoints};
use async_trait::async_trait;

/// Says `held NAME` on standard output when the place is reached, and stays there.
#[derive(Clone, Copy, Debug)]
pub struct HoldAt(pub Checkpoint);

impl HoldAt {
    /// The place with this name.
    pub fn parse(name: &str) -> Result<Self, String> {
        Checkpoint::ALL.into_iter().find(|point| point.name() == name).map(Self).ok_or_else(|| {
            let names: Vec<_> = Checkpoint::ALL.iter().map(|point| point.name()).collect();
            format!("one of {}", names.join(", "))
        })
    }
}

#[async_trait]
impl Checkpoints for HoldAt {
    async fn reach(&self, point: Checkpoint) {
        if point == self.0 {
            if let Err(error) = crate::cli::say(format_args!("held {}", point.name())) {
                tracing::error!(%error, "nobody can be told that a run is held");
            }
            std::future::pending::<()>().await;
        }
    }
}

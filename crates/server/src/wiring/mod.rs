//! Puts the server together, starts it, and ends it in order.

mod domain;
mod edge;
mod first;
mod hold;
mod identity;
mod machine;
mod policy;
mod ports;
mod seed;
mod server;
mod store;
mod sweep;

pub use first::first_person;
pub use hold::HoldAt;
pub use identity::Identity;
pub use server::{Options, Server, StartError};

/// Returns at SIGTERM or SIGINT.
pub async fn end_of_process() {
    use tokio::signal::unix::{SignalKind, signal};
    let wait = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::error!(%error, "signals cannot be received");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::interrupt()) => {}
    }
}

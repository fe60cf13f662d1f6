//! What storage promises beyond its ports, on both databases.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod audit;
mod behind;
mod counts;
mod directory_counts;
mod first_person;
mod policy_size;
mod queue_plans;
mod races;
mod replicas;
mod row_security;
mod schema;
mod transactions;

use std::sync::Arc;

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use storage::{Storage, StorageOptions};
use testkit::conformance::{Ports, Stand};
use testkit::database::TestDb;

/// The people of the conformance suites over a storage of our own making.
async fn stand_over(storage: &Storage) -> Stand {
    let store = Arc::new(storage.clone());
    Stand::over(Ports {
        workflows: store.clone(),
        agent: store.clone(),
        runs: store.clone(),
        outbox: store.clone(),
        directory: store.clone(),
        admin: store.clone(),
        first: store.clone(),
        policy: store.clone(),
        audit: store.clone(),
        retention: store.clone(),
        limits: store.clone(),
    })
    .await
}

async fn connect(db: &TestDb) -> Storage {
    Storage::connect(db.url(), StorageOptions::default()).await.unwrap()
}

async fn open(db: &TestDb) -> (Storage, Stand) {
    let storage = connect(db).await;
    let stand = stand_over(&storage).await;
    (storage, stand)
}

/// A connection that no rule of ours guards.
async fn raw(db: &TestDb) -> DatabaseConnection {
    raw_at(db.url()).await
}

async fn raw_at(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

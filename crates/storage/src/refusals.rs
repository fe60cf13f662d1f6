//! Records that must neither delay nor change an answer: refusals and agent reads.
//!
//! A bounded queue with one writer behind it. What does not fit, or cannot be written after
//! some tries, is counted as lost and logged; nobody waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use audit::{AuditEvent, RefusalSink};
use primitives::Tenant;
use tokio::sync::{mpsc, oneshot};

use crate::Storage;
use crate::fault::{Fault, Result};
use crate::reach::Reach;

/// Records written in one transaction.
const BATCH: usize = 64;
/// Waits between tries while the database is unavailable.
const WAITS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(8),
];

enum Message {
    Record(Box<AuditEvent>),
    Flush(oneshot::Sender<()>),
}

/// The queue's entrance. The writer ends when the last one is dropped.
pub struct Refusals {
    queue: mpsc::Sender<Message>,
    lost: Arc<AtomicU64>,
}

impl Storage {
    /// Starts the writer of a queue of `capacity` records. Needs a tokio runtime.
    pub fn refusals(&self, capacity: usize) -> Arc<Refusals> {
        let (queue, messages) = mpsc::channel(capacity.max(1));
        let lost = Arc::new(AtomicU64::new(0));
        tokio::spawn(write_all(self.clone(), messages, lost.clone()));
        Arc::new(Refusals { queue, lost })
    }
}

impl Refusals {
    /// Returns once everything queued before is written or lost: before the server stops.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).await.is_ok() {
            // An error means that the writer ended: there is nothing to wait for.
            let _ = wait.await;
        }
    }
}

impl RefusalSink for Refusals {
    fn note(&self, event: AuditEvent) {
        if self.queue.try_send(Message::Record(Box::new(event))).is_err() {
            count_lost(&self.lost, 1, "the queue is full");
        }
    }

    fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

fn count_lost(lost: &AtomicU64, records: u64, cause: &str) {
    let total = lost.fetch_add(records, Ordering::Relaxed) + records;
    tracing::error!(records, total, cause, "audit records of refusals or reads were lost");
}

async fn write_all(storage: Storage, mut messages: mpsc::Receiver<Message>, lost: Arc<AtomicU64>) {
    let mut batch = Vec::with_capacity(BATCH);
    while messages.recv_many(&mut batch, BATCH).await > 0 {
        let mut events = Vec::new();
        let mut waiting = Vec::new();
        for message in batch.drain(..) {
            match message {
                Message::Record(event) => events.push(*event),
                Message::Flush(done) => waiting.push(done),
            }
        }
        write_batch(&storage, &events, &lost).await;
        for done in waiting {
            // Whoever waited may have given up.
            let _ = done.send(());
        }
    }
}

/// A record that cannot be stored must not take its neighbours with it: after a failure
/// that trying again does not cure, each is written alone.
async fn write_batch(storage: &Storage, events: &[AuditEvent], lost: &AtomicU64) {
    if events.is_empty() || patiently(storage, events).await.is_ok() {
        return;
    }
    for event in events {
        if let Err(fault) = write(storage, std::slice::from_ref(event)).await {
            count_lost(lost, 1, &fault.to_string());
        }
    }
}

async fn patiently(storage: &Storage, events: &[AuditEvent]) -> Result<()> {
    for wait in WAITS {
        match write(storage, events).await {
            Err(Fault::Unavailable(_)) => tokio::time::sleep(wait).await,
            ended => return ended,
        }
    }
    write(storage, events).await
}

/// Each record is added in the reach of the owner it is filed under; those of one owner
/// together.
async fn write(storage: &Storage, events: &[AuditEvent]) -> Result<()> {
    let mut owners: BTreeMap<Tenant, Vec<AuditEvent>> = BTreeMap::new();
    for event in events {
        owners.entry(event.tenant).or_default().push(event.clone());
    }
    let mut tx = storage.begin_directory().await?;
    for (owner, events) in owners {
        tx.enter(&Reach::of_tenant(owner)).await?;
        tx.add_records(&events).await?;
    }
    tx.commit_now().await
}

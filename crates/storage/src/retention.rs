//! What is kept for a while only.

use std::time::Duration;

use crate::Storage;
use async_trait::async_trait;
use events::EventError;
use events::port::Retention;

#[async_trait]
impl Retention for Storage {
    async fn forget_answers(&self, older_than: Duration) -> std::result::Result<u64, EventError> {
        Ok(self.forget_older(older_than).await?)
    }
}

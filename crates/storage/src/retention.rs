//! What is kept for a while only.

use std::time::Duration;

use async_trait::async_trait;
use events::EventError;
use events::port::Retention;
use sea_orm::ExprTrait;
use sea_orm::sea_query::Query;

use crate::Storage;
use crate::fault::Result;
use crate::row::narrow;
use crate::visibility::column;

impl Storage {
    async fn forget(&self, older_than: Duration) -> Result<u64> {
        let age: i64 = narrow("age", older_than.as_micros())?;
        let tx = self.begin_unchecked().await?;
        let delete = Query::delete()
            .from_table("request_record")
            .and_where(column("request_record", "created_at").lt(self.dialect().now().sub(age)))
            .to_owned();
        let forgotten = tx.run(&delete).await?;
        tx.commit_now().await?;
        Ok(forgotten)
    }
}

#[async_trait]
impl Retention for Storage {
    async fn forget_answers(&self, older_than: Duration) -> std::result::Result<u64, EventError> {
        Ok(self.forget(older_than).await?)
    }
}

//! Items, their moves and stays, and what the agent proposed for them.

pub mod work_item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "work_item")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub workflow_id: Uuid,
        pub revision: i64,
        pub title: String,
        pub description: String,
        pub state: String,
        pub stage_id: String,
        pub visit_id: Uuid,
        pub entered_stage_at: i64,
        pub assignee_id: Option<Uuid>,
        pub priority: i16,
        pub tags: String,
        pub data: String,
        pub repository_id: Option<Uuid>,
        pub creator_id: Uuid,
        pub cause: Option<String>,
        pub claimed_at: Option<i64>,
        pub closed_at: Option<i64>,
        pub created_at: i64,
        pub updated_at: i64,
        pub version: i64,
        pub number: Option<i64>,
        pub external_id: Option<String>,
        pub due_at: Option<i64>,
        pub blocked_from: Option<String>,
        pub block_reason: String,
        pub blocked_by: String,
        pub is_blocker: bool,
        pub stage_due_at: Option<i64>,
        pub overdue_at: Option<i64>,
        pub authors: String,
        pub votes: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod transition {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "transition")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub work_item_id: Uuid,
        pub from_stage: Option<String>,
        pub to_stage: Option<String>,
        pub from_state: Option<String>,
        pub to_state: String,
        pub verb: String,
        pub actor_id: Uuid,
        pub note: String,
        pub in_stage_micros: Option<i64>,
        pub moved_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod stage_visit {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "stage_visit")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub work_item_id: Uuid,
        pub workflow_id: Uuid,
        pub stage_id: String,
        pub entered_at: i64,
        pub left_at: Option<i64>,
        pub outcome: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod recommendation {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "recommendation")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub work_item_id: Uuid,
        pub stage_id: String,
        pub run_id: Uuid,
        pub plan_id: Uuid,
        pub hash: String,
        pub plan_summary: String,
        pub steps: String,
        pub risks: String,
        pub requires_confirmation: bool,
        pub estimated_minutes: i64,
        pub engine_used: String,
        pub model_used: String,
        pub verdict: String,
        pub reviewer_id: Option<Uuid>,
        pub reviewed_at: Option<i64>,
        pub review_note: String,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

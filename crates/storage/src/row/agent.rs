//! Repositories, sessions, runs, plans and patches.

pub mod repository {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "repository")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub path: String,
        pub display_name: String,
        pub default_branch: Option<String>,
        pub auto_apply_allowed: bool,
        pub creator_id: Uuid,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod session {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "session")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub repository_id: Uuid,
        pub work_item_id: Option<Uuid>,
        pub current_plan_id: Option<Uuid>,
        pub state: String,
        pub created_at: i64,
        pub last_activity_at: i64,
        pub closed_at: Option<i64>,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod agent_run {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "agent_run")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub kind: String,
        pub state: String,
        pub phase: String,
        pub principal_id: Uuid,
        pub work_item_id: Option<Uuid>,
        pub visit_id: Option<Uuid>,
        pub session_id: Option<Uuid>,
        pub repository_id: Option<Uuid>,
        pub plan_id: Option<Uuid>,
        pub patch_id: Option<Uuid>,
        pub input: String,
        pub cause: Option<String>,
        pub attempt: i32,
        pub max_attempts: i32,
        pub fence: i64,
        pub due_at: i64,
        pub lease_until: Option<i64>,
        pub heartbeat_at: Option<i64>,
        pub worker: Option<String>,
        pub deadline_at: i64,
        pub problem_reason: Option<String>,
        pub problem_message: Option<String>,
        pub engine_used: String,
        pub model_used: String,
        pub created_at: i64,
        pub started_at: Option<i64>,
        pub ended_at: Option<i64>,
        pub settled_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod plan {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "plan")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub principal_id: Uuid,
        pub repository_id: Uuid,
        pub work_item_id: Option<Uuid>,
        pub session_id: Option<Uuid>,
        pub run_id: Option<Uuid>,
        pub commit_oid: String,
        pub bundle_hash: String,
        pub planner: String,
        pub model_used: String,
        pub prompt_version: String,
        pub summary: String,
        pub steps: String,
        pub risks: String,
        pub requires_confirmation: bool,
        pub estimated_minutes: i64,
        pub estimate_reason: String,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod patch {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "patch")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub run_id: Uuid,
        pub principal_id: Uuid,
        pub repository_id: Uuid,
        pub work_item_id: Option<Uuid>,
        pub plan_id: Option<Uuid>,
        pub base_oid: String,
        pub tree_oid: String,
        pub commit_oid: Option<String>,
        pub branch: String,
        pub diff: String,
        pub files: String,
        pub state: String,
        pub reverted_by: Option<Uuid>,
        pub engine: String,
        pub summary: String,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

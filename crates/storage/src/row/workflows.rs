//! Workflows, their revisions, triggers and firings.

pub mod workflow {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[expect(clippy::struct_excessive_bools, reason = "columns are as they are")]
    #[sea_orm(table_name = "workflow")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub is_template: bool,
        pub seed_key: Option<String>,
        pub display_name: String,
        pub description: String,
        pub icon: String,
        pub category: String,
        pub tags: String,
        pub revision: i64,
        pub source_template_id: Option<Uuid>,
        pub source_revision: Option<i64>,
        pub creator_id: Uuid,
        pub created_at: i64,
        pub updated_at: i64,
        pub deleted_at: Option<i64>,
        pub version: i64,
        pub item_key: String,
        pub last_number: i64,
        pub paused_at: Option<i64>,
        pub paused_stages: String,
        pub allows_manual_creation: bool,
        pub requires_approval_to_start: bool,
        pub has_agent_stage: bool,
        pub origin_workflow_id: Option<Uuid>,
        pub origin_revision: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod workflow_revision {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_revision")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub tenant_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub workflow_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision: i64,
        pub definition: String,
        pub published_by: Uuid,
        pub published_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod workflow_trigger {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_trigger")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub workflow_id: Uuid,
        pub event_type: String,
        pub enabled: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod workflow_star {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "workflow_star")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub place: String,
        pub workflow_id: Uuid,
        pub starred_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

pub mod trigger_firing {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "trigger_firing")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub tenant_kind: String,
        pub tenant_id: Uuid,
        pub workflow_id: Uuid,
        pub trigger_id: Uuid,
        pub event_id: Uuid,
        pub event_type: String,
        pub outcome: String,
        pub reason: String,
        pub work_item_id: Option<Uuid>,
        pub fired_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
    impl ActiveModelBehavior for ActiveModel {}
}

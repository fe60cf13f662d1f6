//! Permissions as types, so that a grant of one cannot stand for another.

use crate::{Key, Level};

/// What counts on a row that is everyone's ([`primitives::Tenant::Global`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GlobalRule {
    /// The base role's levels, or `global.manage` ADMIN.
    Manage,
    /// As [`GlobalRule::Manage`], or the key held in some team: items on company-wide boards.
    AnyTeam,
}

/// A key at a level. Implemented by uninhabited marker types only.
pub trait Permission: Send + Sync + 'static {
    /// The key.
    const KEY: Key;
    /// The level needed.
    const LEVEL: Level;
    /// What counts on global rows.
    const GLOBAL: GlobalRule = GlobalRule::Manage;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $key:ident $level:ident $(, $global:ident)?;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}
        impl Permission for $name {
            const KEY: Key = Key::$key;
            const LEVEL: Level = Level::$level;
            $(const GLOBAL: GlobalRule = GlobalRule::$global;)?
        }
    )*};
}

permissions! {
    /// `workflows.view` READ.
    WorkflowsView = WorkflowsView Read;
    /// `workflows.create` WRITE, for definitions.
    WorkflowsCreate = WorkflowsCreate Write;
    /// `workflows.create` WRITE, for items.
    ItemsCreate = WorkflowsCreate Write, AnyTeam;
    /// `workflows.edit` WRITE, for items.
    ItemsEdit = WorkflowsEdit Write, AnyTeam;
    /// `workflows.manage` WRITE, to act on items of others.
    ItemsManage = WorkflowsManage Write;
    /// `workflows.manage` WRITE, for triggers and the auto-apply flag.
    WorkflowsManage = WorkflowsManage Write;
    /// `workflows.manage` ADMIN, to give a workflow away or to take it.
    WorkflowsOwn = WorkflowsManage Admin;
    /// `workflows.delete` WRITE.
    WorkflowsDelete = WorkflowsDelete Write;
    /// `analytics.view` READ.
    AnalyticsRead = AnalyticsView Read;
    /// `code.use` WRITE.
    CodeUse = CodeUse Write;
    /// `code.edit` WRITE.
    CodeEdit = CodeEdit Write;
    /// `repositories.manage` WRITE.
    RepositoriesManage = RepositoriesManage Write;
    /// `audit.read` READ.
    AuditRead = AuditRead Read;
    /// `team.manage` READ: see who holds what.
    TeamRead = TeamManage Read;
    /// `team.manage` WRITE: members and their roles.
    TeamWrite = TeamManage Write;
    /// `team.manage` ADMIN: the team itself and its own roles.
    TeamAdmin = TeamManage Admin;
    /// `directory.manage` READ: people and teams as metadata.
    DirectoryRead = DirectoryManage Read;
    /// `directory.manage` WRITE: people, teams, first admins.
    DirectoryWrite = DirectoryManage Write;
    /// `directory.manage` ADMIN: system roles, the end of a team.
    DirectoryAdmin = DirectoryManage Admin;
    /// `admin.support` READ: metadata of everything.
    AdminSupport = AdminSupport Read;
    /// `admin.ops` ADMIN: switches of the whole system.
    AdminOps = AdminOps Admin;
}

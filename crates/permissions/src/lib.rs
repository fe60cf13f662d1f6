//! The vocabulary of who may do what.
//!
//! Three values carry the proof of a check, and none can be made without it:
//! [`Grant`] (the caller holds a permission somewhere), [`Visible`] (this row lies in
//! the caller's scope) and [`Admitted`] (the permission holds for this very row).
//! What the server does by itself goes through [`Seeder`], [`ClaimKeeper`] and [`Reporter`].
//! Casbin decides what each role grants, once per start; a check is bit arithmetic.

#![warn(missing_docs)]

mod authorizer;
mod caller;
mod grant;
mod level;
mod permission;
mod policy;
mod roles;
mod system;

pub use authorizer::{Authorizer, PolicyError};
pub use caller::{Caller, HeldRole, Membership, Scope};
pub use grant::{
    Admitted, Cleared, Denied, Either, Grant, HeldBy, SystemAdmitted, TenantAdmitted, Tenanted,
    Visible,
};
pub use level::{Key, Level, Levels};
pub use permission::{
    AdminOps, AdminSupport, AnalyticsRead, AuditRead, CodeEdit, CodeUse, DirectoryAdmin,
    DirectoryRead, DirectoryWrite, GlobalRule, ItemsCreate, ItemsEdit, ItemsManage, Permission,
    RepositoriesManage, TeamAdmin, TeamRead, TeamWrite, WorkflowsCreate, WorkflowsDelete,
    WorkflowsManage, WorkflowsOwn, WorkflowsView,
};
pub use policy::{
    Assignment, AssignmentScope, AssignmentSource, CustomRole, PolicyData, PolicySource, Role,
    SourceError, UserKind, UserRecord,
};
pub use roles::{RoleTable, RoleTableError, SYSTEM_ROLES, TEAM_ROLES};
pub use system::{ClaimKeeper, Claimable, Reporter, Seeder};

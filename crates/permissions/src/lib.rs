//! The vocabulary of who may do what.
//!
//! Three values carry the proof of a check, and none can be made without it:
//! [`Grant`] (the caller holds a permission somewhere), [`Visible`] (this row lies in
//! the caller's scope) and [`Admitted`] (the permission holds for this very row).
//! What the server does by itself goes through [`Seeder`] and [`Reporter`].
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
pub use caller::{Caller, Membership, Scope};
pub use grant::{Admitted, Cleared, Denied, Grant, TenantAdmitted, Tenanted, Visible};
pub use level::{Key, Level, Levels};
pub use permission::{
    AnalyticsRead, AuditRead, CodeEdit, CodeUse, GlobalRule, ItemsCreate, ItemsEdit, ItemsManage,
    Permission, RepositoriesManage, WorkflowsCreate, WorkflowsDelete, WorkflowsManage,
    WorkflowsView,
};
pub use policy::{Assignment, AssignmentScope, PolicyData, PolicySource, SourceError, UserRecord};
pub use roles::{RoleTable, RoleTableError, TEAM_ROLES};
pub use system::{Reporter, Seeder};

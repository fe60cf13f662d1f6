//! The smallest words of the domain: ids, names, tenants, times, pages, kinds of error.
//!
//! Nothing here does I/O or knows a database, a wire format or another crate of ours.

#![warn(missing_docs)]

mod error;
mod id;
mod page;
mod tenant;
mod text;
mod time;

pub use error::{Checked, Classify, ErrorKind, FieldError, InvalidArgs};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use id::NAMES;
pub use id::{
    AuditEvent, AuditEventId, Comment, CommentId, CustomRole, Event, EventId, Firing, FiringId, Id,
    Kind, MalformedName, Patch, PatchId, Plan, PlanId, Recommendation, RecommendationId,
    Repository, RepositoryId, RoleAssignment, RoleAssignmentId, RoleId, Run, RunId, Session,
    SessionId, Team, TeamId, Template, TemplateId, Transition, TransitionId, Trigger, TriggerId,
    User, UserId, Visit, VisitId, WorkItem, WorkItemId, Workflow, WorkflowId,
};
pub use page::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Page, PageAfter, PageRequest};
pub use tenant::{Tenant, TenantKind};
pub use text::{Text, clip};
pub use time::{Clock, SystemClock, Timestamp};

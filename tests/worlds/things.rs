//! Kinds of things that calls name, and the things a world has.

use api::workflow::WorkItem;

use crate::facts::Owner;

/// What a field of a request is to name. Those in the second half are used up by the call, or
/// have to be in a state that fits it: a call that may be made gets a fresh one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Whom something new is for: no thing, but `visibility` and `team`.
    Tenant,
    /// As [`Tenant`](Self::Tenant), of those who have a folder for repositories.
    Home,
    Team,
    /// A kill switch: a team's, or everybody's.
    Switch,
    Repository,
    Workflow,
    Template,
    Item,
    /// At an agent stage, with a recommendation.
    Advised,
    Comment,
    Session,
    Run,
    Plan,
    Patch,
    /// Somebody, as the directory sees them.
    User,
    /// A role of a team's own.
    Role,
    /// A role that is held in a team.
    Assignment,
    /// Somebody else who is in the team that is named.
    Member,
    /// A role that can be held in the team that is named.
    Grantable,
    /// A team in which nobody is.
    EmptyTeam,

    SpareWorkflow,
    /// By a caller without any stars.
    ToStar,
    ToUpdateFlow,
    ToPause,
    /// Paused.
    ToResume,
    /// Deleted.
    ToUndelete,
    ToTransfer,
    /// A template of one's own.
    SpareTemplate,
    ToClaim,
    ToStart,
    ToComplete,
    ToCancel,
    /// Claimed by the caller…
    Held,
    /// …and blocked…
    Blocked,
    /// …and cancelled.
    Closed,
    /// Claimed by the caller at its second stage.
    ToReturn,
    /// At a stage of approval, made by somebody else than the caller where there is one.
    ToDecide,
    ToReview,
    ToRerun,
    /// Written by the caller.
    ToUpdateComment,
    SpareComment,
    SpareSession,
    ToRevert,
    SpareUser,
    ToUpdateUser,
    /// In no team that matters.
    Newcomer,
    ToUpdateTeam,
    SpareTeam,
    ToUpdateRole,
    SpareRole,
    ToUnassign,
    /// A member of the team that is named, who can be changed or taken out.
    SpareMember,
}

impl Kind {
    /// What it is like when its state does not matter.
    pub(crate) fn base(self) -> Self {
        match self {
            Self::SpareWorkflow | Self::ToStar => Self::Workflow,
            Self::ToClaim
            | Self::ToStart
            | Self::ToComplete
            | Self::ToCancel
            | Self::Held
            | Self::Blocked
            | Self::Closed
            | Self::ToReturn
            | Self::ToDecide => Self::Item,
            Self::ToUpdateFlow
            | Self::ToPause
            | Self::ToResume
            | Self::ToUndelete
            | Self::ToTransfer => Self::Workflow,
            Self::SpareTemplate => Self::Template,
            Self::ToReview | Self::ToRerun => Self::Advised,
            Self::ToUpdateComment | Self::SpareComment => Self::Comment,
            Self::SpareSession => Self::Session,
            Self::ToRevert => Self::Patch,
            Self::SpareUser | Self::ToUpdateUser | Self::Newcomer => Self::User,
            Self::ToUpdateTeam => Self::Team,
            Self::SpareTeam => Self::EmptyTeam,
            Self::ToUpdateRole | Self::SpareRole => Self::Role,
            Self::ToUnassign => Self::Assignment,
            Self::SpareMember => Self::Member,
            other => other,
        }
    }

    pub(crate) fn collection(self) -> &'static str {
        match self.base() {
            Self::Tenant | Self::Home | Self::Team | Self::Switch | Self::EmptyTeam => "teams",
            Self::User | Self::Member => "users",
            Self::Role | Self::Grantable => "roles",
            Self::Assignment => "roleAssignments",
            Self::Repository => "repositories",
            Self::Workflow => "workflows",
            Self::Template => "templates",
            Self::Comment => "comments",
            Self::Session => "sessions",
            Self::Run => "runs",
            Self::Plan => "plans",
            Self::Patch => "patches",
            _ => "workItems",
        }
    }
}

/// Something that is there.
#[derive(Clone, Debug)]
pub(crate) struct Thing {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) owner: Owner,
    /// Whose repository it is about, for sessions and patches.
    pub(crate) about: Option<Owner>,
    /// As it was last seen.
    pub(crate) item: Option<WorkItem>,
    /// As it was last seen; empty where nobody looked.
    pub(crate) etag: String,
    /// It can be looked at and refuses work: a closed session, a workflow out of use.
    pub(crate) is_over: bool,
}

impl Thing {
    pub(crate) fn new(kind: Kind, name: &str, owner: &Owner) -> Self {
        let name = name.to_owned();
        Self {
            kind,
            name,
            owner: owner.clone(),
            about: None,
            item: None,
            etag: String::new(),
            is_over: false,
        }
    }

    pub(crate) fn about(self, owner: &Owner) -> Self {
        Self { about: Some(owner.clone()), ..self }
    }

    pub(crate) fn of_item(kind: Kind, item: WorkItem, owner: &Owner) -> Self {
        Self { item: Some(item.clone()), ..Self::new(kind, &item.name, owner) }
    }
}

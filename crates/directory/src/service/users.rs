//! People and service accounts.
//!
//! **Invariant:** nobody changes an account that may do more system-wide than he may himself,
//! since whoever sets what an account is known by can become it; and somebody who is active
//! stays a founder for good.

use std::collections::BTreeSet;

use audit::AuditEvent;
use events::{Departure, Once};
use permissions::{AssignmentScope, DirectoryRead, DirectoryWrite, Grant, UserKind};
use primitives::{Checked, Page, PageRequest, Tenant, Timestamp, UserId};
use serde_json::json;

use super::founders::{RoleShift, SystemRoles, names, shift, shifted, system_role};
use super::identity::{CertificateName, Subject, is_known_by_enough};
use super::{DirectoryDeps, expect_version, remember, replayed};
use crate::store::DirectoryTx;
use crate::{DirectoryError, Holding, User, UserView};

const NOT_FOUND: DirectoryError = DirectoryError::NotFound("USER");

/// Somebody to be made known.
#[derive(Clone, Debug)]
pub struct UserInput {
    pub kind: UserKind,
    pub display_name: String,
    pub subject: Option<Subject>,
    pub certificate_name: Option<CertificateName>,
    pub may_apply: bool,
    pub system_roles: BTreeSet<&'static str>,
}

/// What is to become of one field.
#[derive(Clone, Debug, Default)]
pub enum Change<T> {
    #[default]
    Keep,
    To(T),
}

impl<T> Change<T> {
    fn or(self, kept: T) -> T {
        match self {
            Self::Keep => kept,
            Self::To(value) => value,
        }
    }
}

/// What is to become of a user.
#[derive(Clone, Debug, Default)]
pub struct UserChange {
    /// The version it was read at.
    pub version: i64,
    pub display_name: Change<String>,
    pub subject: Change<Option<Subject>>,
    pub certificate_name: Change<Option<CertificateName>>,
    pub may_apply: Change<bool>,
    pub away_until: Change<Option<Timestamp>>,
    pub system_roles: Change<BTreeSet<&'static str>>,
    /// Brings a deactivated user back.
    pub reactivate: bool,
    /// The paths that were named, for the record.
    pub paths: Vec<&'static str>,
    /// Everything is judged and nothing changed.
    pub validate_only: bool,
}

/// People and service accounts.
#[derive(Clone)]
pub struct Users {
    deps: DirectoryDeps,
}

impl Users {
    pub fn new(deps: DirectoryDeps) -> Self {
        Self { deps }
    }

    /// What somebody is known by counts here from the next call on; elsewhere, whoever is not
    /// known is looked for. What was committed stands, whatever becomes of this.
    async fn make_known(&self) {
        if let Err(error) = self.deps.authorizer.refresh().await {
            tracing::warn!(%error, "the policy is read again by the next call");
        }
    }

    fn system(&self) -> SystemRoles<'_> {
        SystemRoles(self.deps.authorizer.roles())
    }

    /// Users, newest first.
    #[tracing::instrument(
        name = "users.list",
        skip_all,
        fields(user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn list(
        &self,
        grant: &Grant<DirectoryRead>,
        show_deactivated: bool,
        page: Checked<PageRequest>,
    ) -> Result<Page<UserView>, DirectoryError> {
        let proof = grant.admit_system()?;
        let store = &self.deps.store;
        Ok(store.list_users(&grant.scope(), &proof, show_deactivated, page?).await?)
    }

    /// Makes a person or a service account known.
    #[tracing::instrument(
        name = "users.create",
        skip_all,
        fields(user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn create(
        &self,
        grant: &Grant<DirectoryWrite>,
        input: Checked<UserInput>,
        once: Option<&Once>,
    ) -> Result<UserView, DirectoryError> {
        let mut tx = self.deps.begin(&grant.scope()).await?;
        let admitted = grant.admit_system()?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let input = input?;
        let now = self.deps.clock.now();
        let user = new_user(&input, now)?;
        let given: Vec<_> =
            input.system_roles.iter().map(|role| system_role(&user, role, grant, now)).collect();
        let roles = RoleShift::giving(given);
        let admin = self.system().may_shift(grant.caller(), &roles)?;
        refuse_taken(tx.as_mut(), &user).await?;

        tx.add_user(admitted.clear(user.clone())).await?;
        shift(tx.as_mut(), admin.as_ref(), &roles).await?;
        let view = roles.view(user);
        let details = json!({ "kind": view.user.kind, "system_roles": view.system_roles });
        let event = AuditEvent::by(grant, now, own(grant), "user.created", view.user.id);
        tx.record(vec![event.with(details)]).await?;
        remember(tx.as_mut(), once, &view, now).await?;
        tx.commit().await?;
        self.make_known().await;
        Ok(view)
    }

    /// Changes a user. With `validate_only` it tells what would be.
    #[tracing::instrument(
        name = "users.update",
        skip_all,
        fields(user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn update(
        &self,
        grant: &Grant<DirectoryWrite>,
        id: UserId,
        change: Checked<UserChange>,
        once: Option<&Once>,
    ) -> Result<UserView, DirectoryError> {
        let mut tx = self.deps.begin(&grant.scope()).await?;
        let admitted = grant.admit_system()?;
        let user = tx.find_user(id).await?.ok_or(NOT_FOUND)?;
        let now = self.deps.clock.now();
        let held = tx.holdings_of(id).await?;
        self.system().may_change(grant.caller(), &held, now)?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        let change = change?;
        let changed = changed(&user, &change)?;
        let comes_back = changed.active && !user.active;
        // What was held before stays away, whoever left it there.
        let (left, held) = if comes_back { (held, Vec::new()) } else { (Vec::new(), held) };
        let roles = shifted(&changed, held, &change.system_roles, grant, now);
        let admin = self.system().may_shift(grant.caller(), &roles)?;
        expect_version(Some(change.version), user.version)?;
        if !changed.active && !roles.given.is_empty() {
            let text = "a deactivated user holds no roles: bring it back first";
            return Err(DirectoryError::wrong_state("USER_DEACTIVATED", text));
        }
        refuse_taken(tx.as_mut(), &changed).await?;
        self.system().keep_founder(tx.as_mut(), |held| roles.takes(held), now).await?;

        let mut view = roles.view(changed);
        if change.validate_only {
            return Ok(view);
        }
        tx.save_user(admitted.clear(view.user.clone())).await?;
        view.user.version += 1;
        if !left.is_empty() {
            tx.remove_holdings(left.into_iter().map(|held| admitted.clear(held)).collect()).await?;
        }
        shift(tx.as_mut(), admin.as_ref(), &roles).await?;
        let details = json!({
            "changed": change.paths,
            "roles_given": names(&roles.given),
            "roles_taken": names(&roles.taken),
        });
        let event = AuditEvent::by(grant, now, own(grant), "user.updated", id);
        tx.record(vec![event.with(details)]).await?;
        remember(tx.as_mut(), once, &view, now).await?;
        tx.commit().await?;
        self.make_known().await;
        Ok(view)
    }

    /// Makes a user unknown to authentication and takes all roles away.
    #[tracing::instrument(
        name = "users.deactivate",
        skip_all,
        fields(user.id = %grant.user()),
        err(level = "debug")
    )]
    pub async fn deactivate(
        &self,
        grant: &Grant<DirectoryWrite>,
        id: UserId,
        etag: Checked<Option<i64>>,
        once: Option<&Once>,
    ) -> Result<UserView, DirectoryError> {
        let mut tx = self.deps.begin(&grant.scope()).await?;
        let admitted = grant.admit_system()?;
        let user = tx.find_user(id).await?.ok_or(NOT_FOUND)?;
        let now = self.deps.clock.now();
        let held = tx.holdings_of(id).await?;
        self.system().may_change(grant.caller(), &held, now)?;
        if let Some(answer) = replayed(tx.as_mut(), once).await? {
            return Ok(answer);
        }
        expect_version(etag?, user.version)?;
        if !user.active {
            let text = "the user is deactivated already";
            return Err(DirectoryError::wrong_state("USER_DEACTIVATED", text));
        }
        self.system().keep_founder(tx.as_mut(), |held| held.user == id, now).await?;

        let mut user = User { active: false, deactivated_at: Some(now), ..user };
        tx.save_user(admitted.clear(user.clone())).await?;
        user.version += 1;
        let details = json!({ "roles_taken": names(&held), "teams": teams(&held) });
        let rows = held.into_iter().map(|held| admitted.clear(held)).collect();
        tx.remove_holdings(rows).await?;
        let event = AuditEvent::by(grant, now, own(grant), "user.deactivated", id);
        tx.record(vec![event.with(details)]).await?;
        tx.publish(vec![Departure::Deactivated { user: id }.event(grant.user(), now)]).await?;
        let view = UserView { user, system_roles: Vec::new() };
        remember(tx.as_mut(), once, &view, now).await?;
        tx.commit().await?;
        self.make_known().await;
        Ok(view)
    }
}

fn new_user(input: &UserInput, now: Timestamp) -> Checked<User> {
    let user = User {
        id: UserId::generate(),
        subject: input.subject.clone().map(Subject::into_string),
        certificate_name: input.certificate_name.clone().map(CertificateName::into_string),
        display_name: input.display_name.clone(),
        kind: input.kind,
        active: true,
        may_apply: input.may_apply,
        created_at: now,
        deactivated_at: None,
        version: 1,
        away_until: None,
    };
    is_known_by_enough(user.kind, user.subject.as_deref(), user.certificate_name.as_deref())?;
    Ok(user)
}

fn changed(user: &User, change: &UserChange) -> Checked<User> {
    let change = change.clone();
    let mut changed = user.clone();
    changed.display_name = change.display_name.or(changed.display_name);
    changed.may_apply = change.may_apply.or(changed.may_apply);
    changed.away_until = change.away_until.or(changed.away_until);
    if let Change::To(subject) = change.subject {
        changed.subject = subject.map(Subject::into_string);
    }
    if let Change::To(name) = change.certificate_name {
        changed.certificate_name = name.map(CertificateName::into_string);
    }
    if change.reactivate {
        changed.active = true;
        changed.deactivated_at = None;
    }
    let (subject, name) = (changed.subject.as_deref(), changed.certificate_name.as_deref());
    is_known_by_enough(changed.kind, subject, name)?;
    Ok(changed)
}

/// Refuses what another user is known by, deactivated or not.
async fn refuse_taken(tx: &mut dyn DirectoryTx, user: &User) -> Result<(), DirectoryError> {
    let another = |found: Option<User>| found.is_some_and(|found| found.id != user.id);
    if let Some(subject) = &user.subject
        && another(tx.find_user_by_subject(subject).await?)
    {
        let text = "another user has the subject: see ListUsers";
        return Err(DirectoryError::wrong_state("SUBJECT_TAKEN", text));
    }
    if let Some(name) = &user.certificate_name
        && another(tx.find_user_by_certificate(name).await?)
    {
        let text = "another service account has the certificate_name: see ListUsers";
        return Err(DirectoryError::wrong_state("CERTIFICATE_TAKEN", text));
    }
    Ok(())
}

/// What is done to users is filed under whoever does it: it is no team's business.
fn own(grant: &Grant<DirectoryWrite>) -> Tenant {
    Tenant::Person(grant.user())
}

fn teams(held: &[Holding]) -> Vec<String> {
    let teams: BTreeSet<_> = held
        .iter()
        .filter_map(|held| match held.scope {
            AssignmentScope::Team(team) => Some(team.to_string()),
            AssignmentScope::System => None,
        })
        .collect();
    teams.into_iter().collect()
}

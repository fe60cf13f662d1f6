//! Values that prove a check was made.

use std::marker::PhantomData;
use std::ops::Deref;

use primitives::{Classify, ErrorKind, Tenant, UserId};

use crate::{Caller, Key, Level, Permission, Scope};

/// A row with an owner.
pub trait Tenanted {
    /// Who owns it.
    fn tenant(&self) -> Tenant;
}

/// A row that says what somebody holds.
pub trait HeldBy {
    /// Who holds it.
    fn holder(&self) -> UserId;
}

/// The permission is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("permission {key} {} is required", level.name())]
pub struct Denied {
    /// The key that is missing.
    pub key: Key,
    /// The level that is missing.
    pub level: Level,
    /// The tenant of the visible row it is missing on; `None` when it is held nowhere.
    pub tenant: Option<Tenant>,
}

impl Denied {
    /// The refusal of permission `P`.
    pub fn of<P: Permission>(tenant: Option<Tenant>) -> Self {
        Self { key: P::KEY, level: P::LEVEL, tenant }
    }
}

impl Classify for Denied {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Forbidden
    }
    fn reason(&self) -> &'static str {
        "PERMISSION_DENIED"
    }
    fn metadata(&self) -> std::collections::BTreeMap<&'static str, String> {
        [("permission", self.key.name().to_owned()), ("level", self.level.name().to_owned())].into()
    }
}

/// Proof that a caller holds `P` somewhere. Only [`crate::Authorizer::require`] makes one,
/// so a function that takes a grant cannot run unchecked.
///
/// ```compile_fail,E0624
/// fn forge(caller: permissions::Caller) -> permissions::Grant<permissions::CodeEdit> {
///     permissions::Grant::new(caller)
/// }
/// ```
pub struct Grant<P> {
    caller: Caller,
    permission: PhantomData<fn() -> P>,
}

impl<P> Clone for Grant<P> {
    fn clone(&self) -> Self {
        Self { caller: self.caller.clone(), permission: PhantomData }
    }
}

impl<P: Permission> Grant<P> {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller, permission: PhantomData }
    }

    /// Who holds it.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Who holds it.
    pub fn user(&self) -> UserId {
        self.caller.user()
    }

    /// What the holder can see.
    pub fn scope(&self) -> Scope {
        self.caller.scope()
    }

    /// Proves that `P` holds for this very row.
    pub fn admit<T: Tenanted>(&self, row: Visible<T>) -> Result<Admitted<P, T>, Denied> {
        let tenant = row.tenant();
        if self.caller.holds::<P>(tenant) {
            Ok(Admitted { row: row.row, permission: PhantomData })
        } else {
            Err(Denied::of::<P>(Some(tenant)))
        }
    }

    /// Proves that `P` holds for this very row or, where `is_enough` says so of the row, that
    /// `Q` does. A refusal names `P`.
    pub fn admit_or<Q: Permission, T: Tenanted>(
        &self,
        row: Visible<T>,
        is_enough: impl FnOnce(&T) -> bool,
    ) -> Result<Admitted<Either<P, Q>, T>, Denied> {
        let tenant = row.tenant();
        let caller = &self.caller;
        if caller.holds::<P>(tenant) || (is_enough(&row) && caller.holds::<Q>(tenant)) {
            Ok(Admitted { row: row.row, permission: PhantomData })
        } else {
            Err(Denied::of::<P>(Some(tenant)))
        }
    }

    /// Clears a row that records the caller's own doing and belongs to nobody else.
    /// What it is done *on* has been admitted before.
    pub fn own<T: Tenanted>(&self, row: T) -> Cleared<T> {
        assert!(row.tenant() == Tenant::Person(self.user()), "only the caller's own rows");
        Cleared { row }
    }

    /// Proves that `P` holds system-wide, whoever the rows belong to.
    pub fn admit_system(&self) -> Result<SystemAdmitted<P>, Denied> {
        if self.caller.system_levels().has(P::KEY, P::LEVEL) {
            Ok(SystemAdmitted { permission: PhantomData })
        } else {
            Err(Denied::of::<P>(None))
        }
    }

    /// Proves that `P` holds in a tenant in which something is to be created.
    /// The tenant must be visible; the caller of this function has checked that
    /// and answers `TEAM_NOT_FOUND` otherwise.
    pub fn admit_in(&self, tenant: Tenant) -> Result<TenantAdmitted<P>, Denied> {
        if self.caller.holds::<P>(tenant) {
            Ok(TenantAdmitted { tenant, permission: PhantomData })
        } else {
            Err(Denied::of::<P>(Some(tenant)))
        }
    }
}

/// A row the caller can see. Made by [`Scope::show`] only.
///
/// ```compile_fail,E0624
/// fn pretend<T>(row: T) -> permissions::Visible<T> {
///     permissions::Visible::new(row)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Visible<T> {
    row: T,
}

impl<T> Visible<T> {
    pub(crate) fn new(row: T) -> Self {
        Self { row }
    }

    /// Gives up the proof.
    pub fn into_inner(self) -> T {
        self.row
    }
}

impl<T> Deref for Visible<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.row
    }
}

/// A row on which the caller holds `P`.
#[derive(Debug)]
pub struct Admitted<P, T> {
    row: T,
    permission: PhantomData<fn() -> P>,
}

impl<P, T> Deref for Admitted<P, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.row
    }
}

impl<P, T: Tenanted> Admitted<P, T> {
    /// Turns the proof into the right to save what became of the row.
    /// The change must keep the owner: that is checked here, not hoped for.
    pub fn save_as<U: Tenanted>(&self, changed: U) -> Cleared<U> {
        assert!(
            changed.tenant() == self.row.tenant(),
            "a change must not move a row to another tenant"
        );
        Cleared { row: changed }
    }

    /// The row itself, cleared for saving unchanged or with changes made to it.
    pub fn into_inner(self) -> T {
        self.row
    }
}

/// One of two permissions: which of them is not said.
#[derive(Debug)]
pub struct Either<P, Q>(PhantomData<fn() -> (P, Q)>);

/// A row whose change has been permitted; stores save nothing else.
///
/// ```compile_fail,E0624
/// fn pretend<T>(row: T) -> permissions::Cleared<T> {
///     permissions::Cleared::new(row)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Cleared<T> {
    row: T,
}

impl<T> Cleared<T> {
    pub(crate) fn new(row: T) -> Self {
        Self { row }
    }

    /// The row.
    pub fn into_inner(self) -> T {
        self.row
    }
}

impl<T> Deref for Cleared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.row
    }
}

/// A tenant in which the caller holds `P`.
#[derive(Debug)]
pub struct TenantAdmitted<P> {
    tenant: Tenant,
    permission: PhantomData<fn() -> P>,
}

impl<P> TenantAdmitted<P> {
    /// The tenant.
    pub fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// Clears a new row for insertion. It must belong to the tenant that was checked.
    pub fn create<T: Tenanted>(&self, row: T) -> Cleared<T> {
        assert!(
            row.tenant() == self.tenant,
            "a new row must belong to the tenant that was checked"
        );
        Cleared { row }
    }
}

/// `P` held system-wide: the right to rows of the directory, whoever they belong to.
#[derive(Debug)]
pub struct SystemAdmitted<P> {
    permission: PhantomData<fn() -> P>,
}

impl<P: Permission> SystemAdmitted<P> {
    /// Clears a row for saving.
    pub fn clear<T>(&self, row: T) -> Cleared<T> {
        Cleared { row }
    }
}

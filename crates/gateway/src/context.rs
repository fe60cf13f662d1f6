//! What the layers know of one call, shared by reference through the request's extensions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use permissions::Caller;
use primitives::{Tenant, clip};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::access::Method;
use crate::class::Class;

/// Names kept of one call, and characters of each.
const NAMES: usize = 8;
const NAME_CHARS: usize = 80;

/// What a caller proved who he is with; it may cease to prove it.
pub(crate) trait Credential: Send + Sync {
    /// Whether it would be believed now.
    fn holds(&self) -> bool;
}

/// One call on its way through the layers.
pub(crate) struct CallContext {
    request_id: String,
    method: Option<&'static Method>,
    deadline: OnceLock<Instant>,
    asked_deadline: OnceLock<Instant>,
    caller: OnceLock<Caller>,
    renewed: OnceLock<Caller>,
    followed: OnceLock<Caller>,
    groups: OnceLock<Vec<String>>,
    credential: OnceLock<Box<dyn Credential>>,
    turn: Mutex<Option<OwnedSemaphorePermit>>,
    refused_in: OnceLock<Tenant>,
    names: Mutex<Vec<String>>,
    abandoned: AtomicBool,
}

impl CallContext {
    /// A call with a fresh id. What a client sends as id proves nothing and is not used.
    pub(crate) fn new(method: Option<&'static Method>) -> Self {
        Self {
            request_id: format!("{:032x}", rand::random::<u128>()),
            method,
            deadline: OnceLock::new(),
            asked_deadline: OnceLock::new(),
            caller: OnceLock::new(),
            renewed: OnceLock::new(),
            followed: OnceLock::new(),
            groups: OnceLock::new(),
            credential: OnceLock::new(),
            turn: Mutex::new(None),
            refused_in: OnceLock::new(),
            names: Mutex::new(Vec::new()),
            abandoned: AtomicBool::new(false),
        }
    }

    pub(crate) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// `None` for a path that names no method.
    pub(crate) fn method(&self) -> Option<&'static Method> {
        self.method
    }

    /// What the call costs.
    pub(crate) fn class(&self) -> Class {
        self.method.map_or(Class::Read, |method| method.class)
    }

    /// The method's path, fit for a label.
    pub(crate) fn path(&self) -> &'static str {
        self.method.map_or("unknown", |method| method.path)
    }

    pub(crate) fn set_deadline(&self, deadline: Instant) {
        // Set once, by the one layer that knows it.
        let _ = self.deadline.set(deadline);
    }

    /// When the caller stops waiting.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.get().copied()
    }

    /// The caller named a deadline of his own.
    pub(crate) fn set_asked_deadline(&self, deadline: Instant) {
        let _ = self.asked_deadline.set(deadline);
    }

    /// The caller's own deadline; a stream, which may live longer than a call, ends with it.
    pub(crate) fn asked_deadline(&self) -> Option<Instant> {
        self.asked_deadline.get().copied()
    }

    pub(crate) fn set_caller(&self, caller: Caller) {
        let _ = self.caller.set(caller);
    }

    /// What the caller's token says of the groups he is in.
    pub(crate) fn set_groups(&self, groups: Vec<String>) {
        let _ = self.groups.set(groups);
    }

    /// `None` for a caller without a token.
    pub(crate) fn groups(&self) -> Option<&[String]> {
        self.groups.get().map(Vec::as_slice)
    }

    /// The same caller with what his token stands for.
    pub(crate) fn follow_caller(&self, caller: Caller) {
        let _ = self.followed.set(caller);
    }

    /// The same caller with newer rights, found before the call came to its handler.
    pub(crate) fn renew_caller(&self, caller: Caller) {
        let _ = self.renewed.set(caller);
    }

    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.renewed.get().or_else(|| self.followed.get()).or_else(|| self.caller.get())
    }

    pub(crate) fn set_credential(&self, credential: Box<dyn Credential>) {
        let _ = self.credential.set(credential);
    }

    /// Whether the caller would still be believed. Kept for streams only.
    pub(crate) fn credential_holds(&self) -> bool {
        self.credential.get().is_none_or(|credential| credential.holds())
    }

    /// Keeps one of the caller's turns at work until it is given back.
    pub(crate) fn take_turn(&self, turn: OwnedSemaphorePermit) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
    }

    /// Lets another call of the same caller work: this one is done, or only waits from here.
    pub(crate) fn give_turn_back(&self) {
        drop(self.turn.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// The call was refused on a visible object of this tenant.
    pub(crate) fn refuse_in(&self, tenant: Tenant) {
        let _ = self.refused_in.set(tenant);
    }

    pub(crate) fn refused_in(&self) -> Option<Tenant> {
        self.refused_in.get().copied()
    }

    /// Keeps a name the caller sent, for the record of a refusal.
    pub(crate) fn keep_name(&self, name: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < NAMES {
            names.push(clip(name, NAME_CHARS).replace(char::is_control, "\u{fffd}"));
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }
}

//! What the layers know of one call, shared by reference through the request's extensions.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use permissions::Caller;
use primitives::{Tenant, clip};
use tokio::time::Instant;

use crate::access::Method;

/// Names kept of one call, and characters of each.
const NAMES: usize = 8;
const NAME_CHARS: usize = 80;

/// One call on its way through the layers.
#[derive(Debug)]
pub(crate) struct CallContext {
    request_id: String,
    method: Option<&'static Method>,
    deadline: OnceLock<Instant>,
    caller: OnceLock<Caller>,
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
            caller: OnceLock::new(),
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

    pub(crate) fn set_caller(&self, caller: Caller) {
        let _ = self.caller.set(caller);
    }

    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.caller.get()
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

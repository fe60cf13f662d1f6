//! What all handlers do: find out who calls, ask for the grant, parse names, run the command.
//!
//! **Order of checks.** The layers have refused whoever has no credential or holds the
//! permission nowhere. Handlers then parse names only; every other argument goes to the
//! service as [`Checked`] and is judged after the object was looked up and admitted, so
//! that nobody learns from his arguments about what he may not see.

use std::sync::Arc;
use std::time::Duration;

use agent_core::AgentError;
use agent_core::model::Run;
use audit::RefusalSink;
use events::Once;
use permissions::{Authorizer, Caller, CodeEdit, Denied, Grant, Permission};
use primitives::{
    Checked, Classify, Clock, ErrorKind, Id, InvalidArgs, Kind, PageAfter, PageRequest, Tenant,
};
use prost::Message;
use tokio::time::Instant;
use tonic::{Request, Status};
use tracing::{debug, warn};
use workflow_core::WorkflowError;

use crate::context::CallContext;
use crate::error::EdgeError;
use crate::page::{Binding, Listing, PageKey, requested};
use crate::server::Services;
use crate::status;

/// How often a command runs while others change the policy.
const TRIES: usize = 4;
/// A waiting call answers this long before its deadline.
const ANSWER_TIME: Duration = Duration::from_millis(250);
/// No wait is longer, whatever a caller asks for.
const FAR: Duration = Duration::from_hours(24);
/// A waiting call looks this often whether anybody still waits for it.
const WAIT_STEP: Duration = Duration::from_secs(1);

/// What handlers share.
pub(crate) struct Shared {
    pub(crate) services: Services,
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) notes: Arc<dyn RefusalSink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) page_key: PageKey,
}

/// The handlers of all services; each service is a module of [`crate::rpc`].
#[derive(Clone)]
pub(crate) struct Rpc(pub(crate) Arc<Shared>);

impl Rpc {
    pub(crate) fn services(&self) -> &Services {
        &self.0.services
    }

    /// The call a request belongs to. Only without the layers is there none.
    pub(crate) fn call<T>(&self, request: &Request<T>) -> Result<Call<'_>, Status> {
        let context = request.extensions().get::<Arc<CallContext>>().cloned();
        let context = context.ok_or_else(status::unauthenticated)?;
        let caller = context.caller().cloned().ok_or_else(status::unauthenticated)?;
        Ok(Call { shared: &self.0, context, caller })
    }
}

/// Names in one field.
const NAMES: usize = 200;

/// One call at work.
pub(crate) struct Call<'a> {
    shared: &'a Shared,
    context: Arc<CallContext>,
    caller: Caller,
}

/// An error that may have happened on a visible object.
pub(crate) trait Refusal: Classify {
    /// Whose object it was, when the permission was missing there.
    fn refused_in(&self) -> Option<Tenant>;
}

impl Refusal for WorkflowError {
    fn refused_in(&self) -> Option<Tenant> {
        if let Self::Denied(denied) = self { denied.tenant } else { None }
    }
}

impl Refusal for AgentError {
    fn refused_in(&self) -> Option<Tenant> {
        if let Self::Denied(denied) = self { denied.tenant } else { None }
    }
}

impl Refusal for directory::DirectoryError {
    fn refused_in(&self) -> Option<Tenant> {
        if let Self::Denied(denied) = self { denied.tenant } else { None }
    }
}

impl Refusal for EdgeError {
    fn refused_in(&self) -> Option<Tenant> {
        if let Self::Denied(denied) = self { denied.tenant } else { None }
    }
}

impl Refusal for Denied {
    fn refused_in(&self) -> Option<Tenant> {
        self.tenant
    }
}

impl Refusal for InvalidArgs {
    fn refused_in(&self) -> Option<Tenant> {
        None
    }
}

impl Call<'_> {
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Runs a command under a grant of `P`. When the policy moved meanwhile it runs again,
    /// under a grant of the new policy: the run before changed nothing.
    pub(crate) async fn run<P, T, E, Running>(
        &self,
        command: impl Fn(Grant<P>) -> Running,
    ) -> Result<T, Status>
    where
        P: Permission,
        E: Refusal,
        Running: Future<Output = Result<T, E>>,
    {
        let run = |caller: Caller| self.grant(&caller).map(&command);
        self.settled(run).await
    }

    /// The same for what every active user may do.
    pub(crate) async fn run_for_caller<T, E, Running>(
        &self,
        command: impl Fn(Caller) -> Running,
    ) -> Result<T, Status>
    where
        E: Refusal,
        Running: Future<Output = Result<T, E>>,
    {
        self.settled(|caller| Ok(command(caller))).await
    }

    /// Runs a command with the rights of the newest policy, as soon as that stands still.
    async fn settled<T, E, Running>(
        &self,
        run: impl Fn(Caller) -> Result<Running, Status>,
    ) -> Result<T, Status>
    where
        E: Refusal,
        Running: Future<Output = Result<T, E>>,
    {
        let mut caller = self.caller.clone();
        for _ in 1..TRIES {
            // On the heap: commands are large, and this holds one in each of its arms.
            match Box::pin(run(caller)?).await {
                Err(error) if error.kind() == ErrorKind::PolicyMoved => {
                    caller = self.caller_again().await?;
                }
                outcome => return outcome.map_err(|error| self.fail(&error)),
            }
        }
        Box::pin(run(caller)?).await.map_err(|error| self.fail(&error))
    }

    fn grant<P: Permission>(&self, caller: &Caller) -> Result<Grant<P>, Status> {
        self.shared.authorizer.require::<P>(caller).map_err(|denied| self.fail(&denied))
    }

    /// The caller with the rights of the newest policy.
    async fn caller_again(&self) -> Result<Caller, Status> {
        if let Err(error) = self.shared.authorizer.refresh().await {
            // The old rights are asked with once more, and refused as outdated.
            warn!(%error, "the policy stays as it is");
        }
        let (user, id) = (self.caller.user(), self.context.request_id());
        self.shared.authorizer.caller_of(user, id).ok_or_else(status::unauthenticated)
    }

    /// The answer to a failed call.
    pub(crate) fn fail(&self, error: &impl Refusal) -> Status {
        if let Some(tenant) = error.refused_in() {
            self.context.refuse_in(tenant);
        }
        status::to_status(error, self.context.request_id())
    }

    /// A name that must be given.
    pub(crate) fn name<K: Kind>(&self, field: &str, text: &str) -> Result<Id<K>, Status> {
        self.context.keep_name(text);
        text.parse().map_err(|error: primitives::MalformedName| {
            self.fail(&InvalidArgs::new(field, error.to_string()))
        })
    }

    /// An argument that is needed before anything is looked up, as names are.
    pub(crate) fn checked<T>(&self, argument: primitives::Checked<T>) -> Result<T, Status> {
        argument.map_err(|error| self.fail(&error))
    }

    /// A name that may be left out.
    pub(crate) fn optional_name<K: Kind>(
        &self,
        field: &str,
        text: &str,
    ) -> Result<Option<Id<K>>, Status> {
        if text.is_empty() { Ok(None) } else { self.name(field, text).map(Some) }
    }

    /// Names that are needed together; more than anybody could mean are refused unread.
    pub(crate) fn names<K: Kind>(
        &self,
        field: &str,
        texts: &[String],
    ) -> Result<Vec<Id<K>>, Status> {
        if texts.len() > NAMES {
            let rule = format!("must not have more than {NAMES} names");
            return Err(self.fail(&InvalidArgs::new(field, rule)));
        }
        let names = texts.iter().enumerate();
        names.map(|(at, text)| self.name(&format!("{field}[{at}]"), text)).collect()
    }

    /// What makes a retry safe. A broken `request_id` is an argument like others: it is
    /// returned through [`Retry::and`].
    pub(crate) fn retry(&self, request_id: &str, request: &impl Message) -> Retry {
        if request_id.is_empty() {
            return Retry(Ok(None));
        }
        let Some(method) = self.context.method() else { return Retry(Ok(None)) };
        let once = uuid::Uuid::try_parse(request_id).map(|key| {
            Some(Once::new(self.caller.user(), method.path, key, &request.encode_to_vec()))
        });
        Retry(once.map_err(|_| InvalidArgs::new("request_id", "must be a UUID")))
    }

    /// The page a list request asks for.
    pub(crate) fn page(&self, request: &impl Listing) -> Checked<PageRequest> {
        requested(request, |token| {
            let filter = request.without_paging().encode_to_vec();
            self.shared.page_key.open(self.binding(&filter), token, self.shared.clock.now())
        })
    }

    /// The token of the page after; empty on the last page.
    pub(crate) fn next_token(&self, request: &impl Listing, next: Option<PageAfter>) -> String {
        let Some(after) = next else { return String::new() };
        let filter = request.without_paging().encode_to_vec();
        self.shared.page_key.seal(self.binding(&filter), after, self.shared.clock.now())
    }

    fn binding<'a>(&self, filter: &'a [u8]) -> Binding<'a> {
        Binding { user: self.caller.user(), method: self.context.path(), filter }
    }

    /// Waits until a run has ended, or until `limit`, the deadline or the caller's leaving
    /// comes first, and returns the run as it is then. The run is queued whatever happens
    /// here: when it cannot be read any more, the answer is what was known of it before.
    pub(crate) async fn wait(&self, queued: Run, limit: Duration) -> Run {
        let mut until = Instant::now() + limit.min(FAR);
        if let Some(deadline) = self.context.deadline() {
            until = until.min(deadline.checked_sub(ANSWER_TIME).unwrap_or(deadline));
        }
        // Waiting needs nothing that others of the same caller could wait for.
        self.context.give_turn_back();
        let mut known = queued;
        while known.state.is_live() && Instant::now() < until && !self.context.is_abandoned() {
            let step = until.saturating_duration_since(Instant::now()).min(WAIT_STEP);
            match self.look_at(&known, step).await {
                Ok(run) => known = run,
                Err(error) => {
                    debug!(%error, "the wait for a run ends early");
                    break;
                }
            }
        }
        known
    }

    async fn look_at(&self, run: &Run, step: Duration) -> Result<Run, AgentError> {
        let grant = self.shared.authorizer.require::<CodeEdit>(&self.caller)?;
        self.shared.services.runs.wait(&grant, run.id, step).await
    }
}

/// A parsed `request_id`.
pub(crate) struct Retry(Checked<Option<Once>>);

impl Retry {
    /// `None` without one.
    pub(crate) fn once(&self) -> Option<&Once> {
        self.0.as_ref().ok().and_then(Option::as_ref)
    }

    /// The arguments, unless `request_id` is broken.
    pub(crate) fn and<T>(&self, arguments: Checked<T>) -> Checked<T> {
        self.check()?;
        arguments
    }

    /// For services that take no other argument to be judged.
    pub(crate) fn check(&self) -> Checked<()> {
        self.0.as_ref().map(|_| ()).map_err(Clone::clone)
    }
}

//! The catalogue of reasons. A test compares it with the sources and with the protos.

/// One stable reason.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    pub name: &'static str,
    /// Name of the gRPC code; `run` where it is not a call's answer.
    pub code: &'static str,
    pub meaning: &'static str,
    pub remedy: &'static str,
}

macro_rules! reasons {
    ($($name:literal $code:literal $meaning:literal $remedy:literal;)*) => {
        /// Sorted by name.
        pub const REASONS: &[Reason] =
            &[$(Reason { name: $name, code: $code, meaning: $meaning, remedy: $remedy },)*];
    };
}

const _: () = assert!(!REASONS.is_empty());

reasons! {
    "ALREADY_APPROVED" "FAILED_PRECONDITION" "the caller has approved the item as it is" "leave it to others";
    "ALREADY_CLAIMED" "FAILED_PRECONDITION" "somebody has claimed the item" "read it again";
    "ALREADY_MEMBER" "FAILED_PRECONDITION" "the user is in the team" "give a further role with AssignRole";
    "ALREADY_REVIEWED" "FAILED_PRECONDITION" "the recommendation has its verdict" "read the item again";
    "APPROVAL_EXPIRED" "FAILED_PRECONDITION" "nobody let the item pass in time" "reject it, or name an escalation at its stage";
    "APPROVAL_MISMATCH" "FAILED_PRECONDITION" "the item changed since it was read" "read it again, and decide about that";
    "ASSIGNEE_NOT_ALLOWED" "FAILED_PRECONDITION" "the person may not work on the item where it is" "give them a role, or name somebody else";
    "AUTO_APPLY_REFUSED" "run" "a guard of auto-apply said no; it is named" "let a person apply the change";
    "AWAITS_APPROVAL" "explanation" "the item waits for the word of those whom its stage names" "see the stage's approval";
    "AWAITS_QUEUE" "explanation" "the item waits in a queue for somebody who takes from there" "see the stage's assignment";
    "AWAITS_REVIEW" "explanation" "the agent is done at its stage" "review what it recommends, and complete the stage";
    "AWAITS_ROLE" "explanation" "the item waits for somebody with its stage's role" "see the stage's assignment";
    "AWAITS_TURN" "explanation" "nobody who takes turns could be given the item: any of them may claim it" "see the stage's assignment";
    "AWAITS_USER" "explanation" "the item waits for the person whom its stage names" "see the stage's assignment";
    "BRANCH_MOVED" "FAILED_PRECONDITION" "the mirror's branch is not where it was expected, or its files changed since" "look at the patch's branch";
    "CERTIFICATE_TAKEN" "FAILED_PRECONDITION" "another service account has the certificate_name" "see ListUsers";
    "COMMENT_NOT_FOUND" "NOT_FOUND" "no such comment, deleted, or not visible" "see ListComments";
    "COMPRESSION_NOT_SUPPORTED" "UNIMPLEMENTED" "the message is compressed in a way the server does not read" "send it uncompressed or with gzip";
    "CONCURRENT_CHANGE" "ABORTED" "somebody else was faster" "try again";
    "DATABASE_UNAVAILABLE" "UNAVAILABLE" "the database does not answer" "try again after the time in RetryInfo";
    "DEADLINE_EXCEEDED" "DEADLINE_EXCEEDED" "the call's time was over; what it began is finished" "read, or repeat with the same request_id";
    "DEPENDENCY_CYCLE" "FAILED_PRECONDITION" "what the item is to wait for waits for it" "see blocked_by of these items";
    "DEPENDENCY_OPEN" "FAILED_PRECONDITION" "something that the item waits for is open" "finish that first, or change blocked_by";
    "DEPTH_EXCEEDED" "run" "a chain of events and triggers is deeper than 8" "look at the triggers for a circle";
    "ENGINE_FAILED" "run" "the coding engine failed" "look at the run's message";
    "ENGINE_TIMED_OUT" "run" "the coding engine ran out of time" "give it a smaller task";
    "ENGINE_UNAVAILABLE" "run" "the coding engine is not there" "see ListEngines";
    "ETAG_MISMATCH" "ABORTED" "the resource changed since it was read" "read it again";
    "EVENT_TYPE_NOT_SUPPORTED" "INVALID_ARGUMENT" "triggers cannot listen to this event" "see Trigger.event_type";
    "EXTERNAL_ID_TAKEN" "FAILED_PRECONDITION" "another item of the workflow has this external id; it is named" "use that item";
    "FENCE_LOST" "run" "another worker took the run over" "nothing: the run goes on there";
    "FIELD_NOT_SUPPORTED" "INVALID_ARGUMENT" "a field that does not work yet is set" "leave it out";
    "FILTER_NOT_SUPPORTED" "INVALID_ARGUMENT" "`filter` and `order_by` do not work yet" "leave them empty";
    "FORM_INVALID" "INVALID_ARGUMENT" "the data does not fill in the form of its stage" "mend the fields that are named, as `data.<key>`";
    "ILLEGAL_TRANSITION" "FAILED_PRECONDITION" "the item's state does not allow it" "read the item again";
    "INTERNAL" "INTERNAL" "a bug or a broken machine" "tell an operator the correlation id";
    "INVALID_ARGUMENT" "INVALID_ARGUMENT" "a field is wrong; BadRequest names it" "correct it";
    "INVALID_CONDITION" "INVALID_ARGUMENT" "a route's condition is not CEL, or too complex" "see StageRoute.condition";
    "INVALID_DOCUMENT" "INVALID_ARGUMENT" "the text is not a document of a workflow" "see ExportWorkflow";
    "INVALID_GRAPH" "INVALID_ARGUMENT" "stages and routes break a rule" "see CreateWorkflow";
    "INVALID_PAGE_TOKEN" "INVALID_ARGUMENT" "the token is not of this list and caller, or expired" "begin without one";
    "ITEM_REFUSED" "run" "the work item did not take the result" "look at the run's message";
    "LAST_ADMIN" "FAILED_PRECONDITION" "nobody would manage the team, or not for good" "give somebody else the role admin first";
    "LAST_FOUNDER" "FAILED_PRECONDITION" "nobody who is active would be a founder for good" "make somebody else one first";
    "MALFORMED_MESSAGE" "INVALID_ARGUMENT" "the bytes are no message of this method" "generate the client from the protos";
    "MANUAL_CREATION_OFF" "FAILED_PRECONDITION" "items of the workflow are made by its triggers alone" "see Workflow.allow_manual_creation";
    "MESSAGE_TOO_LARGE" "RESOURCE_EXHAUSTED" "the message is larger than the server takes" "send less";
    "METHOD_NOT_FOUND" "UNIMPLEMENTED" "there is no such method" "see status.md";
    "MODEL_ANSWER_INVALID" "FAILED_PRECONDITION" "the model gave no valid plan, even after one repair" "try again, or another model";
    "MODEL_NOT_CONFIGURED" "FAILED_PRECONDITION" "a model is asked for and the server has no endpoint" "leave `model` empty";
    "MODEL_REFUSED" "FAILED_PRECONDITION" "the model endpoint refused the request" "look at key, model name and limits";
    "MODEL_UNAVAILABLE" "UNAVAILABLE" "the model endpoint does not answer" "try again";
    "NOT_APPROVER" "FAILED_PRECONDITION" "the stage asks for the word of others, and of people" "ExplainWorkItem says whose";
    "NOT_ASSIGNEE" "FAILED_PRECONDITION" "the stage or the item is somebody else's" "ask the assignee";
    "NOT_AUTHOR" "FAILED_PRECONDITION" "somebody else wrote the comment" "ask its author";
    "NOT_FOUND" "NOT_FOUND" "the resource does not exist, or is not visible" "look at the name";
    "NO_ENGINE" "run" "no coding engine could carry out the plan" "apply a diff";
    "NO_PATCH" "FAILED_PRECONDITION" "there is neither a diff nor an engine that could make one" "send a diff or edits";
    "NO_REPOSITORY" "run" "the work item names no repository for the agent to read" "create it with one";
    "NO_ROUTE" "FAILED_PRECONDITION" "no route leads out of the stage" "publish the workflow again";
    "OVERLOADED" "RESOURCE_EXHAUSTED" "the server has all the calls it can take" "try again after the time in RetryInfo";
    "OWN_WORK" "FAILED_PRECONDITION" "nobody decides about what they wrote, or started the agent for" "leave it to somebody else";
    "PATCH_DOES_NOT_APPLY" "INVALID_ARGUMENT" "not a diff, or the texts it expects are not there" "make it from the base again";
    "PATCH_EMPTY" "INVALID_ARGUMENT" "the patch changes nothing" "nothing is left to do";
    "PATCH_NOT_APPLIED" "FAILED_PRECONDITION" "the patch is not applied (any more)" "read the patch again";
    "PATCH_NOT_FOUND" "NOT_FOUND" "no such patch, or not visible" "look at the name";
    "PATCH_PATH_REFUSED" "INVALID_ARGUMENT" "the patch touches a path that must not be changed" "leave that path out";
    "PATCH_TOO_LARGE" "INVALID_ARGUMENT" "more or larger files than a patch may have" "make several patches";
    "PERMISSION_DENIED" "PERMISSION_DENIED" "the permission named in the metadata is missing" "ask an admin of the team";
    "PLAN_NOT_FOUND" "NOT_FOUND" "no such plan, or not visible" "look at the name";
    "PLAN_STALE" "FAILED_PRECONDITION" "the repository moved on since the change was made" "plan again";
    "POLICY_MOVED" "UNAVAILABLE" "rights changed while the call ran" "try again";
    "PRINCIPAL_LEFT" "run" "whoever the agent worked for has left the team, or is no longer a user" "run it again in your own name";
    "RATE_LIMITED" "RESOURCE_EXHAUSTED" "the caller makes such calls too often" "try again after the time in RetryInfo";
    "RECOMMENDATION_MISMATCH" "FAILED_PRECONDITION" "the hash is of another recommendation" "read the item again";
    "RECOMMENDATION_NOT_FOUND" "NOT_FOUND" "the item has no recommendation" "wait for the agent";
    "REPOSITORY_ALREADY_REGISTERED" "FAILED_PRECONDITION" "this owner has the path already" "see ListRepositories";
    "REPOSITORY_NOT_FOUND" "NOT_FOUND" "no such repository, or not visible" "look at the name";
    "REPOSITORY_OUTSIDE_ROOTS" "INVALID_ARGUMENT" "the path is not below a folder set aside for this owner" "ask the operator (repositories.roots)";
    "REPOSITORY_UNUSABLE" "FAILED_PRECONDITION" "no git repository, or not one that may be opened" "see the text";
    "REQUEST_ID_REUSED" "INVALID_ARGUMENT" "the request_id was used with another request" "take a fresh one";
    "RESERVED_KEY" "INVALID_ARGUMENT" "`data` has a key that only the server writes" "take another key";
    "REVERT_IN_PROGRESS" "FAILED_PRECONDITION" "another run takes the patch back" "wait for that run";
    "REVISION_NOT_FOUND" "FAILED_PRECONDITION" "the revision names no commit, or there is none yet" "look at the name";
    "ROLE_ASSIGNMENT_NOT_FOUND" "NOT_FOUND" "no such assignment, or not in the caller's teams" "see ListRoleAssignments";
    "ROLE_IN_USE" "FAILED_PRECONDITION" "somebody holds the role" "set force to take it from them";
    "ROLE_NOT_FOUND" "NOT_FOUND" "no such role, or not of the team" "see ListRoles";
    "RUN_ATTEMPTS_EXHAUSTED" "run" "the run failed at every attempt" "look at the run's message";
    "RUN_FAILED" "explanation" "the agent's last run at the stage brought nothing" "see recommendation_error; run it again, or complete the stage";
    "RUN_IN_PROGRESS" "FAILED_PRECONDITION" "the agent is still at work at this stage" "wait for the run";
    "RUN_NOT_FOUND" "NOT_FOUND" "no such run, or not visible" "look at the name";
    "RUN_TIMED_OUT" "run" "the run was not done at its deadline" "start it again";
    "SESSION_CLOSED" "FAILED_PRECONDITION" "the session refuses work" "open another one";
    "SESSION_NOT_FOUND" "NOT_FOUND" "no such session, or not the caller's" "look at the name";
    "SETTER_LEFT" "run" "whoever set the trigger has left" "publish it again in your own name";
    "SLUG_TAKEN" "FAILED_PRECONDITION" "another team in use, or role of the team, has the slug" "take another one";
    "STAGE_MISMATCH" "FAILED_PRECONDITION" "the item is at another stage than the one named" "read the item again";
    "STAGE_NOT_VISITED" "FAILED_PRECONDITION" "the item never was at the stage, or is there now" "see ListTransitions";
    "STAGE_PAUSED" "FAILED_PRECONDITION" "the stage is paused" "wait until it is resumed";
    "STAGE_TYPE_NOT_SUPPORTED" "INVALID_ARGUMENT" "the stage type does not work yet" "take another type";
    "STAR_LIMIT" "FAILED_PRECONDITION" "the caller has as many stars as he may" "take one away";
    "STREAM_EXPIRED" "UNAVAILABLE" "the stream has lived as long as streams may, or the server stops" "open it again";
    "STREAM_IDLE" "DEADLINE_EXCEEDED" "nothing was sent on the stream for too long" "open it again";
    "SUBJECT_TAKEN" "FAILED_PRECONDITION" "another user has the subject, perhaps a deactivated one" "see ListUsers";
    "TEAM_DELETED" "run" "the team that the run belonged to was deleted" "nothing";
    "TEAM_NOT_EMPTY" "FAILED_PRECONDITION" "the team owns live workflows, repositories or runs" "set force to archive them";
    "TEAM_NOT_FOUND" "NOT_FOUND" "no such team, or not the caller's" "see GetMe";
    "TEMPLATE_MISMATCH" "FAILED_PRECONDITION" "the template was published from another workflow" "publish a new one";
    "TEMPLATE_NOT_FOUND" "NOT_FOUND" "no such template, or not visible" "see ListTemplates";
    "TOO_MANY_CALLS" "RESOURCE_EXHAUSTED" "the caller has too many calls at work" "try again after the time in RetryInfo";
    "TOO_MANY_ROLES" "FAILED_PRECONDITION" "the team has as many roles of its own as it may" "delete one";
    "TRIGGER_DISABLED" "run" "the trigger was switched off when the event came" "publish it enabled";
    "UNAUTHENTICATED" "UNAUTHENTICATED" "no token, or one that is not believed" "get a new token";
    "UNIMPLEMENTED" "UNIMPLEMENTED" "the method does not work yet" "see status.md";
    "USER_DEACTIVATED" "FAILED_PRECONDITION" "the user is deactivated" "bring it back with UpdateUser";
    "USER_NOT_FOUND" "NOT_FOUND" "no such person, or not visible" "look at the name";
    "WIP_LIMIT_REACHED" "FAILED_PRECONDITION" "the stage has no room for one more item in hand" "finish or release one first";
    "WORKFLOW_DELETED" "run" "the workflow was deleted when the event came" "nothing";
    "WORKFLOW_HAS_ITEMS" "FAILED_PRECONDITION" "items were made in the workflow, and they stay where they are" "publish it as a template, or export it";
    "WORKFLOW_NOT_DELETED" "FAILED_PRECONDITION" "the workflow is in use" "nothing is left to do";
    "WORKFLOW_NOT_FOUND" "NOT_FOUND" "no such workflow, deleted, or not visible" "look at the name";
    "WORKFLOW_NOT_PAUSED" "FAILED_PRECONDITION" "the workflow, or the stage, is not paused" "nothing is left to do";
    "WORKFLOW_PAUSED" "FAILED_PRECONDITION" "the workflow is paused" "wait until it is resumed";
    "WORKFLOW_REVISION_NOT_FOUND" "NOT_FOUND" "the workflow has no such revision" "see ListWorkflowRevisions";
    "WORK_ITEM_CLOSED" "FAILED_PRECONDITION" "the item is finished" "make another one";
    "WORK_ITEM_NOT_FOUND" "NOT_FOUND" "no such work item, or not visible" "look at the name";
    "WRONG_RUN_KIND" "run" "a run was given to the wrong hands: a bug" "tell an operator";
}

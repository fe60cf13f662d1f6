-- Sessions, runs, plans, patches, and what the agent proposed for items.
--
-- Expand step: nothing exists yet.

create table session (
    id               blob   not null primary key,
    tenant_kind      text   not null,
    tenant_id        blob   not null,
    repository_id    blob   not null,
    work_item_id     blob,
    -- Without a foreign key: the plan names its session, and the two are made in turn.
    current_plan_id  blob,
    state            text   not null,
    created_at       integer not null,
    last_activity_at integer not null,
    closed_at        integer,
    version          integer not null,

    constraint session_in_tenant unique (tenant_kind, tenant_id, id),
    constraint session_is_personal check (tenant_kind = 'person'),
    constraint session_repository foreign key (repository_id) references repository (id),
    constraint session_work_item foreign key (work_item_id) references work_item (id),
    constraint session_state_known check (state in ('ACTIVE', 'CLOSED')),
    constraint session_closed_has_time check ((state = 'CLOSED') = (closed_at is not null)),
    constraint session_version_positive check (version > 0)
) strict;

-- ListSessions: newest activity first.
create index session_latest on session (tenant_kind, tenant_id, last_activity_at, id);

create table agent_run (
    id              blob    not null primary key,
    tenant_kind     text    not null,
    tenant_id       blob    not null,
    kind            text    not null,
    state           text    not null,
    phase           text    not null,
    principal_id    blob    not null,
    work_item_id    blob,
    -- The stay in a stage that an assist run belongs to.
    visit_id        blob,
    session_id      blob,
    repository_id   blob,
    -- Without foreign keys: plan and patch name their run, and they are made after it.
    plan_id         blob,
    patch_id        blob,
    input           text    not null,
    cause           text,
    attempt         integer not null,
    max_attempts    integer not null,
    -- Raised by every claim and every cancel; conditions all writes of a worker.
    fence           integer  not null,
    -- Not claimed before this.
    due_at          integer  not null,
    lease_until     integer,
    heartbeat_at    integer,
    worker          text,
    deadline_at     integer  not null,
    problem_reason  text,
    problem_message text,
    engine_used     text    not null,
    model_used      text    not null,
    created_at      integer  not null,
    started_at      integer,
    ended_at        integer,
    -- When an end made by the queue was recorded with the item; before, workers are told of it.
    settled_at      integer,

    constraint agent_run_in_tenant unique (tenant_kind, tenant_id, id),
    constraint agent_run_work_item
        foreign key (tenant_kind, tenant_id, work_item_id)
        references work_item (tenant_kind, tenant_id, id),
    constraint agent_run_session foreign key (session_id) references session (id),
    constraint agent_run_repository foreign key (repository_id) references repository (id),
    constraint agent_run_tenant_known check (tenant_kind in ('team', 'person', 'global')),
    constraint agent_run_kind_known check (kind in ('ASSIST', 'APPLY', 'REVERT')),
    constraint agent_run_state_known check (state in
        ('QUEUED', 'RUNNING', 'AWAITING_REVIEW', 'SUCCEEDED', 'FAILED', 'CANCELLED',
         'TIMED_OUT', 'SUPERSEDED', 'DEAD')),
    constraint agent_run_running_has_lease check (state <> 'RUNNING' or lease_until is not null),
    constraint agent_run_assist_has_visit
        check (kind <> 'ASSIST' or (work_item_id is not null and visit_id is not null)),
    constraint agent_run_problem_whole
        check ((problem_reason is null) = (problem_message is null)),
    constraint agent_run_attempts_bounded check (attempt >= 0 and max_attempts > 0)
) strict;

-- The worker's claim: the oldest due run.
create index agent_run_queued on agent_run (due_at, id) where state = 'QUEUED';
-- The worker's claim: runs whose worker went silent.
create index agent_run_leased on agent_run (lease_until, id) where state = 'RUNNING';
-- The worker's claim: ends made by the queue that no item knows of.
create index agent_run_unsettled on agent_run (ended_at, id)
    where state in ('TIMED_OUT', 'DEAD') and settled_at is null;
-- At most one live run for each stay of an item in a stage; the item's live run.
create unique index agent_run_one_live_per_visit
    on agent_run (tenant_kind, tenant_id, visit_id) where state in ('QUEUED', 'RUNNING');
-- ListRuns over everything the caller sees, newest first.
create index agent_run_newest on agent_run (tenant_kind, tenant_id, created_at, id);
-- ListRuns of one item; cancelling an item's live runs.
create index agent_run_by_work_item on agent_run (work_item_id, created_at, id)
    where work_item_id is not null;
-- ListRuns of one repository.
create index agent_run_by_repository on agent_run (repository_id, created_at, id)
    where repository_id is not null;
-- ListRuns and ListPatches of one session.
create index agent_run_by_session on agent_run (session_id, created_at, id)
    where session_id is not null;

create table plan (
    id                    blob    not null primary key,
    tenant_kind           text    not null,
    tenant_id             blob    not null,
    principal_id          blob    not null,
    repository_id         blob    not null,
    work_item_id          blob,
    session_id            blob,
    run_id                blob,
    commit_oid            text    not null,
    bundle_hash           text    not null,
    planner               text    not null,
    model_used            text    not null,
    prompt_version        text    not null,
    summary               text    not null,
    steps                 text    not null,
    risks                 text    not null,
    requires_confirmation integer not null,
    estimated_minutes     integer  not null,
    estimate_reason       text    not null,
    created_at            integer  not null,

    constraint plan_in_tenant unique (tenant_kind, tenant_id, id),
    -- A run that is taken up again must not plan twice.
    constraint plan_one_per_run unique (tenant_kind, tenant_id, run_id),
    constraint plan_run
        foreign key (tenant_kind, tenant_id, run_id)
        references agent_run (tenant_kind, tenant_id, id),
    constraint plan_repository foreign key (repository_id) references repository (id),
    constraint plan_session foreign key (session_id) references session (id),
    constraint plan_work_item foreign key (work_item_id) references work_item (id),
    constraint plan_tenant_known check (tenant_kind in ('team', 'person', 'global')),
    constraint plan_planner_known check (planner in ('builtin', 'model'))
) strict;

create table patch (
    id            blob   not null primary key,
    tenant_kind   text   not null,
    tenant_id     blob   not null,
    run_id        blob   not null,
    principal_id  blob   not null,
    repository_id blob   not null,
    work_item_id  blob,
    plan_id       blob,
    base_oid      text   not null,
    tree_oid      text   not null,
    commit_oid    text,
    branch        text   not null,
    -- A JSON string: a diff may hold NUL, which text does not take everywhere.
    diff          text   not null,
    files         text   not null,
    state         text   not null,
    reverted_by   blob,
    engine        text   not null,
    summary       text   not null,
    created_at    integer not null,
    version       integer not null,

    constraint patch_in_tenant unique (tenant_kind, tenant_id, id),
    -- A run that is taken up again must not record its patch twice.
    constraint patch_one_per_run unique (tenant_kind, tenant_id, run_id),
    constraint patch_run
        foreign key (tenant_kind, tenant_id, run_id)
        references agent_run (tenant_kind, tenant_id, id),
    constraint patch_repository foreign key (repository_id) references repository (id),
    constraint patch_work_item foreign key (work_item_id) references work_item (id),
    constraint patch_plan foreign key (plan_id) references plan (id),
    constraint patch_tenant_known check (tenant_kind in ('team', 'person', 'global')),
    constraint patch_state_known check (state in
        ('PROPOSED', 'APPLIED', 'LANDED', 'REVERTED', 'ROLLED_BACK', 'REJECTED')),
    constraint patch_applied_has_commit
        check (state not in ('APPLIED', 'LANDED', 'REVERTED') or commit_oid is not null),
    constraint patch_version_positive check (version > 0)
) strict;

-- ListPatches over everything the caller sees, newest first.
create index patch_newest on patch (tenant_kind, tenant_id, created_at, id);
-- ListPatches of one item.
create index patch_by_work_item on patch (work_item_id, created_at, id)
    where work_item_id is not null;
-- ListPatches of one repository.
create index patch_by_repository on patch (repository_id, created_at, id);

-- What the agent proposes for an item, and what people said to it.
create table recommendation (
    id                    blob    not null primary key,
    tenant_kind           text    not null,
    tenant_id             blob    not null,
    work_item_id          blob    not null,
    stage_id              text    not null,
    run_id                blob    not null,
    -- Without a foreign key: the proposal quotes the plan and outlives it.
    plan_id               blob    not null,
    hash                  text    not null,
    plan_summary          text    not null,
    steps                 text    not null,
    risks                 text    not null,
    requires_confirmation integer not null,
    estimated_minutes     integer  not null,
    engine_used           text    not null,
    model_used            text    not null,
    verdict               text    not null,
    reviewer_id           blob,
    reviewed_at           integer,
    review_note           text    not null,
    created_at            integer  not null,

    constraint recommendation_one_per_run unique (tenant_kind, tenant_id, run_id),
    constraint recommendation_work_item
        foreign key (tenant_kind, tenant_id, work_item_id)
        references work_item (tenant_kind, tenant_id, id),
    constraint recommendation_run
        foreign key (tenant_kind, tenant_id, run_id)
        references agent_run (tenant_kind, tenant_id, id),
    constraint recommendation_verdict_known
        check (verdict in ('PENDING', 'ACCEPTED', 'REJECTED')),
    constraint recommendation_reviewed_whole
        check ((verdict = 'PENDING') = (reviewed_at is null)
            and (reviewed_at is null) = (reviewer_id is null))
) strict;

-- The newest recommendation of an item.
create index recommendation_by_item on recommendation (work_item_id, created_at, id);

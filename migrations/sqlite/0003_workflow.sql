-- Workflows, their immutable revisions, items and what happened to them.
--
-- People are named by id without a foreign key in records of what happened:
-- history outlives accounts.
--
-- Expand step: nothing exists yet.

create table workflow (
    id                 blob    not null primary key,
    tenant_kind        text    not null,
    tenant_id          blob    not null,
    is_template        integer not null,
    -- Stable key of a shipped template; seeding is idempotent by it.
    seed_key           text,
    display_name       text    not null,
    description        text    not null,
    icon               text    not null,
    category           text    not null,
    tags               text    not null,
    -- The newest published definition.
    revision           integer  not null,
    source_template_id blob,
    source_revision    integer,
    creator_id         blob    not null,
    created_at         integer  not null,
    updated_at         integer  not null,
    deleted_at         integer,
    version            integer  not null,

    constraint workflow_in_tenant unique (tenant_kind, tenant_id, id),
    constraint workflow_seed_key_unique unique (tenant_kind, tenant_id, seed_key),
    constraint workflow_tenant_known check (tenant_kind in ('team', 'person', 'global')),
    constraint workflow_revision_positive check (revision > 0),
    constraint workflow_version_positive check (version > 0),
    constraint workflow_source_whole
        check ((source_template_id is null) = (source_revision is null))
) strict;

-- ListWorkflows, ListTemplates: newest first within the caller's tenants.
create index workflow_newest on workflow (tenant_kind, tenant_id, is_template, created_at, id)
    where deleted_at is null;

-- Definitions as published. Rows never change.
create table workflow_revision (
    tenant_kind  text   not null,
    tenant_id    blob   not null,
    workflow_id  blob   not null,
    revision     integer not null,
    definition   text   not null,
    published_by blob   not null,
    published_at integer not null,

    constraint workflow_revision_key
        primary key (tenant_kind, tenant_id, workflow_id, revision),
    constraint workflow_revision_workflow
        foreign key (tenant_kind, tenant_id, workflow_id)
        references workflow (tenant_kind, tenant_id, id),
    constraint workflow_revision_positive check (revision > 0)
) strict;

-- The triggers of each workflow's current definition, to be found by event type.
create table workflow_trigger (
    id          blob    not null primary key,
    tenant_kind text    not null,
    tenant_id   blob    not null,
    workflow_id blob    not null,
    event_type  text    not null,
    enabled     integer not null,

    constraint workflow_trigger_workflow
        foreign key (tenant_kind, tenant_id, workflow_id)
        references workflow (tenant_kind, tenant_id, id)
) strict;

-- Which triggers an event reaches.
create index workflow_trigger_by_event
    on workflow_trigger (tenant_kind, tenant_id, event_type, id) where enabled;
-- Replacing the triggers of a workflow when it is published anew.
create index workflow_trigger_by_workflow on workflow_trigger (workflow_id);

create table work_item (
    id               blob     not null primary key,
    tenant_kind      text     not null,
    tenant_id        blob     not null,
    workflow_id      blob     not null,
    -- The definition it is pinned to.
    revision         integer   not null,
    title            text     not null,
    description      text     not null,
    state            text     not null,
    stage_id         text     not null,
    -- This stay in the stage.
    visit_id         blob     not null,
    entered_stage_at integer   not null,
    assignee_id      blob,
    priority         integer not null,
    tags             text     not null,
    data             text     not null,
    repository_id    blob,
    creator_id       blob     not null,
    cause            text,
    claimed_at       integer,
    closed_at        integer,
    created_at       integer   not null,
    updated_at       integer   not null,
    -- Raised by every change; writers compare it to notice lost updates.
    version          integer   not null,

    constraint work_item_in_tenant unique (tenant_kind, tenant_id, id),
    constraint work_item_definition
        foreign key (tenant_kind, tenant_id, workflow_id, revision)
        references workflow_revision (tenant_kind, tenant_id, workflow_id, revision),
    -- An item of a personal workflow may name a team's repository: the tenant may differ.
    constraint work_item_repository foreign key (repository_id) references repository (id),
    constraint work_item_state_known check (state in
        ('PENDING', 'CLAIMED', 'IN_PROGRESS', 'BLOCKED', 'COMPLETED', 'FAILED', 'CANCELLED')),
    constraint work_item_priority_known check (priority between 1 and 4),
    constraint work_item_closed_has_time
        check ((state in ('COMPLETED', 'FAILED', 'CANCELLED')) = (closed_at is not null)),
    constraint work_item_held_has_assignee
        check (state not in ('CLAIMED', 'IN_PROGRESS') or assignee_id is not null),
    constraint work_item_version_positive check (version > 0)
) strict;

-- ListWorkItems over everything the caller sees, newest first.
create index work_item_newest on work_item (tenant_kind, tenant_id, created_at, id);
-- ListWorkItems of one workflow, newest first; figures of a workflow.
create index work_item_by_workflow on work_item (workflow_id, created_at, id);
-- My open items, newest first.
create index work_item_by_assignee on work_item (assignee_id, created_at, id)
    where assignee_id is not null;

-- Every move of an item. Rows are only added.
create table transition (
    id              blob   not null primary key,
    tenant_kind     text   not null,
    tenant_id       blob   not null,
    work_item_id    blob   not null,
    from_stage      text,
    to_stage        text,
    from_state      text,
    to_state        text   not null,
    verb            text   not null,
    actor_id        blob   not null,
    note            text   not null,
    -- Time spent in `from_stage`, microseconds, for moves that leave it.
    in_stage_micros integer,
    moved_at        integer not null,

    constraint transition_work_item
        foreign key (tenant_kind, tenant_id, work_item_id)
        references work_item (tenant_kind, tenant_id, id),
    constraint transition_time_spent check (in_stage_micros is null or in_stage_micros >= 0)
) strict;

-- ListTransitions: oldest first.
create index transition_by_item on transition (work_item_id, moved_at, id);

-- Stays of items in stages: what the figures are made of.
create table stage_visit (
    id           blob   not null primary key,
    tenant_kind  text   not null,
    tenant_id    blob   not null,
    work_item_id blob   not null,
    workflow_id  blob   not null,
    stage_id     text   not null,
    entered_at   integer not null,
    left_at      integer,
    outcome      text,

    constraint stage_visit_work_item
        foreign key (tenant_kind, tenant_id, work_item_id)
        references work_item (tenant_kind, tenant_id, id),
    constraint stage_visit_outcome_known
        check (outcome is null or outcome in ('COMPLETED', 'LEFT')),
    constraint stage_visit_ended_whole check ((left_at is null) = (outcome is null))
) strict;

-- Figures per stage of one workflow.
create index stage_visit_by_workflow on stage_visit (workflow_id, stage_id);
-- An item is at one stage at a time.
create unique index stage_visit_one_open
    on stage_visit (tenant_kind, tenant_id, work_item_id) where left_at is null;

-- What came of each event at each trigger.
create table trigger_firing (
    id           blob   not null primary key,
    tenant_kind  text   not null,
    tenant_id    blob   not null,
    workflow_id  blob   not null,
    trigger_id   blob   not null,
    event_id     blob   not null,
    event_type   text   not null,
    outcome      text   not null,
    reason       text   not null,
    work_item_id blob,
    fired_at     integer not null,

    -- An event is delivered at least once and fires a trigger at most once.
    constraint trigger_firing_once unique (tenant_kind, tenant_id, event_id, trigger_id),
    constraint trigger_firing_workflow
        foreign key (tenant_kind, tenant_id, workflow_id)
        references workflow (tenant_kind, tenant_id, id),
    -- Deferred: the firing is claimed first, the item made after.
    constraint trigger_firing_work_item
        foreign key (tenant_kind, tenant_id, work_item_id)
        references work_item (tenant_kind, tenant_id, id)
        deferrable initially deferred,
    constraint trigger_firing_outcome_known check (outcome in ('FIRED', 'REFUSED')),
    constraint trigger_firing_fired_has_item
        check ((outcome = 'FIRED') = (work_item_id is not null))
) strict;

-- ListTriggerFirings: newest first.
create index trigger_firing_by_workflow on trigger_firing (workflow_id, fired_at, id);

-- Definitions that change: new revisions, pauses, stars, owners, templates of one's own.
--
-- Expand step: the release before this one goes on with what it knew. It starts runs of
-- workflows that are paused.

-- Since when nothing new begins in it.
alter table workflow add column paused_at integer;
-- Ids of stages at which nothing new begins, as a JSON array of texts.
alter table workflow add column paused_stages text not null default '[]';
alter table workflow add column allows_manual_creation integer not null default 1;
alter table workflow add column requires_approval_to_start integer not null default 0;
-- The newest definition has a stage of the agent's.
alter table workflow add column has_agent_stage integer not null default 0;
-- Templates: the workflow that was published, and which of its revisions.
alter table workflow add column origin_workflow_id blob;
alter table workflow add column origin_revision integer;

-- Quotes within texts are escaped in JSON, so this finds keys and values only.
update workflow set has_agent_stage = 1
where exists (
    select 1 from workflow_revision r
    where r.workflow_id = workflow.id and r.revision = workflow.revision
      and (instr(r.definition, '"type":"AGENT_ASSIST"') > 0
           or instr(r.definition, '"type":"CODE_REVIEW"') > 0
           or instr(r.definition, '"type":"TEST_ENRICHMENT"') > 0
           or instr(r.definition, '"type":"DOC_UPDATE"') > 0));

-- The template that a workflow was published as, for its next revision.
create index workflow_by_origin on workflow (origin_workflow_id)
    where origin_workflow_id is not null;

-- What somebody wants at hand. The person owns the star, whoever owns the workflow, so there is
-- no key between them; who reads stars looks the workflow up in his own scope.
create table workflow_star (
    id          blob    not null primary key,
    tenant_kind text    not null,
    tenant_id   blob    not null,
    -- One of a few places, so that nobody has more stars, however many calls meet.
    place       text    not null,
    workflow_id blob    not null,
    starred_at  integer not null,

    constraint workflow_star_place unique (tenant_kind, tenant_id, place),
    constraint workflow_star_once unique (tenant_kind, tenant_id, workflow_id),
    constraint workflow_star_personal check (tenant_kind = 'person'),
    constraint workflow_star_place_known check (place in ('1', '2', '3', '4', '5'))
) strict;

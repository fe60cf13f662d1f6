-- Definitions that change: new revisions, pauses, stars, owners, templates of one's own.
--
-- Expand step: the release before this one goes on with what it knew. It starts runs of
-- workflows that are paused.

alter table workflow
    -- Since when nothing new begins in it.
    add column paused_at bigint,
    -- Ids of stages at which nothing new begins, as a JSON array of texts.
    add column paused_stages text not null default '[]',
    add column allows_manual_creation boolean not null default true,
    add column requires_approval_to_start boolean not null default false,
    -- The newest definition has a stage of the agent's.
    add column has_agent_stage boolean not null default false,
    -- Templates: the workflow that was published, and which of its revisions.
    add column origin_workflow_id uuid,
    add column origin_revision bigint,
    add constraint workflow_origin_whole
        check ((origin_workflow_id is null) = (origin_revision is null));

-- Quotes within texts are escaped in JSON, so this finds keys and values only.
alter table workflow no force row level security;
alter table workflow_revision no force row level security;
update workflow set has_agent_stage = true
where exists (
    select from workflow_revision r
    where r.workflow_id = workflow.id and r.revision = workflow.revision
      and (r.definition like '%"type":"AGENT\_ASSIST"%'
           or r.definition like '%"type":"CODE\_REVIEW"%'
           or r.definition like '%"type":"TEST\_ENRICHMENT"%'
           or r.definition like '%"type":"DOC\_UPDATE"%'));
alter table workflow_revision force row level security;
alter table workflow force row level security;

-- The template that a workflow was published as, for its next revision.
create index workflow_by_origin on workflow (origin_workflow_id)
    where origin_workflow_id is not null;

-- What somebody wants at hand. The person owns the star, whoever owns the workflow, so there is
-- no key between them; who reads stars looks the workflow up in his own scope.
create table workflow_star (
    id          uuid     not null primary key,
    tenant_kind text     not null,
    tenant_id   uuid     not null,
    -- One of a few places, so that nobody has more stars, however many calls meet.
    place       text     not null,
    workflow_id uuid     not null,
    starred_at  bigint   not null,

    constraint workflow_star_place unique (tenant_kind, tenant_id, place),
    constraint workflow_star_once unique (tenant_kind, tenant_id, workflow_id),
    constraint workflow_star_personal check (tenant_kind = 'person'),
    constraint workflow_star_place_known check (place in ('1', '2', '3', '4', '5'))
);

-- A workflow that nobody has worked in can change its owner, with what hangs on it: all in one
-- transaction, at whose end the keys must fit again.
alter table workflow_revision alter constraint workflow_revision_workflow
    deferrable initially immediate;
alter table workflow_trigger alter constraint workflow_trigger_workflow
    deferrable initially immediate;
alter table trigger_firing alter constraint trigger_firing_workflow
    deferrable initially immediate;
grant update (tenant_kind, tenant_id) on workflow_revision, trigger_firing to elohim_app;
-- The triggers of the newest definition take the place of those before.
grant update, delete on workflow_trigger to elohim_app;
grant select, insert, delete on workflow_star to elohim_app;

-- The same rule as for every table with an owner.
do $$
declare
    own constant text := '(select current_setting(''elohim.user'')::uuid)';
    teams constant text := '(select current_setting(''elohim.teams'')::uuid[])::uuid[]';
    in_scope constant text := format(
        'nullif(case tenant_kind'
        ' when ''person'' then tenant_id = %1$s'
        ' when ''team'' then tenant_id = any (%2$s)'
        ' when ''global'' then %1$s is not null'
        ' end, false) is not null',
        own, teams);
begin
    alter table workflow_star enable row level security;
    alter table workflow_star force row level security;
    execute format(
        'create policy in_scope on workflow_star to elohim_app using (%s) with check (%s)',
        in_scope, in_scope);
end
$$;

-- Runs of what is paused wait. Of items and workflows, only what tells that.
grant select (workflow_id, stage_id) on work_item to elohim_queue;
grant select (id, tenant_kind, tenant_id, paused_at, paused_stages) on workflow to elohim_queue;
create policy queue_reads on workflow for select to elohim_queue using (true);

-- Holds the run that is to be claimed next: one whose worker went silent, else the oldest
-- that waits and whose workflow and stage are not paused. Stage ids are spelled with letters,
-- digits, `_` and `-`, so a quoted one stands for itself.
create or replace function queue_due_run() returns setof agent_run
    language plpgsql volatile security definer as $$
declare
    moment constant bigint := queue_now();
begin
    return query
        select * from agent_run r
        where r.state = 'RUNNING' and r.lease_until <= moment
        order by r.lease_until, r.id limit 1
        for update skip locked;
    if not found then
        return query
            select * from agent_run r
            where r.state = 'QUEUED' and r.due_at <= moment
              and not exists (
                  select from work_item i
                  join workflow w
                    on w.tenant_kind = i.tenant_kind and w.tenant_id = i.tenant_id
                   and w.id = i.workflow_id
                  where i.id = r.work_item_id and r.kind = 'ASSIST'
                    and (w.paused_at is not null
                         or strpos(w.paused_stages, '"' || i.stage_id || '"') > 0))
            order by r.due_at, r.id limit 1
            for update skip locked;
    end if;
end
$$;

-- As for the other doors: found names are those of this schema, and only the server calls.
do $$
begin
    execute format('grant create on schema %I to elohim_queue', current_schema());
    revoke all on function queue_due_run() from public;
    grant execute on function queue_due_run() to elohim_app;
    alter function queue_due_run() owner to elohim_queue;
    execute format(
        'alter function queue_due_run() set search_path = pg_catalog, %I, pg_temp',
        current_schema());
    execute format('revoke create on schema %I from elohim_queue', current_schema());
end
$$;

-- Row-level security: the second lock. What a session may touch is judged by the database
-- too, row by row, by the scope that its transaction was opened with.
--
-- * elohim_app is what the server's sessions run as: it owns nothing, passes no policy by
--   privilege, and has only the verbs that the server uses.
-- * elohim_queue owns the few functions that look across tenants: claims, start-up, cleaning.
-- * A transaction names its scope in elohim.user and elohim.teams, for itself only. Without
--   them, or with what a finished transaction leaves behind (the empty text), judging a row
--   is an error: neither is a uuid.
--
-- Policies are forced, so the owner is under them as well and passes none. A later file that
-- changes rows says `alter table t no force row level security` before and `force` after.
-- A later table gets its policy and its grants where it is made; a test finds what is missing,
-- and row-security.toml lists what is left out on purpose.
--
-- Expand step: names and rows stay as they are.

-- 1. Keys. A unique or foreign key is checked past every policy, so it must not answer for
-- rows beyond the writer's scope. Where both rows always have one owner the key says so.
-- Where they may differ (a personal session on a team's repository, a personal plan applied
-- for a team's item) there is none any more: the id was resolved in the caller's scope when
-- it was written, rows that are named so are never deleted while anything names them, and a
-- reader resolves the id anew in his own scope.

alter table work_item
    drop constraint work_item_repository;
alter table session
    drop constraint session_repository,
    drop constraint session_work_item;
alter table agent_run
    drop constraint agent_run_session,
    drop constraint agent_run_repository;
alter table plan
    drop constraint plan_repository,
    drop constraint plan_session,
    drop constraint plan_work_item,
    add constraint plan_work_item
        foreign key (tenant_kind, tenant_id, work_item_id)
        references work_item (tenant_kind, tenant_id, id);
alter table patch
    drop constraint patch_repository,
    drop constraint patch_plan,
    drop constraint patch_work_item,
    add constraint patch_work_item
        foreign key (tenant_kind, tenant_id, work_item_id)
        references work_item (tenant_kind, tenant_id, id);

-- 2. Roles. They belong to the whole cluster: another database, or an operator, may have made
-- them, and several databases may be migrated at once. Whoever runs this file must be able to
-- hand functions to elohim_queue, and sessions of the server become elohim_app.
do $$
declare
    wanted text;
    -- From 16 on, being a member does not yet mean that SET ROLE is allowed.
    able constant text := case
        when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end;
begin
    foreach wanted in array array['elohim_app', 'elohim_queue'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            begin
                execute format(
                    'create role %I nologin nosuperuser nobypassrls nocreatedb nocreaterole',
                    wanted);
            exception when duplicate_object or unique_violation then
                null; -- Somebody else was faster.
            end;
        end if;
        if not pg_has_role(current_user, wanted, able) then
            begin
                execute format('grant %I to %I', wanted, current_user);
            exception when unique_violation then
                null;
            end;
        end if;
    end loop;
    execute format('grant usage on schema %I to elohim_app, elohim_queue', current_schema());
end
$$;

-- 3. Verbs of the server. Rows of history are only added; nothing of tenants is deleted.
grant select, insert, update on
    repository, workflow, work_item, stage_visit, session, agent_run, patch, recommendation,
    outbox
    to elohim_app;
grant select, insert on
    workflow_revision, workflow_trigger, transition, trigger_firing, plan, request_record,
    audit_event, audit_payload
    to elohim_app;
-- Rates are forgotten, roles are taken; people and teams only end.
grant select, insert, update on app_user, team, kill_switch to elohim_app;
grant select, insert, update, delete on custom_role, role_assignment, rate_limit to elohim_app;
grant select, update on policy_epoch to elohim_app;

-- 4. Policies. One rule for every table with an owner, the same as in the server's queries.
-- The settings stand in subqueries, so that they are read once for a statement. And because
-- the queries narrow by themselves, the planner must not count the same condition twice, or it
-- sorts where it could walk an index: `nullif(…, false) is not null` says the same as the
-- condition, and is taken to hold for nearly every row.
do $$
declare
    name text;
    own constant text := '(select current_setting(''elohim.user'')::uuid)';
    teams constant text := '(select current_setting(''elohim.teams'')::uuid[])::uuid[]';
    -- Everyone's rows are for everyone who says who he is.
    in_scope text := format(
        'nullif(case tenant_kind'
        ' when ''person'' then tenant_id = %1$s'
        ' when ''team'' then tenant_id = any (%2$s)'
        ' when ''global'' then %1$s is not null'
        ' end, false) is not null',
        own, teams);
begin
    for name in
        select c.relname
        from pg_class c
        where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
          -- Whose work is stopped is asked for rows of any owner, and is no content.
          and c.relname <> 'kill_switch'
          and 2 = (select count(*) from pg_attribute a
                   where a.attrelid = c.oid and a.attname in ('tenant_kind', 'tenant_id'))
    loop
        execute format('alter table %I enable row level security', name);
        execute format('alter table %I force row level security', name);
        execute format(
            'create policy in_scope on %I to elohim_app using (%s) with check (%s)',
            name, in_scope, in_scope);
    end loop;

    -- What somebody did himself stays his to read, wherever it was done.
    execute format(
        'create policy done_by_self on audit_event for select to elohim_app using (actor_id = %s)',
        own);

    -- A payload is its event's. Both are written by one statement, whose parts do not see each
    -- other, so what is new is held to its event by the foreign key alone.
    alter table audit_payload enable row level security;
    alter table audit_payload force row level security;
    create policy of_event on audit_payload for select to elohim_app
        using (exists (select from audit_event e where e.id = audit_payload.event_id));
    execute format(
        'create policy with_event on audit_payload for insert to elohim_app'
        ' with check (%s is not null)',
        own);

    -- A remembered answer is for whoever asked.
    alter table request_record enable row level security;
    alter table request_record force row level security;
    execute format(
        'create policy of_principal on request_record to elohim_app'
        ' using (principal_id = %1$s) with check (principal_id = %1$s)',
        own);
end
$$;

-- 5. Doors across tenants, for workers. Each does one thing; what follows a claim runs in the
-- scope of the row that was claimed.
grant select on agent_run, outbox, repository, request_record to elohim_queue;
-- Enough to hold a row for its claim.
grant update (fence) on agent_run, outbox to elohim_queue;
grant delete on request_record to elohim_queue;

create policy queue_reads on agent_run for select to elohim_queue using (true);
create policy queue_holds on agent_run for update to elohim_queue using (true);
create policy queue_reads on outbox for select to elohim_queue using (true);
create policy queue_holds on outbox for update to elohim_queue using (true);
create policy queue_reads on repository for select to elohim_queue using (true);
create policy queue_reads on request_record for select to elohim_queue using (true);
create policy queue_forgets on request_record for delete to elohim_queue using (true);

-- Microseconds since the epoch, by the clock that all leases are measured with.
create function queue_now() returns bigint language sql volatile
    return cast(extract(epoch from clock_timestamp()) * 1000000 as bigint);

-- Holds the run that is to be claimed next: one whose worker went silent, else the oldest
-- that waits.
create function queue_due_run() returns setof agent_run
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
            order by r.due_at, r.id limit 1
            for update skip locked;
    end if;
end
$$;

-- Holds the oldest run that the queue ended and nobody has told of.
create function queue_ended_run() returns setof agent_run
    language plpgsql volatile security definer as $$
declare
    moment constant bigint := queue_now();
begin
    return query
        select * from agent_run r
        where r.state in ('TIMED_OUT', 'DEAD') and r.settled_at is null
          and (r.lease_until is null or r.lease_until <= moment)
        order by r.ended_at, r.id limit 1
        for update skip locked;
end
$$;

-- Holds the event that is to be delivered next.
create function queue_due_event() returns setof outbox
    language plpgsql volatile security definer as $$
declare
    moment constant bigint := queue_now();
begin
    return query
        select * from outbox e
        where e.state = 'PENDING' and e.due_at <= moment
          and (e.lease_until is null or e.lease_until <= moment)
        order by e.due_at, e.id limit 1
        for update skip locked;
end
$$;

-- A run by its id, for whoever finds its traces in a mirror.
create function queue_run(wanted uuid) returns setof agent_run
    language sql stable security definer as
$$ select * from agent_run where id = wanted $$;

-- A repository by its id, for a run whose rights are asked for next.
create function queue_repository(wanted uuid) returns setof repository
    language sql stable security definer as
$$ select * from repository where id = wanted $$;

-- All repositories, for the look at all mirrors at start-up.
create function queue_repositories() returns setof repository
    language sql stable security definer as
$$ select * from repository $$;

-- How many runs are in which state, for metrics.
create function queue_run_counts(out state text, out number bigint) returns setof record
    language sql stable security definer as
$$ select r.state, count(*) from agent_run r group by r.state $$;

-- How many events wait, and since when the oldest does, for metrics.
create function queue_backlog(out number bigint, out oldest bigint)
    language sql stable security definer as
$$ select count(*), min(e.created_at) from outbox e where e.state = 'PENDING' $$;

-- Forgets answers that are older, in microseconds; returns how many.
create function queue_forget_answers(older_than bigint) returns bigint
    language sql volatile security definer as $$
    with forgotten as (
        delete from request_record
        where created_at < (select queue_now() - older_than) returning 1
    )
    select count(*) from forgotten
$$;

-- Functions look for names where these tables are, whoever calls; temporary tables of a
-- caller come last. Only the server may call them.
do $$
declare
    door regprocedure;
begin
    execute format('grant create on schema %I to elohim_queue', current_schema());
    for door in
        select p.oid::regprocedure
        from pg_proc p
        where p.pronamespace = current_schema()::regnamespace and p.proname ~ '^queue_'
    loop
        execute format('revoke all on function %s from public', door);
        execute format('grant execute on function %s to elohim_app', door);
        execute format('alter function %s owner to elohim_queue', door);
        execute format(
            'alter function %s set search_path = pg_catalog, %I, pg_temp',
            door, current_schema());
    end loop;
    execute format('revoke create on schema %I from elohim_queue', current_schema());
end
$$;

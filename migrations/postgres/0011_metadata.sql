-- What administrators see.
--
-- * elohim_metadata reads everybody's rows, but has no column of content: titles, data, prompts,
--   plans, patches and messages are not granted to it. The server becomes it for the length of
--   one transaction (`set local role`), and elohim_app does not inherit from it.
--
-- Expand step: the release before this one goes on with what it knew.

do $$
declare
    new constant boolean := current_setting('server_version_num')::int >= 160000;
begin
    if not exists (select from pg_roles where rolname = 'elohim_metadata') then
        begin
            create role elohim_metadata
                nologin nosuperuser nobypassrls nocreatedb nocreaterole;
        exception when duplicate_object or unique_violation then
            null; -- Somebody else was faster.
        end;
    end if;
    if (select rolinherit from pg_roles where rolname = 'elohim_app') then
        begin
            alter role elohim_app noinherit;
        exception when internal_error or unique_violation then
            null; -- Somebody else does the same now.
        end;
    end if;
    if not pg_has_role('elohim_app', 'elohim_metadata', 'member') then
        begin
            if new then
                execute 'grant elohim_metadata to elohim_app with inherit false, set true';
            else
                grant elohim_metadata to elohim_app;
            end if;
        exception when unique_violation or internal_error then
            null;
        end;
    end if;
    execute format('grant usage on schema %I to elohim_metadata', current_schema());
end
$$;

grant select on team, role_assignment, kill_switch to elohim_metadata;
grant select (id, subject, display_name, kind, active, created_at, deactivated_at)
    on app_user to elohim_metadata;
-- Names of personal workflows are left out by the one query that reads names.
grant select (id, tenant_kind, tenant_id, is_template, display_name, revision, creator_id,
              created_at, updated_at, deleted_at)
    on workflow to elohim_metadata;
grant select (id, tenant_kind, tenant_id, workflow_id, state, stage_id, assignee_id, created_at)
    on work_item to elohim_metadata;
grant select (id, tenant_kind, tenant_id, repository_id, work_item_id, state, created_at,
              last_activity_at, closed_at)
    on session to elohim_metadata;
grant select (id, tenant_kind, tenant_id, kind, state, phase, principal_id, work_item_id,
              repository_id, attempt, worker, problem_reason, created_at, started_at,
              heartbeat_at, ended_at, due_at)
    on agent_run to elohim_metadata;
grant select (id, tenant_kind, tenant_id, state, due_at, created_at) on outbox to elohim_metadata;
grant select (id, tenant_kind, tenant_id) on repository to elohim_metadata;
grant select (id, tenant_kind, tenant_id, actor_id, recorded_at) on audit_event
    to elohim_metadata;

do $$
declare
    name text;
begin
    foreach name in array array[
        'workflow', 'work_item', 'session', 'agent_run', 'outbox', 'repository', 'audit_event'
    ] loop
        execute format(
            'create policy metadata on %I for select to elohim_metadata using (true)', name);
    end loop;
end
$$;

-- ListAllRuns: newest first, whoever owns them.
create index agent_run_all_newest on agent_run (created_at, id);
-- ListUserWorkflows: what a user made, newest first.
create index workflow_by_creator on workflow (creator_id, created_at, id);

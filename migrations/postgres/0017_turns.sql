-- Stages where people take turns: who had the last one, and who is away.
--
-- Expand step: the release before this one goes on with what it knew.

-- Until when nothing is given to somebody in turn.
alter table app_user add column away_until bigint;

-- Who had the last turn. There is no key to the workflow: checking it would wait for whoever
-- holds the workflow, who may be waiting for this turn.
create table stage_turn (
    tenant_kind text not null,
    tenant_id   uuid not null,
    workflow_id uuid not null,
    stage_id    text not null,
    user_id     uuid not null,

    primary key (tenant_kind, tenant_id, workflow_id, stage_id)
);

grant select, insert, update on stage_turn to elohim_app;

-- The rule of every table with an owner. Administrators are granted no column.
do $$
declare
    own constant text := '(select current_setting(''elohim.user'')::uuid)';
    teams constant text := '(select current_setting(''elohim.teams'')::uuid[])::uuid[]';
    in_scope text := format(
        'nullif(case tenant_kind'
        ' when ''person'' then tenant_id = %1$s'
        ' when ''team'' then tenant_id = any (%2$s)'
        ' when ''global'' then %1$s is not null'
        ' end, false) is not null',
        own, teams);
begin
    alter table stage_turn enable row level security;
    alter table stage_turn force row level security;
    execute format(
        'create policy in_scope on stage_turn to elohim_app using (%s) with check (%s)',
        in_scope, in_scope);
end
$$;

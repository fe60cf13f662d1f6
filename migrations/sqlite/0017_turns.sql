-- Stages where people take turns: who had the last one, and who is away.
--
-- Expand step: the release before this one goes on with what it knew.

-- Until when nothing is given to somebody in turn.
alter table app_user add column away_until integer;

-- Who had the last turn. There is no key to the workflow: checking it would wait for whoever
-- holds the workflow, who may be waiting for this turn.
create table stage_turn (
    tenant_kind text not null,
    tenant_id   blob not null,
    workflow_id blob not null,
    stage_id    text not null,
    user_id     blob not null,

    primary key (tenant_kind, tenant_id, workflow_id, stage_id)
) strict;

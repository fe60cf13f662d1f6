-- Who had the last turn at a stage where people take turns.
--
-- Expand step: the release before this one goes on with what it knew.

-- There is no key to the workflow: checking it would wait for whoever holds the workflow, who
-- may be waiting for this turn.
create table stage_turn (
    tenant_kind text not null,
    tenant_id   blob not null,
    workflow_id blob not null,
    stage_id    text not null,
    user_id     blob not null,

    primary key (tenant_kind, tenant_id, workflow_id, stage_id)
) strict;

-- What somebody leaves behind: runs that are stopped from outside are told of like those that
-- the queue ends.
--
-- Expand step: the release before this one goes on with what it knew.

-- Cancelled together with a change of their item, which therefore knows.
update agent_run set settled_at = ended_at where state = 'CANCELLED' and settled_at is null;

drop index agent_run_unsettled;
-- The worker's claim: ends made without a worker that no item knows of.
create index agent_run_unsettled on agent_run (ended_at, id)
    where state in ('TIMED_OUT', 'DEAD', 'CANCELLED') and settled_at is null;
-- Runs that somebody answers for, to be stopped when he is gone.
create index agent_run_live on agent_run (principal_id, id)
    where state in ('QUEUED', 'RUNNING');

-- What somebody leaves behind: runs that are stopped from outside are told of like those that
-- the queue ends, and what a person holds is found whoever owns it.
--
-- Expand step: the release before this one goes on with what it knew.

-- Cancelled together with a change of their item, which therefore knows.
alter table agent_run no force row level security;
update agent_run set settled_at = ended_at where state = 'CANCELLED' and settled_at is null;
alter table agent_run force row level security;

drop index agent_run_unsettled;
-- The worker's claim: ends made without a worker that no item knows of.
create index agent_run_unsettled on agent_run (ended_at, id)
    where state in ('TIMED_OUT', 'DEAD', 'CANCELLED') and settled_at is null;
-- Runs that somebody answers for, to be stopped when he is gone.
create index agent_run_live on agent_run (principal_id, id)
    where state in ('QUEUED', 'RUNNING');

-- Of an item, only who holds it and whose it is.
grant select (id, tenant_kind, tenant_id, assignee_id, state, claimed_at) on work_item
    to elohim_queue;
create policy queue_reads on work_item for select to elohim_queue using (true);

-- Holds the oldest run that ended without its worker, and nobody has told of.
create or replace function queue_ended_run() returns setof agent_run
    language plpgsql volatile security definer as $$
declare
    moment constant bigint := queue_now();
begin
    return query
        select * from agent_run r
        where r.state in ('TIMED_OUT', 'DEAD', 'CANCELLED') and r.settled_at is null
          and (r.lease_until is null or r.lease_until <= moment)
        order by r.ended_at, r.id limit 1
        for update skip locked;
end
$$;

-- Live runs that are to be stopped: whose they are, and no more. A null narrows nothing; an
-- owner also means those on his repositories.
create function queue_live_runs(
    person uuid, owner_kind text, owner_id uuid, until_time bigint, most bigint,
    out id uuid, out tenant_kind text, out tenant_id uuid, out principal_id uuid
) returns setof record
    language sql stable security definer as $$
    select r.id, r.tenant_kind, r.tenant_id, r.principal_id
    from agent_run r left join repository p on p.id = r.repository_id
    where r.state in ('QUEUED', 'RUNNING') and r.created_at <= until_time
      and (person is null or r.principal_id = person)
      and (owner_kind is null
           or (r.tenant_kind = owner_kind and r.tenant_id = owner_id)
           or (p.tenant_kind = owner_kind and p.tenant_id = owner_id))
    order by (r.state = 'RUNNING') desc, r.id
    limit most
$$;

-- Items that somebody answers for: whose they are, and no more; by id.
create function queue_held_items(
    person uuid, owner_kind text, owner_id uuid, until_time bigint, after_id uuid, most bigint,
    out id uuid, out tenant_kind text, out tenant_id uuid
) returns setof record
    language sql stable security definer as $$
    select i.id, i.tenant_kind, i.tenant_id
    from work_item i
    where i.assignee_id = person and i.state in ('CLAIMED', 'IN_PROGRESS', 'BLOCKED')
      and coalesce(i.claimed_at, 0) <= until_time
      and (owner_kind is null or (i.tenant_kind = owner_kind and i.tenant_id = owner_id))
      and (after_id is null or i.id > after_id)
    order by i.id
    limit most
$$;

-- As for the other doors: found names are those of this schema, and only the server calls.
do $$
declare
    door regprocedure;
begin
    execute format('grant create on schema %I to elohim_queue', current_schema());
    for door in
        select p.oid::regprocedure
        from pg_proc p
        where p.pronamespace = current_schema()::regnamespace
          and p.proname in ('queue_ended_run', 'queue_live_runs', 'queue_held_items')
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

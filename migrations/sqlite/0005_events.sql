-- Events on their way out, and answers remembered for retries.
--
-- Expand step: nothing exists yet.

create table outbox (
    id           blob    not null primary key,
    tenant_kind  text    not null,
    tenant_id    blob    not null,
    principal_id blob    not null,
    event_type   text    not null,
    -- The whole event as JSON.
    record       text    not null,
    state        text    not null,
    -- Deliveries begun.
    attempt      integer not null,
    -- Raised by every claim; conditions every write about a delivery.
    fence        integer  not null,
    -- Not delivered before this.
    due_at       integer  not null,
    lease_until  integer,
    worker       text,
    -- Why the last delivery failed; on DEAD rows, why it was given up.
    problem      text,
    created_at   integer  not null,
    finished_at  integer,

    constraint outbox_tenant_known check (tenant_kind in ('team', 'person', 'global')),
    constraint outbox_state_known check (state in ('PENDING', 'DONE', 'DEAD')),
    constraint outbox_ended_has_time check ((state = 'PENDING') = (finished_at is null))
) strict;

-- The worker's claim: the oldest due event. Also the backlog.
create index outbox_pending on outbox (due_at, id) where state = 'PENDING';

create table request_record (
    principal_id blob   not null,
    method       text   not null,
    request_key  blob   not null,
    body_hash    blob  not null,
    -- The domain result as JSON; converted again on replay.
    answer       text   not null,
    created_at   integer not null,

    constraint request_record_key primary key (principal_id, method, request_key),
    constraint request_record_hash_whole check (length(body_hash) = 32)
) strict;

-- Cleanup of old records.
create index request_record_oldest on request_record (created_at);

-- The audit trail: rows are added, never changed, and payloads can be erased apart from them.
--
-- Expand step: nothing exists yet.

create table audit_event (
    id           blob   not null primary key,
    tenant_kind  text   not null,
    tenant_id    blob   not null,
    actor_id     blob   not null,
    action       text   not null,
    resource     text   not null,
    outcome      text   not null,
    recorded_at  integer not null,
    request_id   text   not null,
    policy_epoch integer not null,
    -- The canonical record; what the leaf is the hash of.
    bytes        blob  not null,
    leaf         blob  not null,

    constraint audit_event_tenant_known check (tenant_kind in ('team', 'person', 'global')),
    constraint audit_event_outcome_known check (outcome in ('SUCCESS', 'FAILURE', 'DENIED')),
    constraint audit_event_leaf_whole check (length(leaf) = 32)
) strict;

-- ListAuditEvents of the caller's tenants, newest first.
create index audit_event_by_tenant on audit_event (tenant_kind, tenant_id, recorded_at, id);
-- ListAuditEvents: the caller's own, newest first.
create index audit_event_by_actor on audit_event (actor_id, recorded_at, id);

create table audit_payload (
    event_id blob  not null primary key,
    payload  text  not null,
    salt     blob not null,

    constraint audit_payload_event foreign key (event_id) references audit_event (id),
    constraint audit_payload_salt_whole check (length(salt) = 32)
) strict;

-- Places of records in the log, written by the sealer only.
create table audit_seal (
    seq       integer not null primary key,
    event_id  blob   not null,
    sealed_at integer not null,

    constraint audit_seal_event_once unique (event_id),
    constraint audit_seal_event foreign key (event_id) references audit_event (id),
    constraint audit_seal_seq_natural check (seq >= 0)
) strict;

create trigger audit_event_keeps_rows before update on audit_event begin
    select raise(abort, 'audit records are never changed or deleted');
end;
create trigger audit_event_is_final before delete on audit_event begin
    select raise(abort, 'audit records are never changed or deleted');
end;
create trigger audit_seal_keeps_rows before update on audit_seal begin
    select raise(abort, 'audit records are never changed or deleted');
end;
create trigger audit_seal_is_final before delete on audit_seal begin
    select raise(abort, 'audit records are never changed or deleted');
end;

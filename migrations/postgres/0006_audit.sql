-- The audit trail: rows are added, never changed, and payloads can be erased apart from them.
--
-- Expand step: nothing exists yet.

create table audit_event (
    id           uuid   not null primary key,
    tenant_kind  text   not null,
    tenant_id    uuid   not null,
    actor_id     uuid   not null,
    action       text   not null,
    resource     text   not null,
    outcome      text   not null,
    recorded_at  bigint not null,
    request_id   text   not null,
    policy_epoch bigint not null,
    -- The canonical record; what the leaf is the hash of.
    bytes        bytea  not null,
    leaf         bytea  not null,
    -- The writing transaction: the sealer numbers only rows below the oldest open one.
    written_in   xid8   not null default pg_current_xact_id(),

    constraint audit_event_tenant_known check (tenant_kind in ('team', 'person', 'global')),
    constraint audit_event_outcome_known check (outcome in ('SUCCESS', 'FAILURE', 'DENIED')),
    constraint audit_event_leaf_whole check (length(leaf) = 32)
);

-- ListAuditEvents of the caller's tenants, newest first.
create index audit_event_by_tenant on audit_event (tenant_kind, tenant_id, recorded_at, id);
-- ListAuditEvents: the caller's own, newest first.
create index audit_event_by_actor on audit_event (actor_id, recorded_at, id);

create table audit_payload (
    event_id uuid  not null primary key,
    payload  text  not null,
    salt     bytea not null,

    constraint audit_payload_event foreign key (event_id) references audit_event (id),
    constraint audit_payload_salt_whole check (length(salt) = 32)
);

-- Places of records in the log, written by the sealer only.
create table audit_seal (
    seq       bigint not null primary key,
    event_id  uuid   not null,
    sealed_at bigint not null,

    constraint audit_seal_event_once unique (event_id),
    constraint audit_seal_event foreign key (event_id) references audit_event (id),
    constraint audit_seal_seq_natural check (seq >= 0)
);

create function audit_rows_are_final() returns trigger language plpgsql as $$
begin
    raise exception 'audit records are never changed or deleted' using errcode = 'restrict_violation';
end
$$;

create trigger audit_event_is_final
    before update or delete on audit_event
    for each row execute function audit_rows_are_final();
create trigger audit_event_is_kept
    before truncate on audit_event
    for each statement execute function audit_rows_are_final();
create trigger audit_seal_is_final
    before update or delete on audit_seal
    for each row execute function audit_rows_are_final();
create trigger audit_seal_is_kept
    before truncate on audit_seal
    for each statement execute function audit_rows_are_final();

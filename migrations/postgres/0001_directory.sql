-- People, teams, roles, and the epoch that tells everyone when any of them changed.
--
-- Expand step: nothing exists yet.

create table app_user (
    id           uuid    not null primary key,
    -- What a token's `sub` says; an alias, never shown as a name.
    subject      text    not null,
    display_name text    not null,
    active       boolean not null default true,
    may_apply    boolean not null default true,
    created_at   bigint  not null,

    constraint app_user_subject_unique unique (subject),
    constraint app_user_subject_given check (subject <> '')
);

create table team (
    id           uuid   not null primary key,
    slug         text   not null,
    display_name text   not null,
    created_at   bigint not null,

    constraint team_slug_unique unique (slug),
    constraint team_slug_given check (slug <> '')
);

create table role_assignment (
    user_id    uuid   not null,
    scope_kind text   not null,
    -- The team; nil when the role is held system-wide, so that the key is never null.
    scope_id   uuid   not null,
    role       text   not null,
    -- Ends on its own, if set.
    expires_at bigint,
    created_at bigint not null,

    constraint role_assignment_key primary key (user_id, scope_kind, scope_id, role),
    constraint role_assignment_user foreign key (user_id) references app_user (id),
    constraint role_assignment_scope_known check (scope_kind in ('team', 'system')),
    constraint role_assignment_role_given check (role <> '')
);

-- Who belongs to a team: resolving people named in a request.
create index role_assignment_by_scope on role_assignment (scope_kind, scope_id, user_id);

-- One row. Raised by every change of people, roles and switches, in the same transaction.
create table policy_epoch (
    only_row smallint not null primary key,
    epoch    bigint   not null,

    constraint policy_epoch_one_row check (only_row = 1)
);
insert into policy_epoch (only_row, epoch) values (1, 1);

-- Stops auto-apply for one team, or (global) everywhere.
create table kill_switch (
    tenant_kind text    not null,
    tenant_id   uuid    not null,
    stopped     boolean not null,
    changed_at  bigint  not null,

    constraint kill_switch_key primary key (tenant_kind, tenant_id),
    constraint kill_switch_tenant_known check (tenant_kind in ('team', 'person', 'global'))
);

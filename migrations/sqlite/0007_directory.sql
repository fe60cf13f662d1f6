-- Service accounts, roles that teams make, assignments with a name, the end of users and teams.
--
-- Expand step. SQLite changes no constraints in place: tables are made anew and filled from
-- the old ones, assignments first, since they refer to users.

create table role_assignment_before as select * from role_assignment;
drop table role_assignment;

-- A service account may be known by a certificate alone.
create table app_user_next (
    id               blob    not null primary key,
    -- What a token's `sub` says; an alias, never shown as a name.
    subject          text,
    display_name     text    not null,
    active           integer not null default 1,
    may_apply        integer not null default 1,
    created_at       integer not null,
    certificate_name text,
    kind             text    not null default 'person',
    deactivated_at   integer,
    version          integer not null default 1,

    constraint app_user_subject_unique unique (subject),
    constraint app_user_subject_given check (subject <> ''),
    constraint app_user_kind_known check (kind in ('person', 'service')),
    constraint app_user_known_by_something
        check (subject is not null or certificate_name is not null),
    constraint app_user_certificate_given check (certificate_name <> '')
) strict;
insert into app_user_next (id, subject, display_name, active, may_apply, created_at)
    select id, subject, display_name, active, may_apply, created_at from app_user;
drop table app_user;
alter table app_user_next rename to app_user;
create unique index app_user_certificate_unique on app_user (certificate_name);
-- ListUsers: newest first.
create index app_user_newest on app_user (created_at, id);

-- The slug of a team that is gone can be given again; nothing else of it can.
create table team_next (
    id           blob    not null primary key,
    slug         text    not null,
    display_name text    not null,
    created_at   integer not null,
    deleted_at   integer,
    version      integer not null default 1,

    constraint team_slug_given check (slug <> '')
) strict;
insert into team_next (id, slug, display_name, created_at)
    select id, slug, display_name, created_at from team;
drop table team;
alter table team_next rename to team;
create unique index team_slug_live on team (slug) where deleted_at is null;
-- ListTeams: newest first.
create index team_newest on team (created_at, id);

-- Roles that teams made for themselves.
create table custom_role (
    id           blob    not null primary key,
    team_id      blob    not null,
    slug         text    not null,
    display_name text    not null,
    -- {"workflows.view": "READ", …}
    levels       text    not null,
    created_at   integer not null,
    version      integer not null,

    constraint custom_role_slug_unique unique (team_id, slug),
    constraint custom_role_team foreign key (team_id) references team (id),
    constraint custom_role_slug_given check (slug <> ''),
    constraint custom_role_version_positive check (version > 0)
) strict;

create table role_assignment (
    user_id    blob    not null,
    scope_kind text    not null,
    -- The team; nil when the role is held system-wide, so that the key is never null.
    scope_id   blob    not null,
    role       text    not null,
    -- Ends on its own, if set.
    expires_at integer,
    created_at integer not null,
    id         blob    not null,
    -- Who decided that it is held: a person, or a claim of the identity provider.
    source     text    not null default 'given',
    -- Null for what came with the server and for claims.
    creator_id blob,

    constraint role_assignment_key primary key (user_id, scope_kind, scope_id, role),
    constraint role_assignment_user foreign key (user_id) references app_user (id),
    constraint role_assignment_scope_known check (scope_kind in ('team', 'system')),
    constraint role_assignment_role_given check (role <> ''),
    constraint role_assignment_source_known check (source in ('given', 'claim'))
) strict;
insert into role_assignment (user_id, scope_kind, scope_id, role, expires_at, created_at, id)
    select user_id, scope_kind, scope_id, role, expires_at, created_at, randomblob(16)
    from role_assignment_before;
drop table role_assignment_before;
-- Who belongs to a team: resolving people named in a request.
create index role_assignment_by_scope on role_assignment (scope_kind, scope_id, user_id);
create unique index role_assignment_name on role_assignment (id);
-- ListRoleAssignments and ListMembers: oldest first.
create index role_assignment_oldest on role_assignment (scope_kind, scope_id, created_at, id);

-- Who pulled it, and why.
alter table kill_switch add column reason text not null default '';
alter table kill_switch add column changed_by blob;

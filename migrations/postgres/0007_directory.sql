-- Service accounts, roles that teams make, assignments with a name, the end of users and teams.
--
-- Expand step: the release before this one reads and writes what it knew, apart from service
-- accounts without a subject, which it must not meet: stop it before such an account is made.

-- A service account may be known by a certificate alone.
alter table app_user alter column subject drop not null;
alter table app_user
    add column certificate_name text,
    add column kind             text   not null default 'person',
    add column deactivated_at   bigint,
    add column version          bigint not null default 1,
    add constraint app_user_kind_known check (kind in ('person', 'service')),
    add constraint app_user_known_by_something
        check (subject is not null or certificate_name is not null),
    add constraint app_user_certificate_given check (certificate_name <> '');
create unique index app_user_certificate_unique on app_user (certificate_name);
-- ListUsers: newest first.
create index app_user_newest on app_user (created_at, id);

-- The slug of a team that is gone can be given again; nothing else of it can.
alter table team
    add column deleted_at bigint,
    add column version    bigint not null default 1,
    drop constraint team_slug_unique;
create unique index team_slug_live on team (slug) where deleted_at is null;
-- ListTeams: newest first.
create index team_newest on team (created_at, id);

-- Roles that teams made for themselves.
create table custom_role (
    id           uuid   not null primary key,
    team_id      uuid   not null,
    slug         text   not null,
    display_name text   not null,
    -- {"workflows.view": "READ", …}
    levels       text   not null,
    created_at   bigint not null,
    version      bigint not null,

    constraint custom_role_slug_unique unique (team_id, slug),
    constraint custom_role_team foreign key (team_id) references team (id),
    constraint custom_role_slug_given check (slug <> ''),
    constraint custom_role_version_positive check (version > 0)
);

alter table role_assignment
    add column id         uuid not null default gen_random_uuid(),
    -- Who decided that it is held: a person, or a claim of the identity provider.
    add column source     text not null default 'given',
    -- Null for what came with the server and for claims.
    add column creator_id uuid,
    add constraint role_assignment_source_known check (source in ('given', 'claim'));
create unique index role_assignment_name on role_assignment (id);
-- ListRoleAssignments and ListMembers: oldest first.
create index role_assignment_oldest on role_assignment (scope_kind, scope_id, created_at, id);

-- Who pulled it, and why.
alter table kill_switch
    add column reason     text not null default '',
    add column changed_by uuid;

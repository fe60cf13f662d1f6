-- Registered git repositories.
--
-- Expand step: nothing exists yet.

create table repository (
    id                 blob    not null primary key,
    tenant_kind        text    not null,
    tenant_id          blob    not null,
    path               text    not null,
    display_name       text    not null,
    default_branch     text,
    auto_apply_allowed integer not null,
    creator_id         blob    not null,
    created_at         integer  not null,
    version            integer  not null,

    constraint repository_in_tenant unique (tenant_kind, tenant_id, id),
    constraint repository_path_unique unique (tenant_kind, tenant_id, path),
    constraint repository_tenant_known check (tenant_kind in ('team', 'person', 'global')),
    constraint repository_version_positive check (version > 0)
) strict;

-- ListRepositories: newest first within the caller's tenants.
create index repository_newest on repository (tenant_kind, tenant_id, created_at, id);

-- Registered git repositories.
--
-- Expand step: nothing exists yet.

create table repository (
    id                 uuid    not null primary key,
    tenant_kind        text    not null,
    tenant_id          uuid    not null,
    path               text    not null,
    display_name       text    not null,
    default_branch     text,
    auto_apply_allowed boolean not null,
    creator_id         uuid    not null,
    created_at         bigint  not null,
    version            bigint  not null,

    constraint repository_in_tenant unique (tenant_kind, tenant_id, id),
    constraint repository_path_unique unique (tenant_kind, tenant_id, path),
    constraint repository_tenant_known check (tenant_kind in ('team', 'person', 'global')),
    constraint repository_version_positive check (version > 0)
);

-- ListRepositories: newest first within the caller's tenants.
create index repository_newest on repository (tenant_kind, tenant_id, created_at, id);

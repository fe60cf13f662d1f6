-- What people say about items.
--
-- Expand step: the release before this one goes on with what it knew.

create table item_comment (
    id           uuid   not null primary key,
    tenant_kind  text   not null,
    tenant_id    uuid   not null,
    work_item_id uuid   not null,
    author_id    uuid   not null,
    body         text   not null,
    created_at   bigint not null,
    -- When the body last changed.
    updated_at   bigint not null,
    deleted_at   bigint,
    version      bigint not null,

    constraint item_comment_work_item
        foreign key (tenant_kind, tenant_id, work_item_id)
        references work_item (tenant_kind, tenant_id, id),
    -- What is deleted is gone; what is not says something.
    constraint item_comment_deleted_is_empty check ((deleted_at is not null) = (body = '')),
    constraint item_comment_version_positive check (version > 0)
);

-- ListComments: oldest first.
create index item_comment_by_item on item_comment (work_item_id, created_at, id);

grant select, insert, update on item_comment to elohim_app;

-- The rule of every table with an owner. Administrators are granted no column.
do $$
declare
    own constant text := '(select current_setting(''elohim.user'')::uuid)';
    teams constant text := '(select current_setting(''elohim.teams'')::uuid[])::uuid[]';
    in_scope text := format(
        'nullif(case tenant_kind'
        ' when ''person'' then tenant_id = %1$s'
        ' when ''team'' then tenant_id = any (%2$s)'
        ' when ''global'' then %1$s is not null'
        ' end, false) is not null',
        own, teams);
begin
    alter table item_comment enable row level security;
    alter table item_comment force row level security;
    execute format(
        'create policy in_scope on item_comment to elohim_app using (%s) with check (%s)',
        in_scope, in_scope);
end
$$;

-- What people say about items, and in which order items are taken up.
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

-- ListQueue: what waits in a workflow, higher priorities first, then oldest first.
create index work_item_queue on work_item (workflow_id, priority desc, created_at, id)
    where state = 'PENDING';
-- ListMyWork: what somebody has not finished, higher priorities first, then those due first.
create index work_item_mine
    on work_item (assignee_id, priority desc, (coalesce(due_at, 1152921504606846975)), id)
    where state in ('CLAIMED', 'IN_PROGRESS', 'BLOCKED');
-- ListOverdue: what is open past its time, within the caller's tenants.
create index work_item_due on work_item (tenant_kind, tenant_id, due_at, id)
    where closed_at is null and due_at is not null;

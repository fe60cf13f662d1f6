-- What people say about items, and in which order items are taken up.
--
-- Expand step: the release before this one goes on with what it knew.

create table item_comment (
    id           blob    not null primary key,
    tenant_kind  text    not null,
    tenant_id    blob    not null,
    work_item_id blob    not null,
    author_id    blob    not null,
    body         text    not null,
    created_at   integer not null,
    -- When the body last changed.
    updated_at   integer not null,
    deleted_at   integer,
    version      integer not null,

    constraint item_comment_work_item
        foreign key (tenant_kind, tenant_id, work_item_id)
        references work_item (tenant_kind, tenant_id, id),
    -- What is deleted is gone; what is not says something.
    constraint item_comment_deleted_is_empty check ((deleted_at is not null) = (body = '')),
    constraint item_comment_version_positive check (version > 0)
) strict;

-- ListComments: oldest first.
create index item_comment_by_item on item_comment (work_item_id, created_at, id);

-- ListQueue: what waits in a workflow, higher priorities first, then oldest first.
create index work_item_queue on work_item (workflow_id, priority desc, created_at, id)
    where state = 'PENDING';
-- ListMyWork: what somebody has not finished, higher priorities first, then those due first.
create index work_item_mine
    on work_item (assignee_id, priority desc, coalesce(due_at, 1152921504606846975), id)
    where state in ('CLAIMED', 'IN_PROGRESS', 'BLOCKED');
-- ListOverdue: what is open past its time, within the caller's tenants.
create index work_item_due on work_item (tenant_kind, tenant_id, due_at, id)
    where closed_at is null and due_at is not null;

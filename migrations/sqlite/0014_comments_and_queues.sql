-- What people say about items.
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

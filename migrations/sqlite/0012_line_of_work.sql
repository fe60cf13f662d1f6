-- What a line of work needs to know of an item: its number among its workflow's, a name of
-- somebody else's for it, when it is due, and what it waits for.
--
-- Expand step: the release before this one goes on with what it knew; items that it makes
-- after this have no number until the next release numbers them.

-- How the workflow's items are called before their number, as in BUG-142.
alter table workflow add column item_key text not null default 'ITEM';
-- The last number given.
alter table workflow add column last_number integer not null default 0;

alter table work_item add column number integer;
-- Of the system that it came from; unique within the workflow.
alter table work_item add column external_id text;
alter table work_item add column due_at integer;
-- While BLOCKED: the state to come back to, and why.
alter table work_item add column blocked_from text
    check (blocked_from in ('PENDING', 'CLAIMED', 'IN_PROGRESS'));
alter table work_item add column block_reason text not null default '';
-- Names of the items that must be over first, as somebody wrote them down.
alter table work_item add column blocked_by text not null default '[]';
-- Some other item may wait for this one: whoever ends it has to look.
alter table work_item add column is_blocker integer not null default 0;

update work_item set number = n.number
from (select id, row_number() over (partition by workflow_id order by created_at, id) as number
      from work_item) n
where n.id = work_item.id;
update workflow set last_number =
    (select count(*) from work_item i where i.workflow_id = workflow.id);

create unique index work_item_number
    on work_item (tenant_kind, tenant_id, workflow_id, number) where number is not null;
create unique index work_item_external_id
    on work_item (tenant_kind, tenant_id, workflow_id, external_id)
    where external_id is not null;
-- Where an item has been.
create index stage_visit_by_item on stage_visit (work_item_id, entered_at, id);

-- Which item waits for which; both are one owner's.
create table work_item_dependency (
    tenant_kind  text not null,
    tenant_id    blob not null,
    work_item_id blob not null,
    blocker_id   blob not null,

    constraint work_item_dependency_key
        primary key (tenant_kind, tenant_id, work_item_id, blocker_id),
    constraint work_item_dependency_item
        foreign key (tenant_kind, tenant_id, work_item_id)
        references work_item (tenant_kind, tenant_id, id),
    constraint work_item_dependency_blocker
        foreign key (tenant_kind, tenant_id, blocker_id)
        references work_item (tenant_kind, tenant_id, id)
) strict;
-- Who waits for an item.
create index work_item_dependency_waiting on work_item_dependency (blocker_id, work_item_id);
-- What somebody, or everybody, has in hand at a stage.
create index work_item_in_hand on work_item (workflow_id, stage_id, assignee_id)
    where assignee_id is not null;

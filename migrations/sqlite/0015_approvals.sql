-- Decisions about items, and when an item should leave its stage.
--
-- Expand step: the release before this one goes on with what it knew. Of items whose due time
-- it changes, lists of what is late learn with their next change.

-- When the item should leave its stage.
alter table work_item add column stage_due_at integer;
-- When it is late: by its own date or its stage's, whichever comes first.
alter table work_item add column overdue_at integer;
-- Who, beside its creator, wrote what it says, as a JSON array of names.
alter table work_item add column authors text not null default '[]';
-- Who let it pass at the stage of approval it is at: a JSON array.
alter table work_item add column votes text not null default '[]';

update work_item set overdue_at = due_at where due_at is not null;

drop index work_item_mine;
drop index work_item_due;
-- ListMyWork: what somebody has not finished, higher priorities first, then those late first.
create index work_item_mine
    on work_item (assignee_id, priority desc, coalesce(overdue_at, 1152921504606846975), id)
    where state in ('CLAIMED', 'IN_PROGRESS', 'BLOCKED');
-- ListOverdue: what is open past its time, within the caller's tenants.
create index work_item_late on work_item (tenant_kind, tenant_id, overdue_at, id)
    where closed_at is null and overdue_at is not null;

-- Open items of a workflow, by name: MigrateWorkItems looks at them in batches.
--
-- Expand step: the release before this one goes on with what it knew.
create index work_item_open on work_item (workflow_id, id) where closed_at is null;

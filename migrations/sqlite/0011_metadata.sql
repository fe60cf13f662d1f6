-- What administrators see: SQLite has no roles, so the types of the server carry alone.
--
-- Expand step: the release before this one goes on with what it knew.

-- ListAllRuns: newest first, whoever owns them.
create index agent_run_all_newest on agent_run (created_at, id);
-- ListUserWorkflows: what a user made, newest first.
create index workflow_by_creator on workflow (creator_id, created_at, id);

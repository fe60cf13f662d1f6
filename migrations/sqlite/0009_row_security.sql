-- SQLite knows neither roles nor row-level security: one process, one writer, and the types
-- and queries of the server carry alone. The file is here so that both dialects count alike.

select 1;

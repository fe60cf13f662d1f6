-- What callers have spent of their rates, for all processes together.
--
-- Expand step: nothing exists yet.

-- One process alone has this file; it keeps what it spent in memory. The table is here so that both
-- databases keep the contract of the port.
create table rate_limit (
    user_id     blob    not null,
    class       text    not null,
    -- Everything is spent until then; the rate's next permit lies after it.
    spent_until integer not null,
    -- What the last request was given, and when it asked.
    permits     integer not null,
    asked_at    integer not null,

    constraint rate_limit_key primary key (user_id, class),
    constraint rate_limit_class_given check (class <> ''),
    constraint rate_limit_permits_counted check (permits >= 0)
) strict;

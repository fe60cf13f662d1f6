-- What callers have spent of their rates, for all processes together.
--
-- Expand step: nothing exists yet.

-- Worth nothing after a crash, so it is not logged: it is then empty, and everybody rested.
create unlogged table rate_limit (
    user_id     uuid   not null,
    class       text   not null,
    -- Everything is spent until then; the rate's next permit lies after it.
    spent_until bigint not null,
    -- What the last request was given, and when it asked.
    permits     bigint not null,
    asked_at    bigint not null,

    constraint rate_limit_key primary key (user_id, class),
    constraint rate_limit_class_given check (class <> ''),
    constraint rate_limit_permits_counted check (permits >= 0)
);

-- Persons and organisations. A merchant is not a party: it is a role, and has its own table.
create table party (
    id            uuid primary key,
    kind          text not null check (kind in ('person', 'organisation')),
    name          text not null,
    phone         text,                     -- E.164; how persons find each other
    reference     text unique,              -- the partner's own id for this party
    account_class smallint check (account_class between 1 and 3), -- persons only, by identity check
    state         text not null default 'active' check (state in ('active', 'frozen', 'closed')),
    metadata      jsonb not null default '{}',
    created_at    timestamptz not null,
    check ((kind = 'person') = (account_class is not null))
);
-- Numbers are given out anew by the networks: a closed party's may come with somebody else.
create unique index party_by_phone on party (phone) where state <> 'closed';

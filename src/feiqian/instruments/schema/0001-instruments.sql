-- Everything a payment may take from or give to: wallets, merchant payables, the house's own accounts.
create table wallet (
    id          uuid primary key,           -- also the id of its ledger account
    account_key integer not null unique,
    owner       uuid not null,              -- party, merchant, or the house itself
    kind        text not null,              -- kind in the chart of accounts
    currency    text not null,
    state       text not null default 'active' -- frozen gives nothing, suspended neither gives nor takes
                check (state in ('active', 'frozen', 'suspended', 'closed')),
    suspended_from text,                    -- the state it goes back to when its merchant is resumed
    limits      jsonb not null default '[]', -- the owner's own, beside those of class and code
    created_at  timestamptz not null
);
create unique index wallet_once on wallet (owner, kind, currency) where state <> 'closed';

-- How much an owner has spent, by scope. Overwritten by the holder of the turn; day and year name
-- the period that the counters are of.
create table usage (
    owner       uuid not null,
    scope       text not null,              -- balance, code_a .. code_d
    currency    text not null,
    day         date not null,
    day_amount  bigint not null check (day_amount >= 0),
    day_count   integer not null check (day_count >= 0),
    year_amount bigint not null check (year_amount >= 0),
    year_count  integer not null check (year_count >= 0),
    life_amount bigint not null check (life_amount >= 0),
    life_count  integer not null check (life_count >= 0),
    primary key (owner, scope, currency)
) with (fillfactor = 70);

-- Devices that can make payment codes without a network.
create table device (
    id          uuid primary key,
    party       uuid not null,
    wallet      uuid not null,
    alias       text not null unique,       -- 9 random digits: all a code says about who shows it
    secret      bytea not null,             -- shared with the device; sealed, kernel/secret.py
    code_class  text not null check (code_class in ('a', 'b', 'c')),
    state       text not null default 'active' check (state in ('active', 'suspended', 'removed')),
    wrong_codes integer not null default 0, -- in a row; too many lock the device for a while
    locked_until timestamptz,
    created_at  timestamptz not null
);
create index device_by_party on device (party);

-- Codes already presented: single use is this primary key.
create table used_code (
    device  uuid not null,
    step    bigint not null,                -- time step, payment_code.py
    counter smallint not null,
    used_at timestamptz not null,
    primary key (device, step, counter)
);
create index used_code_by_age on used_code (used_at);

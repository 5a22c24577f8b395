create table merchant (
    id         uuid primary key,
    name       text not null,
    mcc        text not null check (mcc ~ '^[0-9]{4}$'), -- ISO 18245
    city       text not null,
    country    text not null default 'CN' check (country ~ '^[A-Z]{2}$'),
    reference  text unique,
    state      text not null default 'active' check (state in ('active', 'suspended', 'closed')),
    metadata   jsonb not null default '{}',
    created_at timestamptz not null
);

create table store (
    id         uuid primary key,
    merchant   uuid not null references merchant,
    name       text not null,
    city       text not null,
    state      text not null default 'active' check (state in ('active', 'closed')),
    created_at timestamptz not null
);
create index store_by_merchant on store (merchant, id);

create table cashier (
    id         uuid primary key,
    store      uuid not null references store,
    name       text not null,
    state      text not null default 'active' check (state in ('active', 'closed')),
    created_at timestamptz not null
);
create index cashier_by_store on cashier (store, id);

create table terminal (
    id         uuid primary key,
    store      uuid not null references store,
    label      text not null,
    state      text not null default 'active' check (state in ('active', 'closed')),
    created_at timestamptz not null
);
create index terminal_by_store on terminal (store, id);

-- What a merchant pays for being paid, by date. The one in force is the latest begun.
create table contract (
    id         uuid primary key,
    merchant   uuid not null references merchant,
    currency   text not null,
    begins_on  date not null,
    ends_on    date,                        -- first day it no longer holds
    terms      jsonb not null,              -- pricing/fees.py: Terms
    created_at timestamptz not null,
    check (ends_on is null or ends_on > begins_on)
);
-- Terms agreed again for the same day are another contract: what was charged keeps the one it was charged by.
create index contract_by_day on contract (merchant, currency, begins_on, created_at);

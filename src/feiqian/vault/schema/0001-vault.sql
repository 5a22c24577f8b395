-- Card numbers, in a schema of their own that belongs to a role of its own: the application cannot read it.

-- One row whose lock is the vault's turn: card by card, use by use.
create table vault_turn (
    one boolean primary key default true check (one)
);
insert into vault_turn default values;

-- Keys that encrypt cards, each a group of them, themselves encrypted by a key that no database holds.
create table data_key (
    id           uuid primary key,
    kek          text,                     -- which key-encrypting key wraps it
    wrapped      bytea,                    -- null once destroyed: its cards are unreadable for ever
    cards        integer not null default 0,
    closed       boolean not null default false, -- encrypts no new cards
    made_at      timestamptz not null,
    destroyed_at timestamptz,
    check ((wrapped is null) = (destroyed_at is not null))
);
create unique index data_key_open on data_key ((true)) where not closed;

create table card (
    id           uuid primary key,
    owner        uuid not null,            -- the customer
    bin          text not null check (bin ~ '^[0-9]{3,6}$'),
    last_four    text not null check (last_four ~ '^[0-9]{4}$'),
    issuer       text,
    kind         text not null check (kind in ('debit', 'credit', 'semi_credit', 'prepaid', 'unknown')),
    expires      date not null,            -- the first day of the month it is good through
    state        text not null check (state in ('active', 'unbound', 'unreadable')),
    place        integer not null,         -- among the owner's: 0 is asked first
    hash         bytea check (length(hash) = 32), -- keyed, of the whole number; null once it is gone
    data_key     uuid not null references data_key,
    sealed       bytea,                    -- number and holder; null once unbound
    created_at   timestamptz not null,
    check ((state = 'active') = (hash is not null)),
    check ((state = 'unbound') = (sealed is null))
);
create unique index card_once on card (owner, hash) where hash is not null;
create index card_by_owner on card (owner, place);
create index card_by_data_key on card (data_key, id);

-- What may stand for a card, and for how much of what.
create table card_token (
    id           uuid primary key,
    card         uuid not null references card,
    state        text not null check (state in ('active', 'suspended', 'deleted')),
    currency     text not null,
    count_max    integer check (count_max > 0),
    each_minor   bigint check (each_minor > 0),   -- most in one payment
    total_minor  bigint check (total_minor > 0),  -- most in all
    expires_at   timestamptz,
    channels     text[] not null,                 -- none named: all
    payee_kinds  text[] not null,                 -- none named: all
    used_count   integer not null default 0,
    used_minor   bigint not null default 0,
    created_at   timestamptz not null,
    check (used_count <= count_max),
    check (used_minor <= total_minor)
);
create index card_token_by_card on card_token (card, id);

create table token_use (
    id           uuid primary key,         -- the payment: asked again, it is counted once
    token        uuid not null references card_token,
    amount_minor bigint not null check (amount_minor > 0),
    at           timestamptz not null
);

-- Who opened or changed what, and why. Rows are added and never touched again.
create table access_log (
    seq    bigint generated always as identity primary key,
    at     timestamptz not null,
    who    text not null,
    act    text not null,
    why    text not null,
    card   uuid,
    result text not null
);
create index access_log_by_card on access_log (card, seq);

create function access_log_is_final() returns trigger language plpgsql as $$
begin
    raise exception 'the access log is only added to';
end $$;
create trigger access_log_is_final before update or delete on access_log
    for each row execute function access_log_is_final();
create trigger access_log_stays before truncate on access_log
    for each statement execute function access_log_is_final();
revoke update, delete, truncate on access_log from current_user;

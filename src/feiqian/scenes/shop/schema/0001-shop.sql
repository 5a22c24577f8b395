-- What a shop calls its order. The merchant's own number is unique per merchant.
create table purchase (
    id                uuid primary key,
    merchant          uuid not null,
    store             uuid not null,
    terminal          uuid,
    cashier           uuid,
    merchant_order_no text not null,
    description       text not null default '',
    currency          text not null,
    amount            bigint not null check (amount > 0),
    capture           text not null check (capture in ('now', 'later')),
    hold_seconds      integer,
    state             text not null check (state in ('open', 'paid', 'closed')),
    code              text unique,          -- token in its dynamic code, when it has one
    expires_at        timestamptz not null,
    payment           uuid unique references payment, -- the one that paid it
    static_code       uuid,                 -- the stand it was paid at
    metadata          jsonb not null default '{}',
    created_at        timestamptz not null,
    unique (merchant, merchant_order_no),
    check ((state = 'paid') = (payment is not null))
);
create index purchase_by_merchant on purchase (merchant, id);
create index purchase_by_number on purchase (merchant_order_no);

-- Scans of a customer's code that were refused: the same code for the same purchase hears the same again.
create table refused_scan (
    purchase uuid not null,
    device   uuid not null,
    step     bigint not null,
    counter  smallint not null,
    refusal  jsonb not null,
    at       timestamptz not null,
    primary key (purchase, device, step, counter)
);

-- Codes on a stand or a wall: the shop, and perhaps an amount.
create table static_code (
    id         uuid primary key,
    token      text not null unique,
    merchant   uuid not null,
    store      uuid not null,
    currency   text not null,
    amount     bigint check (amount > 0),   -- null: the customer enters it
    state      text not null default 'active' check (state in ('active', 'cancelled')),
    created_at timestamptz not null
);
create index static_code_by_store on static_code (store, id);

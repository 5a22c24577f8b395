-- The ledger of one book. Written only by who holds the book's turn (kernel/book.py), so no row
-- here is ever waited for and no two batches ever interleave.

create table account (
    key             integer generated always as identity primary key, -- small, for use inside the ledger
    id              uuid not null unique,
    unit            text not null,            -- ISO 4217 code, or the name of a points programme
    scale           smallint not null check (scale between 0 and 4), -- digits behind the point
    code            smallint not null,        -- chart of accounts, chart.py
    debits_bounded  boolean not null,         -- debits must not exceed credits
    credits_bounded boolean not null,         -- credits must not exceed debits
    closed          boolean not null default false,
    debits_pending  bigint not null default 0 check (debits_pending >= 0),  -- minor units, as all below
    debits_posted   bigint not null default 0 check (debits_posted >= 0),
    credits_pending bigint not null default 0 check (credits_pending >= 0),
    credits_posted  bigint not null default 0 check (credits_posted >= 0),
    opened_at       timestamptz not null,
    constraint debits_within_credits
        check (not debits_bounded or debits_pending <= credits_posted - debits_posted),
    constraint credits_within_debits
        check (not credits_bounded or credits_pending <= debits_posted - credits_posted)
) with (fillfactor = 50); -- counters change in place and must find room on their page

-- No foreign keys to account: the judge has read both rows, verify proves them again, and a key
-- share lock on a hot account's row for every transfer would cost more than the transfer.
create table transfer (
    seq        bigint primary key,      -- booking order, without gaps
    id         uuid not null unique,    -- chosen by the client
    debit_key  integer not null,
    credit_key integer not null,
    amount     bigint not null check (amount > 0),
    code       smallint not null,       -- kind of movement, chart.py
    flags      smallint not null,       -- transfer.py: 1 pending, 2 post, 4 void, 8 linked, 16 expired
    pending_id uuid,                    -- the hold that a post, void or expiry ends
    timeout    integer not null check (timeout >= 0), -- seconds a hold lasts, 0 for ever
    payment    uuid,
    value_on   date not null,
    booked_on  date not null,           -- business day
    booked_at  timestamptz not null,
    -- the counters of both accounts after this transfer
    debit_debits_pending   bigint not null,
    debit_debits_posted    bigint not null,
    debit_credits_pending  bigint not null,
    debit_credits_posted   bigint not null,
    credit_debits_pending  bigint not null,
    credit_debits_posted   bigint not null,
    credit_credits_pending bigint not null,
    credit_credits_posted  bigint not null,
    check (debit_key <> credit_key)
);
create unique index transfer_ends_hold_once on transfer (pending_id) where pending_id is not null;
create index transfer_by_debit on transfer (debit_key, seq);
create index transfer_by_credit on transfer (credit_key, seq);
create index transfer_by_payment on transfer (payment) where payment is not null;

-- Holds still open: what the sweep looks through and what reads leave out once overdue.
create table hold (
    id         uuid primary key,
    debit_key  integer not null,
    credit_key integer not null,
    amount     bigint not null check (amount > 0),
    expires_at timestamptz
);
create index hold_due on hold (expires_at) where expires_at is not null;

-- Ids refused for the state of the books: they stay refused although the state may mend.
create table refused_transfer (
    id         uuid primary key,
    result     text not null,
    refused_at timestamptz not null
);

create table block (
    number    bigint primary key,
    first_seq bigint not null,
    last_seq  bigint not null,
    booked_on date not null,
    booked_at timestamptz not null,
    sums      jsonb not null,           -- unit -> minor units moved by this block
    previous  bytea not null,
    hash      bytea not null,           -- SHA-256, chain.py
    check (last_seq >= first_seq)
);
create index block_by_moment on block (booked_at, number);

create table ledger_head (
    one       boolean primary key default true check (one),
    seq       bigint not null default 0,
    block     bigint not null default 0,
    hash      bytea not null default decode(repeat('00', 32), 'hex'),
    booked_at timestamptz not null default 'epoch'
);
insert into ledger_head default values;

create trigger append_only before update or delete on transfer for each row execute function refuse_change();
create trigger append_only before update or delete on block for each row execute function refuse_change();
create trigger append_only_all before truncate on transfer execute function refuse_change();
create trigger append_only_all before truncate on block execute function refuse_change();
do $$ begin
    execute format('revoke update, delete, truncate on transfer, block from public, %I', current_user);
end $$;

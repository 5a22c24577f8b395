create table payment (
    id          uuid primary key,
    kind        text not null,
    subject     uuid not null,
    state       text not null,              -- lifecycle.py
    currency    text not null,
    amount      bigint not null check (amount > 0),       -- minor units, as all below: what the payer gives
    held        bigint not null default 0 check (held >= 0),
    captured    bigint not null default 0 check (captured >= 0),
    refunded    bigint not null default 0 check (refunded >= 0),
    payer       uuid not null,              -- wallet
    payer_owner uuid not null,
    payee       uuid not null,              -- wallet
    payee_owner uuid not null,
    reverses    uuid references payment,    -- the payment that this refund is of
    capture     text not null check (capture in ('now', 'later')),
    lapse       text not null check (lapse in ('release', 'capture')),
    hold_until  timestamptz,
    counted     text not null default '', -- scopes whose usage it counts in, by blanks
    counted_on  date not null,              -- local day
    fulfil      text,
    refusal     jsonb,                      -- code and facts, when refused
    refs        jsonb not null default '{}',
    fingerprint bytea not null,             -- of the order, to tell a repeat from another order
    business_on date not null,
    created_at  timestamptz not null,
    check (captured + held <= amount),
    check (refunded <= captured),
    check (held = 0 or state = 'authorised'),
    check ((state = 'refused') = (refusal is not null))
);
-- One subject, one order of each kind; a refusal uses up a request's key, not the subject.
create unique index payment_once on payment (kind, subject) where state <> 'refused';
create index payment_by_payer on payment (payer_owner, id);
create index payment_by_payee on payment (payee_owner, id);
create index payment_by_reversed on payment (reverses) where reverses is not null;

create table leg (
    payment  uuid not null references payment,
    n        smallint not null,
    source   uuid not null,                 -- wallet
    target   uuid not null,
    amount   bigint not null check (amount > 0),
    why      text not null,
    taken    bigint not null default 0 check (taken >= 0),
    returned bigint not null default 0 check (returned >= 0),
    hold     uuid,                          -- the ledger's open hold for what may still be taken
    contract uuid,                          -- of a fee
    primary key (payment, n),
    check (taken <= amount),
    check (returned <= taken)
);

create table payment_step (
    payment uuid not null,
    n       smallint not null,
    step    text not null,
    state   text not null,                  -- after the step
    amount  bigint,
    detail  jsonb not null default '{}',
    at      timestamptz not null,
    primary key (payment, n)
);
create trigger append_only before update or delete on payment_step
    for each row execute function refuse_change();
create trigger append_only_all before truncate on payment_step execute function refuse_change();
create index payment_overdue on payment (hold_until) where state = 'authorised';

-- One row whose lock is the turn: only who holds it writes money in this book.
create table book_turn (
    one         boolean primary key default true check (one),
    clock_shift interval not null default '0' -- sandbox books only, and only forward
);
insert into book_turn default values;

-- The outbox and the timers: what must happen after a commit, written with that commit.
create table job (
    id        bigint generated always as identity primary key,
    kind      text not null,
    subject   uuid,
    payload   jsonb not null default '{}',
    due_at    timestamptz not null,     -- by the book's clock
    attempts  smallint not null default 0,
    failed_at timestamptz,              -- set when given up: a dead letter, kept until a person acts
    error     text
);
create index job_due on job (due_at, id) where failed_at is null;

-- What happened, in the order of commits; the feed that the API, webhooks and analytics read.
create table event (
    seq     bigint generated always as identity primary key,
    id      uuid not null unique,
    type    text not null,
    subject uuid not null,
    owner   uuid,                       -- merchant or customer whose event it is
    data    jsonb not null,
    at      timestamptz not null
);

-- For tables whose rows are never changed or deleted.
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger append_only before update or delete on event for each row execute function refuse_change();
create trigger append_only_all before truncate on event execute function refuse_change();

create index event_by_subject on event (subject, seq);
create index event_by_owner on event (owner, seq);

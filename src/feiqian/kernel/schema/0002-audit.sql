-- Who did what to rights and money settings, who was turned away, and who read whose identity.
-- Each entry's hash covers the one before it. Objects and actors stand here by their public ids.
create table audit_entry (
    seq        bigint primary key check (seq > 0), -- without gaps
    id         uuid not null unique,
    at         timestamptz not null,    -- by the book's clock
    machine_at timestamptz not null,    -- by the machine's
    actor      text not null,           -- key_…, cli:<account of the machine>, system or nobody
    principal  uuid,                    -- whose key it was; survives a rotation
    peer       text,                    -- the address the request came from
    request    text,                    -- req_…
    verb       text not null,           -- what was done or tried: wallet.frozen
    objects    text[] not null,         -- on what, the first being the one meant
    result     text not null,           -- done, or the code of the refusal
    facts      jsonb not null,          -- settings before and after; no names, no numbers of people, no secrets
    hash       bytea not null check (length(hash) = 32)
);
create index audit_entry_by_object on audit_entry using gin (objects);
create index audit_entry_by_actor on audit_entry (actor, seq);
create index audit_entry_by_principal on audit_entry (principal, seq) where principal is not null;
create index audit_entry_by_verb on audit_entry (verb, seq);
create index audit_entry_by_moment on audit_entry (at, seq);

-- The last entry. Its lock puts writers in order, also those that need no turn of the book.
create table audit_head (
    one  boolean primary key default true check (one),
    seq  bigint not null default 0,
    hash bytea not null default decode(repeat('00', 32), 'hex'),
    act  xid8                           -- the transaction that last wrote down an act of its own
);
insert into audit_head default values;

create function refuse_audit_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger append_only before update or delete on audit_entry
    for each row execute function refuse_audit_change();
create trigger append_only_all before truncate on audit_entry execute function refuse_audit_change();
do $$ begin
    execute format('revoke update, delete, truncate on audit_entry from public, %I', current_user);
end $$;

-- What hangs on a table as `audited` keeps a transaction from committing a change without an entry.
-- It guards against forgetting; whoever may write audit_head can deceive it.
create function must_be_audited() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new is not distinct from old then
        return null;
    end if;
    if (select act from audit_head) is distinct from pg_current_xact_id() then
        raise exception 'a change of % was not audited', tg_table_name using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end $$;
create constraint trigger audited after update of clock_shift on book_turn deferrable initially deferred
    for each row execute function must_be_audited();

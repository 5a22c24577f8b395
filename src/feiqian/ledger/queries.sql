-- name: head^
-- head: where the chain stands, whether any hold is overdue, and which of the ids asked are used up
select seq, block, hash, booked_at,
       exists (select from hold where expires_at <= :at) as overdue,
       array(select id from transfer where id = any(:ids)) as known,
       array(select id from refused_transfer where id = any(:ids)) as failed
  from ledger_head;

-- name: overdue_holds
-- overdue_holds: a chunk of them, oldest first, with what their expiry must repeat
select h.id, h.debit_key, h.credit_key, h.amount, t.code, t.flags, t.payment, h.expires_at
  from hold h join transfer t on t.id = h.id
 where h.expires_at <= :at
 order by h.expires_at, t.seq
 limit :most;

-- name: known_transfers
-- known_transfers: what was booked under these ids, to compare with what is asked
select seq, id, debit_key, credit_key, amount, code, flags, pending_id, timeout, payment,
       value_on, booked_on, booked_at,
       debit_debits_pending, debit_debits_posted, debit_credits_pending, debit_credits_posted,
       credit_debits_pending, credit_debits_posted, credit_credits_pending, credit_credits_posted
  from transfer where id = any(:ids);

-- name: named_holds
-- named_holds: the transfers that posts and voids name, and what has ended them
select t.id, t.debit_key, t.credit_key, t.amount, t.code, t.flags, t.payment,
       null::timestamptz as expires_at, coalesce(e.flags, 0) as ended_by
  from transfer t left join transfer e on e.pending_id = t.id
 where t.id = any(:ids);

-- name: counters
-- counters: accounts as they stand; the turn keeps them still, so no row is locked
select key, unit, debits_bounded, credits_bounded, closed,
       debits_pending, debits_posted, credits_pending, credits_posted
  from account where key = any(:keys);

-- name: open_holds!
insert into hold (id, debit_key, credit_key, amount, expires_at)
select * from unnest(:ids::uuid[], :debit_keys::int[], :credit_keys::int[], :amounts::bigint[],
                     :expires_at::timestamptz[]);

-- name: end_holds!
delete from hold where id = any(:ids);

-- name: keep_refused!
insert into refused_transfer (id, result, refused_at)
select *, :at from unnest(:ids::uuid[], :results::text[])
    on conflict do nothing;

-- name: close_batch!
-- close_batch: every touched account once, however many entries touched it; the block; the head on it
with counted as (
    update account a
       set debits_pending = n.debits_pending, debits_posted = n.debits_posted,
           credits_pending = n.credits_pending, credits_posted = n.credits_posted
      from unnest(:keys::int[], :debits_pending::bigint[], :debits_posted::bigint[],
                  :credits_pending::bigint[], :credits_posted::bigint[])
           as n (key, debits_pending, debits_posted, credits_pending, credits_posted)
     where a.key = n.key
), added as (
    insert into block (number, first_seq, last_seq, booked_on, booked_at, sums, previous, hash)
    values (:number, :first_seq, :last_seq, :booked_on, :booked_at, :sums, :previous, :hash)
)
update ledger_head set seq = :last_seq, block = :number, hash = :hash, booked_at = :booked_at;

-- name: open_accounts
-- open_accounts: as many as asked, in the order asked; an id that exists is left as it is
insert into account (id, unit, scale, code, debits_bounded, credits_bounded, opened_at)
select id, unit, scale, code, debits_bounded, credits_bounded, :at
  from unnest(:ids::uuid[], :units::text[], :scales::smallint[], :codes::smallint[],
              :debits_bounded::boolean[], :credits_bounded::boolean[])
       as n (id, unit, scale, code, debits_bounded, credits_bounded)
    on conflict (id) do nothing;

-- name: account_keys
select id, key, unit, scale, code from account where id = any(:ids);

-- name: close_account!
update account set closed = true
 where key = :key and debits_pending = 0 and credits_pending = 0 and debits_posted = credits_posted;

-- name: balances
-- balances: counters with what overdue holds still claim taken off
select a.key, a.id, a.unit, a.scale, a.code, a.closed,
       a.debits_pending - coalesce((select sum(amount) from hold
                                     where debit_key = a.key and expires_at <= :at), 0)::bigint as debits_pending,
       a.debits_posted,
       a.credits_pending - coalesce((select sum(amount) from hold
                                      where credit_key = a.key and expires_at <= :at), 0)::bigint as credits_pending,
       a.credits_posted
  from account a where a.key = any(:keys);

-- name: last_seq_at$
-- last_seq_at: the last entry booked at or before a moment
select last_seq from block where booked_at <= :at order by booked_at desc, number desc limit 1;

-- name: past_counters^
-- past_counters: an account's counters after a given entry, from the last entry that touched it
select debits_pending, debits_posted, credits_pending, credits_posted from (
    (select seq, debit_debits_pending as debits_pending, debit_debits_posted as debits_posted,
            debit_credits_pending as credits_pending, debit_credits_posted as credits_posted
       from transfer where debit_key = :key and seq <= :seq order by seq desc limit 1)
    union all
    (select seq, credit_debits_pending, credit_debits_posted, credit_credits_pending, credit_credits_posted
       from transfer where credit_key = :key and seq <= :seq order by seq desc limit 1)
) as side order by seq desc limit 1;

-- name: entries_before
-- entries_before: an account's entries, newest first, below a sequence number
select * from (
    (select *, true as is_debit from transfer
      where debit_key = :key and seq < :before and seq > :after order by seq desc limit :most)
    union all
    (select *, false from transfer
      where credit_key = :key and seq < :before and seq > :after order by seq desc limit :most)
) as side order by seq desc limit :most;

-- name: entries_after
-- entries_after: the same, oldest first, above a sequence number
select * from (
    (select *, true as is_debit from transfer
      where debit_key = :key and seq < :before and seq > :after order by seq limit :most)
    union all
    (select *, false from transfer
      where credit_key = :key and seq < :before and seq > :after order by seq limit :most)
) as side order by seq limit :most;

-- name: entries_of_payment
select * from transfer where payment = :payment order by seq;

-- name: trial_balance
-- trial_balance: what each kind of account holds, per unit
select unit, code, count(*) as accounts,
       sum(debits_posted)::numeric as debits, sum(credits_posted)::numeric as credits,
       sum(debits_pending)::numeric as debits_pending, sum(credits_pending)::numeric as credits_pending
  from account group by unit, code order by unit, code;

-- name: blocks_after
select number, first_seq, last_seq, booked_on, booked_at, sums, previous, hash
  from block where number > :number order by number limit :most;

-- name: transfers_between
select seq, id, debit_key, credit_key, amount, code, flags, pending_id, timeout, payment,
       value_on, booked_on, booked_at,
       debit_debits_pending, debit_debits_posted, debit_credits_pending, debit_credits_posted,
       credit_debits_pending, credit_debits_posted, credit_credits_pending, credit_credits_posted
  from transfer where seq between :first_seq and :last_seq order by seq;

-- name: all_accounts
select key, id, unit, scale, code, debits_bounded, credits_bounded, closed,
       debits_pending, debits_posted, credits_pending, credits_posted
  from account order by key;

-- name: all_holds
select id, debit_key, credit_key, amount, expires_at from hold order by id;

-- name: head_now^
select seq, block, hash, booked_at from ledger_head;

-- name: accounts_page
-- accounts_page: by key, which grows as accounts are opened
select id, key from ((select id, key from account
                       where key < :below and (:code::smallint is null or code = :code)
                         and (:unit::text is null or unit = :unit) order by key desc limit :down)
                     union all
                     (select id, key from account
                       where key > :above and (:code::smallint is null or code = :code)
                         and (:unit::text is null or unit = :unit) order by key limit :up)) as page
 order by key desc;

-- name: mixed_units
-- mixed_units: transfers between accounts of different units, or of accounts that are not there
select t.seq from transfer t
  left join account d on d.key = t.debit_key
  left join account c on c.key = t.credit_key
 where d.unit is distinct from c.unit or d.key is null
 order by t.seq limit :most;

-- name: payments_after
select id, kind, subject, state, currency, amount, held, captured, refunded, payer, reverses, capture, hold_until
  from payment where id > :id order by id limit :most;

-- name: legs_of
-- legs_of: with the ledger accounts of the wallets they move between
select l.payment, l.n, l.source, l.target, l.amount, l.why, l.taken, l.returned, l.hold,
       s.account_key as debit_key, t.account_key as credit_key
  from leg l
  left join wallet s on s.id = l.source
  left join wallet t on t.id = l.target
 where l.payment = any(:ids) order by l.payment, l.n;

-- name: steps_of
select payment, n, step, state, amount, at from payment_step where payment = any(:ids) order by payment, n;

-- name: moved_of
-- moved_of: what the ledger moved for a payment, by accounts and kind; holds, voids and expiries move nothing
select payment, debit_key, credit_key, code,
       coalesce(sum(amount) filter (where flags & 21 = 0), 0)::bigint as amount
  from transfer where payment = any(:ids) group by payment, debit_key, credit_key, code;

-- name: holds_of
-- holds_of: open ones, and those that time has ended
select t.payment, t.id, h.amount from transfer t join hold h on h.id = t.id where t.payment = any(:ids)
union all
select payment, pending_id, null from transfer where payment = any(:ids) and flags & 16 <> 0;

-- name: events_of
select subject, type, at from event where subject = any(:ids) order by seq;

-- name: refunds_of
select reverses, sum(captured)::bigint as amount from payment where reverses = any(:ids) group by reverses;

-- name: returned_of
-- returned_of: what refunds of a payment moved back, by the wallets of the leg that is turned round
select r.reverses, l.target, l.source, sum(l.taken)::bigint as amount
  from payment r join leg l on l.payment = r.id
 where r.reverses = any(:ids) group by r.reverses, l.target, l.source;

-- name: purchases_of
select id, state, currency, amount, payment from purchase where payment = any(:ids) or id = any(:subjects);

-- name: lost_transfers
-- lost_transfers: transfers for payments that are not there
select t.seq, t.payment from transfer t
 where t.payment is not null and not exists (select from payment p where p.id = t.payment)
 order by t.seq limit :most;

-- name: lost_steps
select distinct s.payment from payment_step s
 where not exists (select from payment p where p.id = s.payment) limit :most;

-- name: lost_purchases
-- lost_purchases: paid by a payment that is not there
select u.id from purchase u
 where u.payment is not null and not exists (select from payment p where p.id = u.payment) limit :most;

-- name: lost_events
-- lost_events: told of payments that are not there
select e.id from event e
 where (e.type like 'payment.%' or e.type like 'refund.%')
   and not exists (select from payment p where p.id = e.subject) limit :most;

-- name: answers_after
select principal, key, status, body from request
 where (principal, key) > (:principal, :key) order by principal, key limit :most;

-- name: named_payments
select p.id, p.state, p.amount, exists (select from transfer t where t.payment = p.id) as has_moved
  from payment p where p.id = any(:ids);

-- name: named_purchases
select id, payment from purchase where id = any(:ids);

-- name: wallets
-- wallets: what is in each, in minor units on the side where its balance stands
select w.id, w.owner, w.kind, a.debits_posted, a.credits_posted
  from wallet w join account a on a.key = w.account_key order by w.id;

-- name: by_subject
-- by_subject: living payments of these kinds and subjects; refused ones used nothing up
select p.id from payment p
  join unnest(:kinds::text[], :subjects::uuid[]) as n (kind, subject)
    on p.kind = n.kind and p.subject = n.subject
 where p.state <> 'refused';

-- name: by_id
select id, kind, subject, state, currency, amount, held, captured, refunded,
       payer, payer_owner, payee, payee_owner, reverses, capture, lapse, hold_until,
       counted, counted_on, fulfil, refusal, refs, fingerprint, business_on, created_at
  from payment where id = any(:ids);

-- name: legs_of
select payment, n, source, target, amount, why, taken, returned, hold, contract
  from leg where payment = any(:ids) order by payment, n;

-- name: steps_of
select payment, n, step, state, amount, detail, at from payment_step where payment = :payment order by n;

-- name: last_steps
select payment, max(n) as n from payment_step where payment = any(:ids) group by payment;

-- name: refunds_of
select id from payment where reverses = :payment and state <> 'refused' order by created_at, id;

-- name: add_payments!
insert into payment (id, kind, subject, state, currency, amount, held, captured, refunded,
                     payer, payer_owner, payee, payee_owner, reverses, capture, lapse, hold_until,
                     counted, counted_on, fulfil, refusal, refs, fingerprint, business_on, created_at)
select id, kind, subject, state, currency, amount, held, captured, refunded,
       payer, payer_owner, payee, payee_owner, reverses, capture, lapse, hold_until,
       counted, counted_on, fulfil, refusal::jsonb, refs::jsonb, fingerprint, business_on, created_at
  from unnest(:id::uuid[], :kind::text[], :subject::uuid[], :state::text[], :currency::text[],
              :amount::bigint[], :held::bigint[], :captured::bigint[], :refunded::bigint[],
              :payer::uuid[], :payer_owner::uuid[], :payee::uuid[], :payee_owner::uuid[],
              :reverses::uuid[], :capture::text[], :lapse::text[], :hold_until::timestamptz[],
              :counted::text[], :counted_on::date[], :fulfil::text[], :refusal::text[],
              :refs::text[], :fingerprint::bytea[], :business_on::date[], :created_at::timestamptz[])
       as n (id, kind, subject, state, currency, amount, held, captured, refunded,
             payer, payer_owner, payee, payee_owner, reverses, capture, lapse, hold_until,
             counted, counted_on, fulfil, refusal, refs, fingerprint, business_on, created_at);

-- name: change_payments!
update payment p
   set state = n.state, held = n.held, captured = n.captured, refunded = n.refunded
  from unnest(:ids::uuid[], :states::text[], :held::bigint[], :captured::bigint[], :refunded::bigint[])
       as n (id, state, held, captured, refunded)
 where p.id = n.id;

-- name: add_legs!
insert into leg (payment, n, source, target, amount, why, taken, returned, hold, contract)
select * from unnest(:payments::uuid[], :ns::smallint[], :sources::uuid[], :targets::uuid[],
                     :amounts::bigint[], :whys::text[], :taken::bigint[], :returned::bigint[],
                     :holds::uuid[], :contracts::uuid[]);

-- name: change_legs!
update leg l
   set taken = n.taken, returned = n.returned, hold = n.hold
  from unnest(:payments::uuid[], :ns::smallint[], :taken::bigint[], :returned::bigint[], :holds::uuid[])
       as n (payment, n, taken, returned, hold)
 where l.payment = n.payment and l.n = n.n;

-- name: add_steps!
insert into payment_step (payment, n, step, state, amount, detail, at)
select payment, n, step, state, amount, detail::jsonb, at
  from unnest(:payments::uuid[], :ns::smallint[], :steps::text[], :states::text[], :amounts::bigint[],
              :details::text[], :at::timestamptz[])
       as n (payment, n, step, state, amount, detail, at);

-- name: overdue
-- overdue: payments whose hold is up, whatever became of their timer
select id from payment where state = 'authorised' and hold_until <= :at order by hold_until limit :most;

-- name: page_before
-- page_before: newest first, refunds left out
select id from payment
 where reverses is null and (:before::uuid is null or id < :before)
 order by id desc limit :most;

-- name: page_after
select id from payment where reverses is null and id > :after order by id limit :most;

-- name: owners_page_before
-- owners_page_before: those an owner gave and those it took, each side by its own index
select id from (
    (select id from payment where payer_owner = :owner and reverses is null
        and (:before::uuid is null or id < :before) order by id desc limit :most)
    union
    (select id from payment where payee_owner = :owner and reverses is null
        and (:before::uuid is null or id < :before) order by id desc limit :most)
) as side order by id desc limit :most;

-- name: owners_page_after
select id from (
    (select id from payment where payer_owner = :owner and reverses is null and id > :after
      order by id limit :most)
    union
    (select id from payment where payee_owner = :owner and reverses is null and id > :after
      order by id limit :most)
) as side order by id limit :most;

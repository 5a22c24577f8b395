-- name: shops
-- shops: stores with their merchant and the wallets it is paid into
select s.id as store, s.name, s.city, s.state, m.id as merchant, m.name as merchant_name, m.mcc, m.country,
       m.state as merchant_state, w.id as wallet, w.currency
  from store s
  join merchant m on m.id = s.merchant
  left join wallet w on w.owner = m.id and w.kind = 'merchant_payable'
 where s.id = any(:stores);

-- name: tills
-- tills: which terminals and cashiers are active, and where
select id, store from terminal where id = any(:ids) and state = 'active'
union all
select id, store from cashier where id = any(:ids) and state = 'active';

-- name: by_order_no
-- by_order_no: as all below; a purchase whose payment was voided is closed
select id, merchant, store, terminal, cashier, merchant_order_no, description, currency, amount, capture,
       hold_seconds,
       case when (select p.state from payment p where p.id = purchase.payment) = 'voided' then 'closed' else state end as state, code, expires_at, payment, static_code, metadata, created_at
  from purchase
 where (merchant, merchant_order_no) in
       (select * from unnest(:merchants::uuid[], :order_nos::text[]));

-- name: by_token
select id, merchant, store, terminal, cashier, merchant_order_no, description, currency, amount, capture,
       hold_seconds,
       case when (select p.state from payment p where p.id = purchase.payment) = 'voided' then 'closed' else state end as state, code, expires_at, payment, static_code, metadata, created_at
  from purchase where code = any(:tokens);

-- name: by_id
select id, merchant, store, terminal, cashier, merchant_order_no, description, currency, amount, capture,
       hold_seconds,
       case when (select p.state from payment p where p.id = purchase.payment) = 'voided' then 'closed' else state end as state, code, expires_at, payment, static_code, metadata, created_at
  from purchase where id = any(:ids);

-- name: page_before
-- page_before: everybody's purchases, newest first
select id from purchase
 where (:before::uuid is null or id < :before)
   and (:order_no::text is null or merchant_order_no = :order_no)
 order by id desc limit :most;

-- name: page_after
select id from purchase
 where id > :after and (:order_no::text is null or merchant_order_no = :order_no)
 order by id limit :most;

-- name: merchants_page_before
-- merchants_page_before: one merchant's
select id from purchase
 where merchant = :merchant and (:before::uuid is null or id < :before)
   and (:order_no::text is null or merchant_order_no = :order_no)
 order by id desc limit :most;

-- name: merchants_page_after
select id from purchase
 where merchant = :merchant and id > :after
   and (:order_no::text is null or merchant_order_no = :order_no)
 order by id limit :most;

-- name: add_purchases!
insert into purchase (id, merchant, store, terminal, cashier, merchant_order_no, description, currency, amount,
                      capture, hold_seconds, state, code, expires_at, payment, static_code, metadata, created_at)
select id, merchant, store, terminal, cashier, merchant_order_no, description, currency, amount,
       capture, hold_seconds, state, code, expires_at, payment, static_code, metadata::jsonb, created_at
  from unnest(:id::uuid[], :merchant::uuid[], :store::uuid[], :terminal::uuid[], :cashier::uuid[],
              :merchant_order_no::text[], :description::text[], :currency::text[], :amount::bigint[],
              :capture::text[], :hold_seconds::int[], :state::text[], :code::text[],
              :expires_at::timestamptz[], :payment::uuid[], :static_code::uuid[], :metadata::text[],
              :created_at::timestamptz[])
       as n (id, merchant, store, terminal, cashier, merchant_order_no, description, currency, amount,
             capture, hold_seconds, state, code, expires_at, payment, static_code, metadata, created_at);

-- name: change_purchases!
update purchase p set state = n.state, payment = n.payment, code = n.code, expires_at = n.expires_at
  from unnest(:ids::uuid[], :states::text[], :payments::uuid[], :codes::text[], :expires_at::timestamptz[])
       as n (id, state, payment, code, expires_at)
 where p.id = n.id;

-- name: scans
select purchase, device, step, counter, refusal from refused_scan where purchase = any(:purchases);

-- name: add_scans!
insert into refused_scan (purchase, device, step, counter, refusal, at)
select purchase, device, step, counter, refusal::jsonb, :at
  from unnest(:purchases::uuid[], :devices::uuid[], :steps::bigint[], :counters::smallint[], :refusals::text[])
       as n (purchase, device, step, counter, refusal);

-- name: stands
-- stands: static codes by token
select id, token, merchant, store, currency, amount, state, created_at from static_code where token = any(:tokens);

-- name: stand^
select id, token, merchant, store, currency, amount, state, created_at from static_code where id = :id;

-- name: stands_of_store
select id, token, merchant, store, currency, amount, state, created_at
  from static_code where store = :store order by id;

-- name: add_stand!
insert into static_code (id, token, merchant, store, currency, amount, created_at)
values (:id, :token, :merchant, :store, :currency, :amount, :at);

-- name: cancel_stand$
update static_code set state = 'cancelled' where id = :id returning id;

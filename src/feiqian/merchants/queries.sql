-- name: contracts
-- contracts: those in force per merchant and currency, the latest begun and agreed winning, and those
-- asked for by id
select id, merchant, currency, begins_on, terms, false as in_force from contract where id = any(:ids)
union all
(select distinct on (merchant, currency)
        id, merchant, currency, begins_on, terms, true
   from contract
  where merchant = any(:merchants) and begins_on <= :day and (ends_on is null or ends_on > :day)
  order by merchant, currency, begins_on desc, created_at desc, id desc);

-- name: add_contract!
insert into contract (id, merchant, currency, begins_on, ends_on, terms, created_at)
values (:id, :merchant, :currency, :begins_on, :ends_on, :terms, :at)
    on conflict (id) do nothing;

-- name: merchants_by_id
select id, name, mcc, city, country, reference, state, metadata, created_at
  from merchant where id = any(:ids);

-- name: merchants_page
select id, name, mcc, city, country, reference, state, metadata, created_at
  from ((select id from merchant where id < :below order by id desc limit :down)
        union all
        (select id from merchant where id > :above order by id limit :up)) as page
  join merchant using (id) order by id desc;

-- name: references_taken
select reference from merchant where reference = any(:references::text[]);

-- name: add_merchants!
insert into merchant (id, name, mcc, city, country, reference, metadata, created_at)
select id, name, mcc, city, country, reference, metadata::jsonb, :at
  from unnest(:ids::uuid[], :names::text[], :mccs::text[], :cities::text[], :countries::text[],
              :references::text[], :metadata::text[])
       as n (id, name, mcc, city, country, reference, metadata);

-- name: add_contracts!
-- add_contracts: the first ones of new merchants
insert into contract (id, merchant, currency, begins_on, terms, created_at)
select id, merchant, currency, :begins_on, terms::jsonb, :at
  from unnest(:ids::uuid[], :merchants::uuid[], :currencies::text[], :terms::text[])
       as n (id, merchant, currency, terms);

-- name: set_merchant_state!
update merchant set state = :state where id = :id;

-- name: contracts_page
select id, c.merchant, currency, begins_on, ends_on, terms, created_at
  from ((select id from contract where merchant = :merchant and id < :below order by id desc limit :down)
        union all
        (select id from contract where merchant = :merchant and id > :above order by id limit :up)) as page
  join contract c using (id) order by id desc;

-- name: stores_by_id
select id, merchant, name, city, state, created_at from store where id = any(:ids);

-- name: stores_page
select id, merchant, name, city, state, created_at
  from ((select id from store where merchant = :merchant and id < :below order by id desc limit :down)
        union all
        (select id from store where merchant = :merchant and id > :above order by id limit :up)) as page
  join store using (id) order by id desc;

-- name: add_stores!
insert into store (id, merchant, name, city, created_at)
select id, merchant, name, city, :at
  from unnest(:ids::uuid[], :merchants::uuid[], :names::text[], :cities::text[])
       as n (id, merchant, name, city);

-- name: close_store!
-- close_store: the store and whoever works there
with cashiers as (update cashier set state = 'closed' where store = :id),
     terminals as (update terminal set state = 'closed' where store = :id)
update store set state = 'closed' where id = :id;

-- name: cashiers_by_id
select c.id, s.merchant, c.store, c.name, c.state, c.created_at
  from cashier c join store s on s.id = c.store where c.id = any(:ids);

-- name: cashiers_page
select c.id, s.merchant, c.store, c.name, c.state, c.created_at
  from ((select id from cashier where store = :store and id < :below order by id desc limit :down)
        union all
        (select id from cashier where store = :store and id > :above order by id limit :up)) as page
  join cashier c using (id) join store s on s.id = c.store order by c.id desc;

-- name: add_cashiers!
insert into cashier (id, store, name, created_at)
select id, store, name, :at from unnest(:ids::uuid[], :stores::uuid[], :names::text[]) as n (id, store, name);

-- name: close_cashier!
update cashier set state = 'closed' where id = :id;

-- name: terminals_by_id
select t.id, s.merchant, t.store, t.label, t.state, t.created_at
  from terminal t join store s on s.id = t.store where t.id = any(:ids);

-- name: terminals_page
select t.id, s.merchant, t.store, t.label, t.state, t.created_at
  from ((select id from terminal where store = :store and id < :below order by id desc limit :down)
        union all
        (select id from terminal where store = :store and id > :above order by id limit :up)) as page
  join terminal t using (id) join store s on s.id = t.store order by t.id desc;

-- name: add_terminals!
insert into terminal (id, store, label, created_at)
select id, store, label, :at
  from unnest(:ids::uuid[], :stores::uuid[], :labels::text[]) as n (id, store, label);

-- name: close_terminal!
update terminal set state = 'closed' where id = :id;

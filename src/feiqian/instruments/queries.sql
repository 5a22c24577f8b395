-- name: resolve_wallets
-- resolve_wallets: all a payment must know about what it takes from and gives to
select w.id, w.account_key, w.owner, w.kind, w.currency, w.state, w.limits,
       coalesce(p.state, 'active') as owner_state, p.account_class
  from wallet w left join party p on p.id = w.owner
 where w.id = any(:ids);

-- name: add_wallets!
insert into wallet (id, account_key, owner, kind, currency, created_at)
select *, :at from unnest(:ids::uuid[], :keys::int[], :owners::uuid[], :kinds::text[], :currencies::text[])
    on conflict (owner, kind, currency) where state <> 'closed' do nothing;

-- name: wallets_of_owner
select w.id, w.account_key, w.owner, w.kind, w.currency, w.state, w.limits,
       coalesce(p.state, 'active') as owner_state, p.account_class
  from wallet w left join party p on p.id = w.owner
 where w.owner = :owner order by w.created_at, w.id;

-- name: wallets_of_owners
select w.id, w.account_key, w.owner, w.kind, w.currency, w.state, w.limits,
       coalesce(p.state, 'active') as owner_state, p.account_class
  from wallet w left join party p on p.id = w.owner
 where w.owner = any(:owners) order by w.created_at, w.id;

-- name: find_wallets
select id, owner, kind, currency from wallet where owner = any(:owners) and state <> 'closed';

-- name: set_wallet_state!
update wallet set state = :state, suspended_from = null where id = :id;

-- name: suspend_wallets!
-- suspend_wallets: remembering the state, so that resuming releases nothing that was frozen
update wallet set suspended_from = state, state = 'suspended'
 where owner = :owner and kind = 'merchant_payable' and state in ('active', 'frozen');

-- name: resume_wallets!
update wallet set state = coalesce(suspended_from, 'active'), suspended_from = null
 where owner = :owner and kind = 'merchant_payable' and state = 'suspended';

-- name: set_wallet_limits!
update wallet set limits = :limits where id = :id;

-- name: usage_of
select owner, scope, currency, day, day_amount, day_count, year_amount, year_count, life_amount, life_count
  from usage where owner = any(:owners);

-- name: write_usage!
-- write_usage: overwrite with what the turn's holder counted
insert into usage (owner, scope, currency, day, day_amount, day_count, year_amount, year_count,
                   life_amount, life_count)
select * from unnest(:owners::uuid[], :scopes::text[], :currencies::text[], :days::date[],
                     :day_amounts::bigint[], :day_counts::int[], :year_amounts::bigint[], :year_counts::int[],
                     :life_amounts::bigint[], :life_counts::int[])
    on conflict (owner, scope, currency) do update
   set day = excluded.day, day_amount = excluded.day_amount, day_count = excluded.day_count,
       year_amount = excluded.year_amount, year_count = excluded.year_count,
       life_amount = excluded.life_amount, life_count = excluded.life_count;

-- name: aliases_taken
select alias from device where alias = any(:aliases::text[]);

-- name: add_devices!
insert into device (id, party, wallet, alias, secret, code_class, created_at)
select id, party, wallet, alias, secret, code_class, :at
  from unnest(:ids::uuid[], :parties::uuid[], :wallets::uuid[], :aliases::text[], :secrets::bytea[],
              :classes::text[])
       as n (id, party, wallet, alias, secret, code_class);

-- name: devices_by_id
select id, party, wallet, alias, code_class, state, wrong_codes, locked_until, created_at, secret
  from device where id = any(:ids);

-- name: devices_by_alias
select id, party, wallet, alias, code_class, state, wrong_codes, locked_until, created_at, secret
  from device where alias = any(:aliases::text[]) and state = 'active';

-- name: devices_of_party
select id, party, wallet, alias, code_class, state, wrong_codes, locked_until, created_at, secret
  from device where party = :party order by created_at, id;

-- name: set_device_state!
update device set state = :state where id = :id;

-- name: remove_device!
-- remove_device: its alias is never given out again, its secret is needed no more
update device set state = 'removed', secret = '' where id = :id;

-- name: count_wrong
-- count_wrong: lock at the fifth in a row, and count anew after that; a locked device counts nothing
with wrong as (
    select id, count(*)::int as times from unnest(:ids::uuid[]) as u (id) group by id
)
update device d
   set wrong_codes = case when d.wrong_codes + wrong.times >= :most then 0
                          else d.wrong_codes + wrong.times end,
       locked_until = case when d.wrong_codes + wrong.times >= :most then :until::timestamptz
                           else d.locked_until end
  from wrong
 where d.id = wrong.id and (d.locked_until is null or d.locked_until <= :at)
returning d.id, d.party, d.locked_until is not null and d.locked_until > :at as is_locked;

-- name: use_codes
-- use_codes: spend them; a device whose code was good has its wrong ones forgiven
with spent as (
    insert into used_code (device, step, counter, used_at)
    select device, step, counter, :at
      from unnest(:devices::uuid[], :steps::bigint[], :counters::smallint[]) as n (device, step, counter)
        on conflict do nothing
    returning device, step, counter
), forgiven as (
    update device set wrong_codes = 0 where id in (select device from spent) and wrong_codes > 0
)
select device, step, counter from spent;

-- name: forget_old_codes!
delete from used_code where used_at < :before;

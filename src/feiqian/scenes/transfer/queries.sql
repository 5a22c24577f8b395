-- name: receivers
-- receivers: the wallets in a currency behind phone numbers
select p.phone, p.name, w.id as wallet, w.currency
  from party p join wallet w on w.owner = p.id and w.kind = 'customer_wallet'
 where p.phone = any(:phones) and p.state <> 'closed' and w.state <> 'closed';

-- name: add_payees!
insert into payee (id, payer, wallet, name_shown, created_at, expires_at)
select id, payer, wallet, name_shown, :at, :expires_at
  from unnest(:ids::uuid[], :payers::uuid[], :wallets::uuid[], :names::text[]) as n (id, payer, wallet, name_shown);

-- name: payees
select id, payer, wallet, name_shown, expires_at from payee where id = any(:ids);

-- name: forget_payees!
delete from payee where expires_at < :before;

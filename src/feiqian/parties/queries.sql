-- name: parties_by_id
select id, kind, name, phone, reference, account_class, state, metadata, created_at
  from party where id = any(:ids);

-- name: party_by_phone^
select id, kind, name, phone, reference, account_class, state, metadata, created_at
  from party where phone = :phone and state <> 'closed';

-- name: party_by_reference^
select id, kind, name, phone, reference, account_class, state, metadata, created_at
  from party where reference = :reference;

-- name: parties_page
select id, kind, name, phone, reference, account_class, state, metadata, created_at
  from ((select id from party where id < :below and (:kind::text is null or kind = :kind)
          order by id desc limit :down)
        union all
        (select id from party where id > :above and (:kind::text is null or kind = :kind)
          order by id limit :up)) as page
  join party using (id) order by id desc;

-- name: taken
-- taken: which of these numbers and references somebody has; a closed party's number is free again
select phone, null as reference from party where phone = any(:phones::text[]) and state <> 'closed'
 union all
select null, reference from party where reference = any(:references::text[]);

-- name: add_parties!
insert into party (id, kind, name, phone, reference, account_class, metadata, created_at)
select id, kind, name, phone, reference, account_class, metadata::jsonb, :at
  from unnest(:ids::uuid[], :kinds::text[], :names::text[], :phones::text[], :references::text[],
              :classes::smallint[], :metadata::text[])
       as n (id, kind, name, phone, reference, account_class, metadata);

-- name: set_party_state!
update party set state = :state where id = :id;

-- name: set_party_class!
update party set account_class = :account_class where id = :id;

-- name: has_money$
-- has_money: reads two other floors' tables, since a party must not close over money it still has
select exists (select from wallet w join account a on a.key = w.account_key
                where w.owner = :owner
                  and (a.debits_posted <> a.credits_posted or a.debits_pending > 0 or a.credits_pending > 0));

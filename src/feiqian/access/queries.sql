-- name: living_key^
-- living_key: whose secret has this digest; whether its time is over is for the book's clock to say
select id, principal, merchant, name, scopes, tail, version, created_at, ends_at
  from api_key where secret_hash = :secret_hash and revoked_at is null;

-- name: key^
select id, principal, merchant, name, scopes, tail, version, created_at, ends_at, revoked_at, replaced_by
  from api_key where id = :id;

-- name: keys_page
select id, principal, merchant, name, scopes, tail, version, created_at, ends_at
  from ((select id from api_key where id < :below order by id desc limit :down)
        union all
        (select id from api_key where id > :above order by id limit :up)) as page
  join api_key using (id) order by id desc;

-- name: keys_page_of
select id, principal, merchant, name, scopes, tail, version, created_at, ends_at
  from ((select id from api_key where merchant = :merchant and id < :below order by id desc limit :down)
        union all
        (select id from api_key where merchant = :merchant and id > :above order by id limit :up)) as page
  join api_key using (id) order by id desc;

-- name: add_key!
insert into api_key (id, principal, merchant, name, scopes, secret_hash, tail, version, created_at)
values (:id, :principal, :merchant, :name, :scopes, :secret_hash, :tail, :version, :at);

-- name: replace_key!
update api_key set replaced_by = :by, ends_at = least(ends_at, :ends_at) where id = :id;

-- name: revoke_key^
update api_key set revoked_at = :at, ends_at = least(ends_at, :at) where id = :id
returning id, principal, merchant, name, scopes, tail, version, created_at, ends_at;

-- name: notify!
select pg_notify(:channel, :payload);

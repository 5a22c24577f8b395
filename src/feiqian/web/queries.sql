-- name: answers
-- answers: requests that were answered before
select r.principal, r.key, r.fingerprint, r.status, r.body
  from request r
  join unnest(:principals::uuid[], :keys::text[]) as n (principal, key)
    on r.principal = n.principal and r.key = n.key;

-- name: keep_answers!
insert into request (principal, key, fingerprint, status, body, at)
select principal, key, fingerprint, status, body, :at
  from unnest(:principals::uuid[], :keys::text[], :fingerprints::bytea[], :statuses::smallint[],
              :bodies::bytea[])
       as n (principal, key, fingerprint, status, body);

-- name: forget_answers!
delete from request where at < :before;

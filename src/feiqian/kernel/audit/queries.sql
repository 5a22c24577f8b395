-- name: lock_head^
-- lock_head: the last entry, until the commit nobody else's to move; and which of these are written already
select seq, hash, array(select id from audit_entry where id = any(:ids)) as known
  from audit_head for update;

-- name: append!
with moved as (
    update audit_head
       set seq = :seq, hash = :hash, act = case when :is_act::boolean then pg_current_xact_id() else act end)
insert into audit_entry (seq, id, at, machine_at, actor, principal, peer, request, verb, objects, result,
                         facts, hash)
select seq, id, at, machine_at, actor, principal, peer, request, verb,
       array(select jsonb_array_elements_text(objects::jsonb)), result, facts::jsonb, hash
  from unnest(:seqs::bigint[], :ids::uuid[], :ats::timestamptz[], :machine_ats::timestamptz[],
              :actors::text[], :principals::uuid[], :peers::text[], :requests::text[], :verbs::text[],
              :objects::text[], :results::text[], :facts::text[], :hashes::bytea[])
       as n (seq, id, at, machine_at, actor, principal, peer, request, verb, objects, result, facts, hash);

-- name: head^
select seq, hash from audit_head;

-- name: after
-- after: in order, for who recomputes the chain
select seq, id, at, machine_at, actor, principal, peer, request, verb, objects, result, facts, hash
  from audit_entry where seq > :seq order by seq limit :most;

-- name: entry^
select seq, id, at, machine_at, actor, principal, peer, request, verb, objects, result, facts, hash
  from audit_entry where id = :id;

-- name: page_down
select seq, id, at, machine_at, actor, principal, peer, request, verb, objects, result, facts, hash
  from audit_entry
 where (:below::bigint is null or seq < :below)
   and (:object::text is null or objects @> array[:object]) and (:verb::text is null or verb = :verb)
   and (:actor::text is null or actor = :actor) and (:principal::uuid is null or principal = :principal)
   and (:since::timestamptz is null or at >= :since) and (:until::timestamptz is null or at < :until)
 order by seq desc limit :most;

-- name: page_up
select seq, id, at, machine_at, actor, principal, peer, request, verb, objects, result, facts, hash
  from audit_entry
 where seq > :above
   and (:object::text is null or objects @> array[:object]) and (:verb::text is null or verb = :verb)
   and (:actor::text is null or actor = :actor) and (:principal::uuid is null or principal = :principal)
   and (:since::timestamptz is null or at >= :since) and (:until::timestamptz is null or at < :until)
 order by seq limit :most;

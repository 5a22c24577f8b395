-- name: add_events!
insert into event (id, type, subject, owner, data, at)
select id, type, subject, owner, data::jsonb, :at
  from unnest(:ids::uuid[], :types::text[], :subjects::uuid[], :owners::uuid[], :data::text[])
       as n (id, type, subject, owner, data);

-- name: add_jobs!
insert into job (kind, subject, payload, due_at)
select kind, subject, payload::jsonb, due_at
  from unnest(:kinds::text[], :subjects::uuid[], :payloads::text[], :due_at::timestamptz[])
       as n (kind, subject, payload, due_at);

-- name: due_jobs
-- due_jobs: what is due, oldest first
select id, kind, subject, payload, attempts from job
 where due_at <= :at and failed_at is null
 order by due_at, id limit :most;

-- name: claim_jobs
-- claim_jobs: those nobody has done, put off or is doing
select id, kind, subject, payload, attempts from job
 where id = any(:ids) and due_at <= :at and failed_at is null
 order by due_at, id
   for update skip locked;

-- name: finish_jobs!
delete from job where id = any(:ids);

-- name: put_off_job!
-- put_off_job: attempts is the new count, so that noting one failure twice counts it once
update job set attempts = :attempts, due_at = :due_at, error = :error
 where id = :id and attempts < :attempts;

-- name: give_up_job!
update job set attempts = :attempts, failed_at = :at, error = :error where id = :id and attempts < :attempts;

-- name: event^
select seq, id, type, subject, owner, data, at from event where id = :id;

-- name: events_down
select seq, id, type, subject, owner, data, at from event
 where seq > :above and (:below::bigint is null or seq < :below)
   and (:type::text is null or type = :type) and (:subject::uuid is null or subject = :subject)
   and (:owner::uuid is null or owner = :owner)
 order by seq desc limit :most;

-- name: events_up
select seq, id, type, subject, owner, data, at from event
 where seq > :above and (:below::bigint is null or seq < :below)
   and (:type::text is null or type = :type) and (:subject::uuid is null or subject = :subject)
   and (:owner::uuid is null or owner = :owner)
 order by seq limit :most;

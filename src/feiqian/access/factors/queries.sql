-- name: tries^
select wrong, locks, locked_until from factor_tries where factor = :factor and subject = :subject;

-- name: set_tries!
insert into factor_tries (factor, subject, wrong, locks, locked_until, touched_at)
values (:factor, :subject, :wrong, :locks, :locked_until, :at)
on conflict (factor, subject) do update
   set wrong = excluded.wrong, locks = excluded.locks,
       locked_until = excluded.locked_until, touched_at = excluded.touched_at;

-- name: forgive_tries!
delete from factor_tries where factor = :factor and subject = :subject;

-- name: forget_old_tries!
delete from factor_tries where touched_at < :before and (locked_until is null or locked_until < :before);

-- name: memorised^
select owner, sealed, set_at from memorised where kind = :kind and owner = :owner;

-- name: password_by_phone^
-- password_by_phone: by the number's owner of today; a closed party's number may be somebody else's now
select m.owner, m.sealed, m.set_at
  from party p join memorised m on m.kind = 'password' and m.owner = p.id
 where p.phone = :phone and p.state <> 'closed';

-- name: memorised_lately
-- memorised_lately: today's first, then the ones before
select sealed from ((select sealed, 0 as age from memorised where kind = :kind and owner = :owner)
                    union all
                    (select sealed, row_number() over (order by id desc) as age
                       from memorised_before where kind = :kind and owner = :owner)) as all_of_them
 order by age limit :most;

-- name: keep_memorised_before!
insert into memorised_before (id, kind, owner, sealed)
select :id, kind, owner, sealed from memorised where kind = :kind and owner = :owner;

-- name: forget_memorised_before!
delete from memorised_before where id in
       (select id from memorised_before where kind = :kind and owner = :owner order by id desc offset :most);

-- name: set_memorised!
insert into memorised (kind, owner, sealed, set_at) values (:kind, :owner, :sealed, :at)
on conflict (kind, owner) do update set sealed = excluded.sealed, set_at = excluded.set_at;

-- name: rehash_memorised!
-- rehash_memorised: the same secret at today's costs; its age stays
update memorised set sealed = :sealed where kind = :kind and owner = :owner;

-- name: seed^
select id, party, kind, suite, sealed, state, last_step from seed where id = :id;

-- name: active_seed^
select id, suite, sealed, last_step from seed where party = :party and kind = :kind and state = 'active';

-- name: add_seed!
insert into seed (id, party, kind, suite, sealed, created_at)
values (:id, :party, :kind, :suite, :sealed, :at);

-- name: drop_pending_seeds!
delete from seed where party = :party and kind = :kind and state = 'pending';

-- name: use_seed!
update seed set state = 'active', last_step = :last_step where id = :id;

-- name: remove_seed!
update seed set state = 'removed', sealed = '' where id = :id;

-- name: add_question!
insert into seed_question (id, seed, about, question, expires_at)
values (:id, :seed, :about, :question, :expires_at);

-- name: question^
select q.seed, q.about, q.question, q.expires_at, q.ended_at, t.party, t.suite, t.sealed, t.state
  from seed_question q join seed t on t.id = q.seed where q.id = :id;

-- name: end_questions!
update seed_question set ended_at = :at where seed = :seed and ended_at is null;

-- name: forget_old_questions!
delete from seed_question where expires_at < :before;

-- name: sms_lately
-- sms_lately: the newest first, whoever asked for them
select made_at from sms_code where phone = :phone and made_at > :since order by made_at desc;

-- name: add_sms!
insert into sms_code (id, party, phone, about, sealed, made_at, expires_at, due_at)
values (:id, :party, :phone, :about, :sealed, :at, :expires_at, :at);

-- name: sms^
select s.party, s.phone, p.phone as phone_now, s.about, s.sealed, s.expires_at, s.ended_at
  from sms_code s join party p on p.id = s.party where s.id = :id;

-- name: end_sms!
update sms_code set ended_at = :at, sealed = '' where id = :id;

-- name: end_sms_about!
update sms_code set ended_at = :at, sealed = '' where party = :party and about = :about and ended_at is null;

-- name: count_wrong_sms!
update sms_code set wrong = wrong + 1,
       ended_at = case when wrong + 1 >= :most then :at::timestamptz end,
       sealed = case when wrong + 1 >= :most then ''::bytea else sealed end
 where id = :id;

-- name: claim_sms
-- claim_sms: what was claimed before and stayed silent comes again, until it has been tried often enough
update sms_code set delivery = 'sending', sends = sends + 1, due_at = :again_at
 where id in (select id from sms_code
               where delivery in ('waiting', 'sending') and due_at <= :at and sends < :sends_max
                 and ended_at is null and expires_at > :at
               order by due_at, id limit :most)
returning id, phone, sealed, sends;

-- name: set_sms_delivery!
update sms_code set delivery = :delivery where id = :id;

-- name: forget_old_sms!
delete from sms_code where expires_at < :before;

-- name: forget_old_challenges!
delete from passkey_challenge where expires_at < :before;

-- name: passkeys_of
select id, party, credential_id, public_key, sign_count, aaguid, backup_eligible, backed_up, state, created_at,
       used_at
  from passkey where party = :party order by id;

-- name: passkey_by_credential^
select id, party, credential_id, public_key, sign_count, aaguid, backup_eligible, backed_up, state, created_at,
       used_at
  from passkey where credential_id = :credential_id;

-- name: add_passkey!
insert into passkey (id, party, credential_id, public_key, sign_count, aaguid, backup_eligible, backed_up,
                     created_at)
values (:id, :party, :credential_id, :public_key, :sign_count, :aaguid, :backup_eligible, :backed_up, :at);

-- name: use_passkey!
update passkey set sign_count = :sign_count, backed_up = :backed_up, used_at = :at where id = :id;

-- name: set_passkey_state!
update passkey set state = :state where id = :id;

-- name: add_challenge!
insert into passkey_challenge (id, party, purpose, about, challenge, expires_at)
values (:id, :party, :purpose, :about, :challenge, :expires_at);

-- name: use_challenge^
update passkey_challenge set ended_at = :at
 where id = :id and party = :party and purpose = :purpose and ended_at is null
returning about, challenge, expires_at;

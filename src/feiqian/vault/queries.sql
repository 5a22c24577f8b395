-- name: turn$
-- turn: one writer at a time, so that counted uses cannot pass together
select one from vault_turn for update;

-- name: open_group^
-- open_group: the data key that new cards are encrypted with, if there is one
select id, kek, wrapped, cards from data_key where not closed;

-- name: close_groups!
-- close_groups: new cards get a new data key
update data_key set closed = true where not closed;

-- name: add_group!
insert into data_key (id, kek, wrapped, made_at) values (:id, :kek, :wrapped, :at);

-- name: count_card!
update data_key set cards = cards + 1 where id = :id;

-- name: groups
select id, kek, wrapped, cards, closed, made_at, destroyed_at from data_key order by id;

-- name: groups_under_others
-- groups_under_others: what rotation has still to wrap anew
select id, kek, wrapped from data_key where wrapped is not null and kek <> :kek order by id limit 100;

-- name: keks
-- keks: key-encrypting keys that data keys still need
select distinct kek from data_key where wrapped is not null;

-- name: rewrap!
update data_key set kek = :kek, wrapped = :wrapped where id = :id and wrapped is not null;

-- name: destroy_group$
update data_key set wrapped = null, kek = null, closed = true, destroyed_at = :at
 where id = :id and wrapped is not null returning id;

-- name: forget_group
-- forget_group: cards whose key is gone; no look-up finds them any more
update card set state = 'unreadable', hash = null where data_key = :data_key and state = 'active' returning id;

-- name: card_by_hash^
select id, owner, bin, last_four, issuer, kind, expires, state, place, created_at
  from card where owner = :owner and hash = :hash;

-- name: card^
select id, owner, bin, last_four, issuer, kind, expires, state, place, created_at
  from card where id = :id;

-- name: cards_of
-- cards_of: in the order they are asked to pay
select id, owner, bin, last_four, issuer, kind, expires, state, place, created_at
  from card where owner = :owner and state = 'active' order by place, id;

-- name: add_card!
insert into card (id, owner, bin, last_four, issuer, kind, expires, state, place, hash, data_key, sealed,
                  created_at)
values (:id, :owner, :bin, :last_four, :issuer, :kind, :expires, 'active', :place, :hash, :data_key, :sealed,
        :at);

-- name: renew_card!
update card set expires = :expires where id = :id;

-- name: unbind_card!
-- unbind_card: nothing is left of the number but what may be shown
update card set state = 'unbound', hash = null, sealed = null where id = :id;

-- name: place_cards!
update card set place = new.place
  from (select unnest(:ids::uuid[]) as id, unnest(:places::integer[]) as place) as new
 where card.id = new.id;

-- name: sealed_card^
select c.id, c.owner, c.bin, c.last_four, c.issuer, c.kind, c.expires, c.state, c.place, c.created_at,
       c.sealed, c.hash, c.data_key, k.kek, k.wrapped
  from card c join data_key k on k.id = c.data_key where c.id = :id;

-- name: sealed_cards
-- sealed_cards: all that has a ciphertext, in pieces, for the proof that it opens
select c.id, c.owner, c.bin, c.last_four, c.issuer, c.kind, c.expires, c.state, c.place, c.created_at,
       c.sealed, c.hash, c.data_key, k.kek, k.wrapped
  from card c join data_key k on k.id = c.data_key
 where c.id > :after and c.sealed is not null order by c.id limit :most;

-- name: note!
insert into access_log (at, who, act, why, card, result) values (:at, :who, :act, :why, :card, :result);

-- name: add_token!
insert into card_token (id, card, state, currency, count_max, each_minor, total_minor, expires_at, channels,
                        payee_kinds, created_at)
values (:id, :card, 'active', :currency, :count_max, :each_minor, :total_minor, :expires_at, :channels,
        :payee_kinds, :at);

-- name: token^
select id, card, state, currency, count_max, each_minor, total_minor, expires_at, channels, payee_kinds,
       used_count, used_minor, created_at
  from card_token where id = :id;

-- name: tokens_of
select id, card, state, currency, count_max, each_minor, total_minor, expires_at, channels, payee_kinds,
       used_count, used_minor, created_at
  from card_token where card = :card order by id desc;

-- name: set_token_state!
update card_token set state = :state where id = :id;

-- name: delete_tokens!
-- delete_tokens: with their card gone they stand for nothing
update card_token set state = 'deleted' where card = any(:cards::uuid[]) and state <> 'deleted';

-- name: token_use^
select id, token, amount_minor from token_use where id = :id;

-- name: use_token!
update card_token set used_count = used_count + 1, used_minor = used_minor + :amount where id = :token;

-- name: add_use!
insert into token_use (id, token, amount_minor, at) values (:id, :token, :amount, :at);

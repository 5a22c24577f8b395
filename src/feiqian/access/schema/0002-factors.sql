-- Factors: what somebody knows or holds and shows to prove who they are.

-- Tries are counted before they are judged, so that a hundred sessions have no more of them than one.
create table factor_tries (
    factor       text not null,             -- password, pin, totp, ocra, sms, passkey
    subject      bytea not null,            -- an owner's id, or the SHA-256 of a name nobody has
    wrong        smallint not null,         -- since the last right one or the end of the last lock
    locks        smallint not null,         -- in a row; each may last longer than the one before
    locked_until timestamptz,
    touched_at   timestamptz not null,
    primary key (factor, subject)
);
create index factor_tries_by_age on factor_tries (touched_at);

-- Passwords and payment PINs: argon2id with its parameters and salt, sealed, since a PIN has few forms.
create table memorised (
    kind   text not null check (kind in ('password', 'pin')),
    owner  uuid not null,                   -- a party, or one of the staff
    sealed bytea not null,
    set_at timestamptz not null,
    primary key (kind, owner)
);

-- The few before, so that they are not taken again at once.
create table memorised_before (
    id     uuid primary key,
    kind   text not null check (kind in ('password', 'pin')),
    owner  uuid not null,
    sealed bytea not null
);
create index memorised_before_by_owner on memorised_before (kind, owner, id);

-- Seeds shared with an authenticator app (totp) or a device that answers questions (ocra).
create table seed (
    id         uuid primary key,
    party      uuid not null references party,
    kind       text not null check (kind in ('totp', 'ocra')),
    suite      text,                        -- ocra: how it answers
    sealed     bytea not null,              -- the secret; empty once removed
    state      text not null default 'pending' check (state in ('pending', 'active', 'removed')),
    last_step  bigint not null default -1,  -- totp: the last step whose number was taken
    created_at timestamptz not null,
    check ((kind = 'ocra') = (suite is not null)),
    check ((state = 'removed') = (sealed = ''))
);
create unique index seed_in_use on seed (party, kind) where state = 'active';
create index seed_by_party on seed (party, kind, id);

-- Questions to such a device, each about one thing the customer was shown.
create table seed_question (
    id         uuid primary key,
    seed       uuid not null references seed,
    about      bytea not null,              -- SHA-256 of what was shown
    question   text not null,
    expires_at timestamptz not null,
    ended_at   timestamptz                  -- answered, or asked anew
);
create index seed_question_by_seed on seed_question (seed, id);
create index seed_question_by_age on seed_question (expires_at);

-- Codes sent by SMS, each about one thing the customer was shown.
create table sms_code (
    id         uuid primary key,
    party      uuid not null references party,
    phone      text not null,               -- E.164, as it was when the code was made
    about      bytea not null,              -- SHA-256 of what was shown
    sealed     bytea not null,              -- the code; empty once it ended
    wrong      smallint not null default 0,
    made_at    timestamptz not null,
    expires_at timestamptz not null,
    ended_at   timestamptz,                 -- used, replaced or tried too often
    delivery   text not null default 'waiting' check (delivery in ('waiting', 'sending', 'sent', 'failed')),
    sends      smallint not null default 0, -- times handed to the gateway
    due_at     timestamptz not null         -- when to hand it over, or to ask again after silence
);
create index sms_code_by_phone on sms_code (phone, made_at);
create index sms_code_by_party on sms_code (party, id);
create index sms_code_by_age on sms_code (expires_at);
create index sms_code_to_send on sms_code (due_at) where delivery in ('waiting', 'sending');

-- Passkeys: public keys that the customer's authenticator signs with (WebAuthn).
create table passkey (
    id              uuid primary key,
    party           uuid not null references party,
    credential_id   bytea not null unique,
    public_key      bytea not null,         -- COSE
    sign_count      bigint not null,        -- 0 for authenticators that do not count
    aaguid          text not null,          -- the model, as it says itself
    backup_eligible boolean not null,       -- may be copied to other devices of its owner; never changes
    backed_up       boolean not null,
    state           text not null default 'active' check (state in ('active', 'suspended', 'removed')),
    created_at      timestamptz not null,
    used_at         timestamptz
);
create index passkey_by_party on passkey (party, id);

-- Challenges to an authenticator: each is used once.
create table passkey_challenge (
    id         uuid primary key,
    party      uuid not null references party,
    purpose    text not null check (purpose in ('register', 'confirm')),
    about      bytea not null,              -- SHA-256 of what was shown; empty when registering
    challenge  bytea not null,
    expires_at timestamptz not null,
    ended_at   timestamptz
);
create index passkey_challenge_by_age on passkey_challenge (expires_at);
create index passkey_challenge_by_party on passkey_challenge (party, id);

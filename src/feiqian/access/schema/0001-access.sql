-- API keys. The secret is shown once; only its SHA-256 is kept, which is enough for 256 random bits.
create table api_key (
    id          uuid primary key,
    principal   uuid not null,              -- whose requests these are; survives rotation
    merchant    uuid,                       -- set: sees and touches only this merchant's objects
    name        text not null,
    scopes      text[] not null,
    secret_hash bytea not null unique,
    tail        text not null,              -- last four characters, to recognise it by
    version     date not null,              -- API version the key is pinned to
    created_at  timestamptz not null,
    ends_at     timestamptz,                -- end of life: revoked, or the end of a rotation's overlap
    revoked_at  timestamptz,                -- set: ended whatever any clock says
    replaced_by uuid
);
create index api_key_by_merchant on api_key (merchant, id);

-- Each request with a key happens once: what it was, and what was answered.
create table request (
    principal   uuid not null,
    key         text not null,
    fingerprint bytea not null,             -- SHA-256 over method, path and body
    status      smallint not null,
    body        bytea not null,
    at          timestamptz not null,
    primary key (principal, key)
);
create index request_by_age on request (at);

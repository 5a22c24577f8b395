-- A payee looked up by phone: the masked name was shown for this one, for a while.
create table payee (
    id         uuid primary key,
    payer      uuid not null,               -- wallet that asked
    wallet     uuid not null,               -- wallet that would receive
    name_shown text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null
);

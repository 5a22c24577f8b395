create table book (
    name    text primary key,
    kind    text not null check (kind in ('live', 'sandbox')),
    schema  text not null unique,
    zone    text not null,
    cut_off time not null,
    created_at timestamptz not null default now()
);

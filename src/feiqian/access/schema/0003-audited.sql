-- No change of these without an entry in the audit log, in the same transaction (kernel/schema/0002-audit.sql).
create constraint trigger audited after insert or update of principal, merchant, scopes, ends_at, revoked_at on api_key
    deferrable initially deferred for each row execute function must_be_audited();

-- No change of these without an entry in the audit log, in the same transaction (kernel/schema/0002-audit.sql).
create constraint trigger audited after insert or update of state on merchant
    deferrable initially deferred for each row execute function must_be_audited();
create constraint trigger audited after insert or update on contract
    deferrable initially deferred for each row execute function must_be_audited();
create constraint trigger audited after insert or update of state on store
    deferrable initially deferred for each row execute function must_be_audited();
create constraint trigger audited after insert or update of state on cashier
    deferrable initially deferred for each row execute function must_be_audited();
create constraint trigger audited after insert or update of state on terminal
    deferrable initially deferred for each row execute function must_be_audited();

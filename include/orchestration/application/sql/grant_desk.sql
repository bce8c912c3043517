-- A restored database comes without grants; where the role is made by others, it may come later.
do $$
begin
    if to_regclass('report_signatures') is not null
        and exists (select from pg_roles where rolname = 'surveillance_desk') then
        grant select on alerts, audit_log, reviews, silences, cases, attachments, requests, report_signatures
        to surveillance_desk;
        grant insert on audit_log, reviews, silences, cases, attachments, requests, report_signatures
        to surveillance_desk;
        grant update on reviews, silences, cases, requests to surveillance_desk;
    end if;
end
$$

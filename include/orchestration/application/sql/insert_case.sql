insert into cases (title, narrative, alerts, status, opened_by, version)
values (%(title)s, %(narrative)s, %(alerts)s, %(status)s, %(opened_by)s, %(version)s)
returning case_id

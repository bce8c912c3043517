-- When the newest run of each stage ended.
select
    stage,
    extract(epoch from max(ended_at))::double precision
from batches
group by stage

select copied_at, told_until
from restores
order by restored_at desc
limit 1

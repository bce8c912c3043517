create stage if not exists raw.landing

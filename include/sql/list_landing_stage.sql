list @raw.landing

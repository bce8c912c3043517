remove @raw.landing/{name}

put 'file://{file}' @raw.landing auto_compress = false

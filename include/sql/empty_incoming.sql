delete from raw.incoming

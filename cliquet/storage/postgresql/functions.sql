-- Only names of PostgreSQL itself are used, because an index is rebuilt under another search path.

-- The keys that lists compare, which are the same as in cliquet/storage/relational/order_key.py.
--
-- Returns a text that is compared byte by byte, COLLATE "C", instead of a JSON value. The text for
-- NULL is the key of a missing field. It is immutable: a change must come with new indexes.
CREATE OR REPLACE FUNCTION cliquet_order_key(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    kind text := jsonb_typeof(value);
    key text;
    pieces text[];
    pending jsonb[];
    waiting integer := 1;
    item jsonb;
    number numeric;
    rounded double precision;
    bits text;
    names text[];
BEGIN
    IF kind IS NULL THEN
        RETURN '6';
    ELSIF kind = 'string' THEN
        key := '1' || (value #>> '{}');
    ELSIF kind = 'boolean' THEN
        RETURN CASE WHEN value = 'true' THEN '31' ELSE '30' END;
    ELSIF kind = 'null' THEN
        RETURN '0';
    ELSE
        pending[1] := value;
        WHILE waiting > 0 LOOP
            item := pending[waiting];
            waiting := waiting - 1;
            kind := jsonb_typeof(item);
            IF kind = 'number' THEN
                number := item::numeric;
                rounded := CASE
                    WHEN scale(number) < 300 AND abs(number) < 1e300 THEN number::double precision
                    -- Those that no double is near to would raise an error.
                    WHEN abs(number) < 3e-324 THEN 0
                    WHEN number > 1.7976931348623158e308 THEN 'Infinity'
                    WHEN number < -1.7976931348623158e308 THEN '-Infinity'
                    ELSE number::double precision
                END;
                bits := encode(float8send(rounded), 'hex');
                IF rounded < 0 THEN
                    bits := translate(bits, '0123456789abcdef', 'fedcba9876543210');
                ELSE
                    bits := translate(left(bits, 1), '01234567', '89abcdef') || substr(bits, 2);
                END IF;
                key := '2' || bits;
                IF abs(rounded) >= 9007199254740992 THEN
                    key := key || CASE
                        WHEN abs(rounded) > 18446744073709551616 THEN '1'
                        ELSE lpad(trunc(number + 100000000000000000000)::text, 21, '0')
                    END;
                END IF;
                -- By far the most frequent.
                EXIT WHEN waiting = 0 AND pieces IS NULL;
            ELSIF kind = 'string' THEN
                key := '1' || replace(item #>> '{}', E'\x01', E'\x01\x03') || E'\x01\x01';
            ELSIF kind = 'array' THEN
                key := '4' || lpad(to_hex(jsonb_array_length(item)), 8, '0');
                FOR place IN REVERSE jsonb_array_length(item) - 1 .. 0 LOOP
                    waiting := waiting + 1;
                    pending[waiting] := item -> place;
                END LOOP;
            ELSIF kind = 'object' THEN
                SELECT array_agg(name ORDER BY name COLLATE "C"),
                    '5' || lpad(to_hex(count(*)), 8, '0') || coalesce(string_agg(
                        replace(name, E'\x01', E'\x01\x03') || E'\x01\x01', ''
                        ORDER BY name COLLATE "C"
                    ), '')
                    INTO names, key
                    FROM jsonb_object_keys(item) AS name;
                FOR place IN REVERSE coalesce(cardinality(names), 0) .. 1 LOOP
                    waiting := waiting + 1;
                    pending[waiting] := item -> names[place];
                END LOOP;
            ELSE
                key := CASE item WHEN 'true' THEN '31' WHEN 'false' THEN '30' ELSE '0' END;
            END IF;
            pieces := pieces || key;
        END LOOP;
        IF pieces IS NOT NULL THEN
            key := array_to_string(pieces, '');
        END IF;
    END IF;
    IF length(key) > 400 THEN
        RETURN left(key, 400) || md5(key);
    END IF;
    RETURN key;
END
$$;

-- Texts that only differ in upper and lower case become the same. ICU knows all scripts, like
-- Python, whatever the collation of the database is. If the server was built without it, another
-- collation is used that knows most scripts.
DO $do$
DECLARE
    known text;
BEGIN
    SELECT ' COLLATE pg_catalog.' || quote_ident(collname) INTO known
        FROM pg_collation
        WHERE collnamespace = 'pg_catalog'::regnamespace
            AND collname IN ('und-x-icu', 'pg_c_utf8', 'C.UTF-8', 'C.utf8', 'en_US.utf8')
            AND collencoding IN (-1, (
                SELECT encoding FROM pg_database WHERE datname = current_database()
            ))
        ORDER BY array_position(
            ARRAY['und-x-icu', 'pg_c_utf8', 'C.UTF-8', 'C.utf8', 'en_US.utf8'], collname::text
        )
        LIMIT 1;
    EXECUTE 'CREATE OR REPLACE FUNCTION cliquet_lower(value text) RETURNS text'
        || ' LANGUAGE sql IMMUTABLE PARALLEL SAFE AS '
        || quote_literal('SELECT lower(value' || coalesce(known, '') || ')');
END
$do$;

-- Returns the timestamp that follows another one: later than that, and that of the clock unless the
-- clock is behind. After the greatest one, 2^53 - 1, the collection goes on from the clock.
--
-- It is said to be immutable, which it is not. It must only be called with the column of a row that
-- an UPDATE has locked: it is then evaluated for this row, after the lock. In such a place Citus
-- accepts no other function.
CREATE OR REPLACE FUNCTION cliquet_next(value bigint) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    now bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
BEGIN
    IF value < now OR value >= 9007199254740991 THEN
        RETURN now;
    END IF;
    RETURN value + 1;
END
$$;

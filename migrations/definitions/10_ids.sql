-- Ids computable anywhere, the same after any rebuild. packages/shared/src/ids.ts holds their TypeScript twins.

create or replace function store.identity_id(type text, value text) returns uuid
language sql immutable strict parallel safe
return encode(substring(sha256(convert_to(type || ':' || value, 'UTF8')) from 1 for 16), 'hex')::uuid;
comment on function store.identity_id(text, text) is
  'The key of an identity: the first 16 bytes of SHA-256 of type, colon and value.';

-- None of these is `strict` where a null argument gives null anyway: that would keep PostgreSQL from inlining it.

-- A UUID v8 (RFC 9562): version nibble 8, variant bits 10, the rest as given.
create or replace function store.uuid_v8(bytes bytea) returns uuid
language sql immutable parallel safe
return encode(
  set_byte(
    set_byte(substring(bytes from 1 for 16), 6, (get_byte(bytes, 6) & 15) | 128),
    8, (get_byte(bytes, 8) & 63) | 128
  ), 'hex')::uuid;

-- HMAC-SHA-256 (RFC 2104) by hand, since pgcrypto is not everywhere; the key is 32 bytes, the block 64.
create or replace function store.xor_key(key bytea, pad integer) returns bytea
language plpgsql immutable strict parallel safe
as $$
declare
  padded bytea := decode(repeat(lpad(to_hex(pad), 2, '0'), 64), 'hex');
begin
  for position in 0 .. length(key) - 1 loop
    padded := set_byte(padded, position, get_byte(key, position) # pad);
  end loop;
  return padded;
end
$$;

create or replace function store.keyed_person_id(inner_key bytea, outer_key bytea, type text, value text) returns uuid
language sql immutable parallel safe
return store.uuid_v8(sha256(outer_key || sha256(inner_key || convert_to(type || ':' || value, 'UTF8'))));

create or replace function store.person_id(secret bytea, type text, value text) returns uuid
language sql immutable strict parallel safe
return store.keyed_person_id(store.xor_key(secret, 54), store.xor_key(secret, 92), type, value);
comment on function store.person_id(bytea, text, text) is
  'The id of the person anchored at an identity: UUID v8 of HMAC-SHA-256(site secret, type:value).';

-- A UUID v8 of a text: ids of derived rows that have no touchpoint of their own.
create or replace function store.named_uuid(name text) returns uuid
language sql immutable strict parallel safe
return store.uuid_v8(sha256(convert_to(name, 'UTF8')));

-- The smallest UUID whose 48 bits of time are at `moment`: the bound of a partition.
create or replace function store.uuid_bound(moment timestamptz) returns uuid
language sql immutable strict parallel safe
return (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;

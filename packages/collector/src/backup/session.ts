import type pg from 'pg';

/** Makes COPY write and read the same text on every server, however long it takes. Until the end of the transaction. */
export async function prepareCopying(client: pg.ClientBase): Promise<void> {
  await client.query(
    `set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres'; set local timezone = 'UTC';
     set local extra_float_digits = 3; set local bytea_output = 'hex'`,
  );
  await client.query(
    `select set_config(pg_settings.name, '0', true)
     from pg_settings
     where pg_settings.name in (
       'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`,
  );
}

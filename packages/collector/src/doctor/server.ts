import type { Pool } from 'pg';
import { type Finding, note, wrong } from './finding.ts';

export type ServerSettings = Record<string, string>;

const oldest = 15;
const newest = 18;
// A second of skew already mixes up what is due with what is not.
const mostSkewMs = 1_000;
const longTransaction = '10 minutes';

/** What PostgreSQL's own settings make impossible, or dangerous. */
export function settingsFindings(settings: ServerSettings): Finding[] {
  const findings: Finding[] = [];
  const version = Math.floor(Number(settings['server_version_num']) / 10_000);
  if (version < oldest || version > newest) {
    findings.push(
      wrong(
        'postgres_version',
        `this is PostgreSQL ${version}.`,
        `Milepost is tested with ${oldest} to ${newest}: take one of these.`,
      ),
    );
  }
  if (settings['autovacuum'] === 'off') {
    findings.push(
      wrong(
        'autovacuum',
        'autovacuum is off: queues and persons fill with dead rows, and every query slows down.',
        'alter system set autovacuum = on; select pg_reload_conf();',
      ),
    );
  }
  for (const name of ['fsync', 'full_page_writes']) {
    if (settings[name] === 'off') {
      findings.push(
        wrong(
          name,
          `${name} is off: a crash of this machine may ruin the whole database.`,
          `alter system set ${name} = on; select pg_reload_conf();`,
        ),
      );
    }
  }
  if (settings['synchronous_commit'] === 'off') {
    findings.push(
      wrong(
        'synchronous_commit',
        'synchronous_commit is off: a crash of PostgreSQL loses touchpoints that were acked and have left the buffer.',
        'alter system set synchronous_commit = on; select pg_reload_conf(); and look for the same setting of the role and the database.',
      ),
    );
  }
  return findings;
}

/** Settings, clock and long transactions of the server. */
export async function serverFindings(pool: Pool): Promise<Finding[]> {
  const { rows: settings } = await pool.query<{ name: string; setting: string }>(
    `select name, setting from pg_settings
     where name in ('server_version_num', 'autovacuum', 'fsync', 'full_page_writes', 'synchronous_commit')`,
  );
  return [
    ...settingsFindings(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))),
    ...(await clockFindings(pool)),
    ...(await transactionFindings(pool)),
  ];
}

async function clockFindings(pool: Pool): Promise<Finding[]> {
  await pool.query('select 1'); // the connection is there, so what follows takes one round trip
  const before = Date.now();
  const { rows } = await pool.query<{ now: Date }>('select clock_timestamp() as now');
  return skewFindings({ before, after: Date.now(), there: rows[0]?.now.getTime() ?? before });
}

/** How far PostgreSQL's clock, read between two instants of ours, is from ours at least. */
export function skewFindings({
  before,
  after,
  there,
}: Record<'before' | 'after' | 'there', number>): Finding[] {
  const skew = there < before ? there - before : there > after ? there - after : 0;
  if (Math.abs(skew) <= mostSkewMs) return [];
  return [
    wrong(
      'clock_skew',
      `the clock of PostgreSQL is ${Math.abs(skew) / 1_000} s ${skew > 0 ? 'ahead of' : 'behind'} the clock here.`,
      'Let both machines keep time by NTP (timedatectl set-ntp true).',
    ),
  ];
}

async function transactionFindings(pool: Pool): Promise<Finding[]> {
  const { rows } = await pool.query<{ pid: number; who: string; minutes: number }>(
    `select
       pid,
       coalesce(nullif(application_name, ''), usename, 'somebody') as who,
       floor(extract(epoch from clock_timestamp() - xact_start) / 60)::integer as minutes
     from pg_stat_activity
     where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
       and xact_start < clock_timestamp() - $1::interval
     order by xact_start
     limit 5`,
    [longTransaction],
  );
  const slots = await pool.query<{ slot_name: string }>(
    `select slot_name from pg_replication_slots where not active and (xmin is not null or catalog_xmin is not null)`,
  );
  return [
    ...rows.map(({ pid, who, minutes }) =>
      note(
        'long_transaction',
        `"${who}" (process ${pid}) has had a transaction open for ${minutes} minutes: dead rows of that time cannot be removed.`,
        `End it where it runs, or select pg_terminate_backend(${pid});`,
      ),
    ),
    ...slots.rows.map(({ slot_name: name }) =>
      wrong(
        'replication_slot',
        `the replication slot "${name}" has no reader, and holds back vacuum.`,
        `Start its reader, or select pg_drop_replication_slot('${name}');`,
      ),
    ),
  ];
}

import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockFolder } from '../buffer/lock.ts';
import { demoFolder, inOneSentence } from '../cli/terminal.ts';
import { Closing } from '../closing.ts';
import { readConfig } from '../config.ts';
import { startPostgres } from '../database/embedded.ts';
import { migrate } from '../database/migrate.ts';
import { createPool } from '../database/pool.ts';
import { signInLink } from '../home/sign-in.ts';
import { Refusal } from '../refusal.ts';
import { portIsTaken, startServer, stopOnSignal } from '../server.ts';
import { buildBrowserCode } from './build.ts';
import { demoSite } from './site.ts';
import { readState, writeState } from './state.ts';

const say = (line: string) => void process.stdout.write(`milepost: ${line}\n`);

// A closed terminal or pipe takes no more words; stopping in order matters more.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

/** `npm start`: everything on this machine, from the database to the shop. */
async function start(): Promise<void> {
  const isFirst = !existsSync(join(demoFolder, 'demo.json'));
  // Every bad variable is named before anything starts; the embedded database's address is known only later.
  const given = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== ''));
  const env = { LOG_LEVEL: 'warn', BUFFER_URL: `lmdb:${join(demoFolder, 'buffer')}`, ...given };
  const { host, port: wanted } = readConfig({ DATABASE_URL: 'postgres://127.0.0.1/milepost', ...env });
  // Held from the first thing opened on: PostgreSQL would outlive a signal that nobody hears.
  const closing = new Closing();
  const starting = open();
  stopOnSignal(async () => {
    say('stopping');
    await starting.catch(() => {}); // told below
    await closing.close();
  });
  try {
    process.stdout.write(greeting({ ...(await starting), isFirst }));
  } catch (error) {
    await closing.close();
    throw error;
  }

  /** Opens everything in order; what is open is on `closing`. */
  async function open(): Promise<{ url: string; signIn: string }> {
    mkdirSync(demoFolder, { recursive: true, mode: 0o700 });
    closing.add(await holdFolder());
    const port = await freePort(host, wanted);
    buildBrowserCode(say);
    const databaseUrl = given['DATABASE_URL'] ?? (await embedded(closing));
    const pool = createPool(databaseUrl, { connections: 2, name: 'milepost demo' });
    closing.add(() => pool.end());
    await migrate(pool, { onProgress: say });
    const url = `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${port}`;
    const site = await demoSite(pool, readState(demoFolder), url);
    const config = readConfig({ ...env, PORT: String(port), DATABASE_URL: databaseUrl });
    const server = await startServer(config, { shop: { writeKey: site.write_key } });
    closing.add(server.stop);
    writeState(demoFolder, { url, ...site, database_url: databaseUrl });
    return { url, signIn: await signInLink({ pool, url }) };
  }
}

async function embedded(closing: Closing): Promise<string> {
  say('starting PostgreSQL');
  const postgres = await startPostgres({ folder: demoFolder });
  closing.add(postgres.stop);
  return postgres.url;
}

function greeting({ url, isFirst, signIn }: { url: string; isFirst: boolean; signIn: string }): string {
  return `
  Milepost is ready.

    shop      ${url}/shop
    page      ${url}/
    sign in   ${signIn}
    API docs  ${url}/docs
    keys      ${relative(process.cwd(), join(demoFolder, 'demo.json'))}
${isFirst ? '\n  Click through the shop, or make traffic: npm run milepost simulate\n' : ''}
  Ctrl-C stops everything; the data stays.

`;
}

/**
 * One demo at a time in a folder: a second one would take over the first one's PostgreSQL. One that was just told to
 * stop is waited for.
 */
async function holdFolder(): Promise<() => Promise<void>> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await lockFolder(demoFolder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code) throw error;
      if (attempt === 1) say('another demo of this folder is running or just stopping; waiting a moment');
      if (attempt === 25) {
        const { url = 'another port' } = readState(demoFolder);
        throw new Refusal(
          `the demo of this folder is running already at ${url}; stop it first, or clone Milepost into another folder for a second one.`,
        );
      }
      await sleep(200);
    }
  }
}

/** The port, while nothing else is started: a taken one should be told at once. 0 takes any that is free. */
async function freePort(host: string, port: number): Promise<number> {
  const probe = createServer();
  try {
    probe.listen(port, host);
    await once(probe, 'listening');
    return (probe.address() as AddressInfo).port;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw new Refusal(portIsTaken(port));
    throw error;
  } finally {
    probe.close();
  }
}

try {
  await start();
} catch (error) {
  const told = inOneSentence(error);
  process.stderr.write(
    told instanceof Refusal ? `milepost: ${told.message}\n` : `${(told as Error).stack ?? String(told)}\n`,
  );
  process.exit(1);
}

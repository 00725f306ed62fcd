import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, test } from 'vitest';
import { root } from '../docs/markdown.ts';
import { freePort } from '../ingest/process.ts';
import { run } from '../support/program.ts';

// Where a Docker engine answers that has the images to begin with (docker pull); NODE_IMAGE and POSTGRES_IMAGE name
// others. A test gets nothing from the internet but packages, so it does not pull them itself.
const nodeImage = process.env['NODE_IMAGE'] ?? 'node:24-bookworm-slim';
const postgresImage = process.env['POSTGRES_IMAGE'] ?? 'postgres:18';
const compose = await composeOf();
const isThere = compose !== null && (await hasImage(nodeImage)) && (await hasImage(postgresImage));

async function works(program: string, args: string[]): Promise<boolean> {
  return run(program, args, { env: { ...process.env } }).then(
    ({ code }) => code === 0,
    () => false, // no such program
  );
}

async function composeOf(): Promise<string[] | null> {
  if (!(await works('docker', ['info']))) return null;
  if (await works('docker', ['compose', 'version'])) return ['docker', 'compose'];
  return (await works('docker-compose', ['version'])) ? ['docker-compose'] : null;
}

async function hasImage(name: string): Promise<boolean> {
  return works('docker', ['image', 'inspect', name]);
}

describe.skipIf(!isThere)('docker compose', () => {
  const project = `milepost-test-${randomBytes(4).toString('hex')}`;
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    POSTGRES_PASSWORD: randomBytes(12).toString('hex'),
    MILEPOST_IMAGE: project,
    NODE_IMAGE: nodeImage,
    POSTGRES_IMAGE: postgresImage,
  };

  async function inCompose(...args: string[]): Promise<string> {
    const [program = '', ...first] = compose!;
    const { code, stdout, stderr } = await run(program, [...first, '-p', project, ...args], {
      cwd: root,
      env,
    });
    expect(code, `${args.join(' ')}\n${stderr}`).toBe(0);
    return stdout;
  }
  const milepost = (...args: string[]) => inCompose('exec', '-T', 'collector', 'milepost', ...args);

  afterAll(async () => {
    await inCompose('down', '--volumes');
    await run('docker', ['image', 'rm', project], { env });
  }, 120_000);

  async function untilReady(url: string): Promise<void> {
    for (let attempt = 0; attempt < 240; attempt += 1) {
      const isReady = await fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isReady) return;
      await sleep(500);
    }
    throw new Error(await inCompose('logs', '--tail', '40'));
  }

  test('builds and starts them; what is acked survives a restart and new containers', async () => {
    env['MILEPOST_ADDRESS'] = `127.0.0.1:${await freePort()}`;
    const url = `http://${env['MILEPOST_ADDRESS']}`;
    await inCompose('up', '--detach', '--build');
    await untilReady(url);
    await milepost('site', 'create', 'Shop', '--origin', '*');
    const { key } = JSON.parse(
      await milepost('key', 'create', '--site', '1', '--kind', 'write', '--json'),
    ) as {
      key: string;
    };
    let sent = 0;
    const send = async (): Promise<void> => {
      sent += 1;
      const event = { id: `e${sent}`, name: 'page_view', anonymous_id: 'v', occurred_at: Date.now() };
      const answer = await fetch(`${url}/v1/events?k=${key}`, {
        method: 'POST',
        body: JSON.stringify({ batch: [event] }),
      });
      expect(answer.status).toBe(200);
    };
    const stored = async () => {
      const query = 'select count(*) from journey.touchpoints';
      const password = `PGPASSWORD=${env['POSTGRES_PASSWORD']}`;
      const psql = ['psql', '-h', '127.0.0.1', '-U', 'milepost', '-Atc', query];
      const answer = await inCompose('exec', '-T', '-e', password, 'postgres', ...psql);
      return Number(answer.trim());
    };
    expect((await fetch(`${url}/milepost.js`)).status).toBe(200);

    await send();
    await inCompose('restart', 'collector');
    await untilReady(url);
    await send();
    await inCompose('stop', 'collector'); // carries the buffer to PostgreSQL
    expect(await stored()).toBe(sent);

    await inCompose('down'); // volumes stay
    await inCompose('up', '--detach');
    await untilReady(url);
    await send();
    await inCompose('stop', 'collector');
    expect(await stored()).toBe(sent);
  }, 900_000);
});

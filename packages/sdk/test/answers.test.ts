import { expect, test } from 'vitest';
import { pageAt, queuedCount, trackMany, until } from './support/visit.ts';
import { useWorld } from './support/world.ts';

const world = useWorld();

test('a 503 is tried again soon, with the same id and time', async () => {
  const page = await world.settledPage();
  world.sink.nextAnswers.push({ status: 503 });
  await trackMany(page, 'again');
  await until('the touchpoint', () => world.sink.named('again').length === 1);
  const [refused, accepted] = world.sink.posts.slice(-2);
  expect(refused!.status).toBe(503);
  expect(accepted!.body.batch).toEqual(refused!.body.batch);
});

test('Retry-After is obeyed, by the next page too', async () => {
  const page = await world.settledPage();
  world.sink.nextAnswers.push({ status: 429, headers: { 'retry-after': '2' } });
  await trackMany(page, 'patient');
  await until('the refusal', () => world.sink.posts.at(-1)!.status === 429);
  const refusedAt = world.sink.posts.at(-1)!.at;
  await page.waitForFunction(() => Object.keys(localStorage).some((key) => key.startsWith('milepost.wait.')));
  await page.goto(`${world.site.url}/next`);
  await until('the touchpoint', () => world.sink.named('patient').length === 1);
  expect(world.sink.posts.at(-1)!.at - refusedAt).toBeGreaterThanOrEqual(1_950);
  expect(world.sink.posts.filter(({ at }) => at > refusedAt)).toHaveLength(1);
});

test('only what the collector has judged leaves the queue', async () => {
  const page = await world.settledPage();
  const warnings: string[] = [];
  page.on('console', (message) => warnings.push(message.text()));
  world.sink.decide = ({ batch }) => ({
    status: 200,
    body: {
      results: batch
        .slice(0, 2)
        .map(({ id }, n) => ({ id, status: n ? 'rejected' : 'accepted', ...(n && { reason: 'invalid' }) })),
    },
  });
  await trackMany(page, 'judged', { count: 5 });
  await until('an empty queue', async () => (await queuedCount(page)) === 0);
  const sent = world.sink.posts
    .slice(1)
    .map(({ body }) => body.batch.map(({ properties }) => properties!['n']));
  expect(sent).toEqual([[0, 1, 2, 3, 4], [2, 3, 4], [4]]);
  expect(warnings).toEqual(['milepost: rejected: invalid ']);
});

test('400 drops the batch with a counted reason, 413 splits it', async () => {
  const page = await world.settledPage();
  world.sink.nextAnswers.push({ status: 400 });
  await trackMany(page, 'malformed', { count: 2 });
  await until('the refusal', () => world.sink.posts.at(-1)!.status === 400);
  world.sink.decide = ({ batch }) => (batch.length > 3 ? { status: 413 } : undefined);
  await trackMany(page, 'heavy', { count: 10 });
  await until('all of them', () => world.sink.named('heavy').length === 10);
  const told = world.sink.posts.filter(({ body, status }) => body.lost && status === 200);
  expect(told.map(({ body }) => body.lost)).toEqual([{ rejected: 2 }]);
});

test('401 keeps everything and warns once', async () => {
  const page = await world.settledPage();
  const warnings: string[] = [];
  page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
  world.sink.decide = () => ({ status: 401 });
  await trackMany(page, 'kept', { count: 3 });
  await until('the refusal', () => world.sink.posts.at(-1)!.status === 401);
  await trackMany(page, 'kept too');
  await page.waitForTimeout(500);
  expect(world.sink.posts.filter(({ status }) => status === 401)).toHaveLength(1);
  expect(await queuedCount(page)).toBe(4);
  expect(warnings).toEqual(['milepost: refused: check writeKey, host and origins']);
  world.sink.decide = () => undefined;
  await page.goto(pageAt(`${world.site.url}/next`));
  await until(
    'all of them',
    () => world.sink.named('kept').length + world.sink.named('kept too').length === 4,
  );
});

test.each([
  { body: {} },
  { body: '<html>' },
  { body: { results: [null] } },
  { body: { results: [{ id: 'x' }] } },
])("a 200 that is not the collector's, $body, loses nothing", async ({ body }) => {
  const page = await world.settledPage();
  world.sink.nextAnswers.push({ status: 200, body });
  await trackMany(page, 'kept');
  await until(
    'the second try',
    () => world.sink.posts.filter(({ body }) => body.batch[0]!.name === 'kept').length === 2,
  );
  await until('an empty queue', async () => (await queuedCount(page)) === 0);
  const [first, second] = world.sink.posts.slice(-2);
  expect(second!.at - first!.at).toBeGreaterThan(150);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import { startApi, type TestApi } from '../api/fixture.ts';
import { createSite, type TestSite } from '../support/site.ts';
import { blocksOf, isUpdating, sectionOf, writeAnswer } from './markdown.ts';

// After a change that is meant to show: UPDATE_EXAMPLES=1 npm test -- packages/collector/test/docs, then read the difference.

const file = 'docs/links.md';

let api: TestApi;
let site: TestSite;
beforeAll(async () => {
  api = await startApi();
  site = await createSite(api.pool);
  await api.pool.query('update store.sites set link_secret = $1', [Buffer.alloc(32, 7)]);
});
afterAll(() => api.stop());

test('links are made as docs/links.md shows', async () => {
  const [question, shown] = blocksOf(sectionOf(file, 'Making links'));
  const [, url = '', body = ''] =
    /'http:\/\/127\.0\.0\.1:4000(\S+)' .* -d '([^']*)'\n$/.exec(question!.text) ?? [];
  const ask = async () =>
    api.app.inject({
      method: 'POST',
      url,
      headers: {
        host: '127.0.0.1:4000',
        authorization: `Bearer ${site.secretKey}`,
        'content-type': 'application/json',
      },
      payload: body,
    });
  const secret = () => api.app.keys.siteOf(site.siteId)?.linkSecret[0];
  await expect.poll(secret, { timeout: 5_000 }).toBe(7);
  const answer = await ask();
  expect(answer.statusCode).toBe(200);
  const text = `${JSON.stringify(answer.json(), null, 2)}\n`;
  if (isUpdating) writeAnswer(file, { question: question!, answer: { ...shown!, text } });
  else expect(shown!.text).toBe(text);
});

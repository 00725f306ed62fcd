import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hide } from '../../../sdk/src/hide.ts';
import { proofOf } from '../../src/api/proof.ts';
import { renewIdentitySecret } from '../../src/database/identity-secrets.ts';
import { given, startApi } from '../api/fixture.ts';
import type { TestApi } from '../api/fixture.ts';
import { createSite } from '../support/site.ts';
import type { TestSite } from '../support/site.ts';
import { blocksOf, isUpdating, sectionOf, writeAnswer } from './markdown.ts';
import type { Block } from './markdown.ts';

// After a change that is meant to show: UPDATE_EXAMPLES=1 npm test -- packages/collector/test/docs, then read the difference.

const file = 'docs/personalising.md';

function blockIn(heading: string, language: string, holding = ''): Block {
  const found = blocksOf(sectionOf(file, heading)).find(
    (block) => block.language === language && block.text.includes(holding),
  );
  if (found === undefined) throw new Error(`${file} lacks the example in ${language} under “${heading}”`);
  return found;
}

describe('the proof', () => {
  const secret = 'is_0123456789abcdefghijklmnopqrstuv';
  const languages = [
    {
      language: 'js',
      program: process.execPath,
      flags: ['--input-type=module', '-e'],
      print: (id: string) => `process.stdout.write(proofOf(${id}))`,
    },
    { language: 'php', program: 'php', flags: ['-r'], print: (id: string) => `echo proof_of(${id});` },
    {
      language: 'python',
      program: 'python3',
      flags: ['-c'],
      print: (id: string) => `print(proof_of(${id}), end="")`,
    },
    { language: 'ruby', program: 'ruby', flags: ['-e'], print: (id: string) => `print proof_of(${id})` },
  ];
  // a machine need not have all four
  const here = languages.filter(({ program }) => spawnSync(program, ['--version']).status === 0);

  test.each(here)(
    'is made in $language as the collector checks it',
    ({ language, program, flags, print }) => {
      const { text } = blockIn('Signed-in visitors need a proof', language, 'MILEPOST_IDENTITY_SECRET');
      for (const [written, userId] of [
        ['"user-42"', 'user-42'],
        ['"Zoë"', 'Zoë'],
        ['42', '42'],
      ] as const) {
        const made = spawnSync(program, [...flags, `${text}\n${print(written)}`], {
          encoding: 'utf8',
          env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', MILEPOST_IDENTITY_SECRET: secret },
        });
        expect(made.stderr).toBe('');
        expect(made.stdout).toBe(proofOf(secret, userId));
      }
    },
  );
});

test('the lines against flicker are those of the SDK, which its tests run in a browser', () => {
  const shown = blockIn('Without flicker', 'html', '<script>');
  const text = `${hide()}\n`;
  const marked = blockIn('Without flicker', 'html', 'data-milepost-hide id');
  if (isUpdating) writeAnswer(file, { question: marked, answer: { ...shown, text } });
  else expect(shown.text).toBe(text);
});

describe('on the server', () => {
  let api: TestApi;
  let site: TestSite;
  let url: string;
  let secret: string;
  beforeAll(async () => {
    api = await startApi();
    site = await createSite(api.pool, { allowed_origins: [] });
    ({ secret } = await renewIdentitySecret(api.pool, { siteId: site.siteId }));
    await given(api, site, [
      { at: '2026-11-20T10:00:00Z', anonymous_id: 'browser-3', name: 'view_item' },
      { at: '2026-11-20T10:02:00Z', anonymous_id: 'browser-3', name: 'add_to_cart' },
      { at: '2026-11-20T10:02:00Z', anonymous_id: 'browser-4', name: 'view_item', user_id: 'ada' },
    ]);
    url = await api.app.listen({ host: '127.0.0.1', port: 0 });
  });
  afterAll(() => api.stop());

  test('the request is answered so', async () => {
    const question = blockIn('On the server', 'sh');
    const shown = blockIn('On the server', 'json');
    const [, options = '', path = ''] =
      /^curl (.*) 'http:\/\/127\.0\.0\.1:4000([^']+)'$/m.exec(question.text) ?? [];
    expect(options).toBe(`-H "Authorization: Bearer $MILEPOST_WRITE_KEY" -H 'X-Milepost-Visitor: browser-3'`);
    const answer = await fetch(url + path, {
      headers: { authorization: `Bearer ${site.writeKey}`, 'x-milepost-visitor': 'browser-3' },
    });
    const text = `${JSON.stringify(await answer.json(), null, 2)}\n`;
    if (isUpdating) writeAnswer(file, { question, answer: { ...shown, text } });
    else expect(shown.text).toBe(text);
  });

  test('the example for Node knows the visitor of a request', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'milepost-docs-'));
    const module = join(folder, 'example.mjs');
    const proof = blockIn('Signed-in visitors need a proof', 'js', 'createHmac').text;
    writeFileSync(module, `${proof}\n${blockIn('On the server', 'js').text}`);
    type JourneyOf = (request: object, userId?: string) => Promise<{ stage: string | null } | undefined>;
    const { journeyOf } = (await import(pathToFileURL(module).href)) as { journeyOf: JourneyOf };
    const asked = (cookie: string | undefined, userId?: string) => journeyOf({ headers: { cookie } }, userId);
    try {
      Object.assign(process.env, {
        MILEPOST_URL: url,
        MILEPOST_WRITE_KEY: site.writeKey,
        MILEPOST_IDENTITY_SECRET: secret,
      });
      expect(await asked('a=b; milepost_id=browser-3')).toMatchObject({ stage: 'decision' });
      expect(await asked('milepost_id=browser-4')).toMatchObject({ stage: null });
      expect(await asked('milepost_id=browser-4', 'ada')).toMatchObject({ stage: 'consideration' });
      expect(await asked(undefined)).toBeUndefined();
      process.env['MILEPOST_URL'] = 'http://127.0.0.1:9';
      expect(await asked('milepost_id=browser-3')).toBeUndefined();
    } finally {
      for (const name of ['URL', 'WRITE_KEY', 'IDENTITY_SECRET']) delete process.env[`MILEPOST_${name}`];
      rmSync(folder, { recursive: true });
    }
  });
});

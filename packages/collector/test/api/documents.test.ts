import { validate } from '@scalar/openapi-parser';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { problemList } from '../../src/problems.ts';
import { launchBrowser } from '../../../sdk/test/support/browser.ts';
import { startApi } from './fixture.ts';
import type { TestApi } from './fixture.ts';

let api: TestApi;
let document: OpenApi;
beforeAll(async () => {
  api = await startApi();
  document = (await api.app.inject('/openapi.json')).json();
});
afterAll(() => api.stop());

type Media = { schema?: unknown; example?: unknown; examples?: Record<string, { value: unknown }> };
type Operation = {
  operationId: string;
  summary: string;
  description: string;
  tags: string[];
  security: object[];
  parameters?: { name: string; description?: string }[];
  responses: Record<string, { description: string; content?: Record<string, Media> }>;
};
type OpenApi = {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  tags: { name: string }[];
};

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

test('the document is valid OpenAPI 3.1', async () => {
  const { valid, errors } = await validate(JSON.stringify(document));
  expect(errors ?? []).toEqual([]);
  expect(valid).toBe(true);
  expect(document.openapi).toBe('3.1.1');
});

test('every operation and every parameter says what it is for', () => {
  const tags = document.tags.map(({ name }) => name);
  for (const { path, operation } of operations()) {
    expect(operation.summary, path).toBeTruthy();
    expect(operation.description, path).toBeTruthy();
    expect(tags, path).toEqual(expect.arrayContaining(operation.tags));
    for (const parameter of operation.parameters ?? []) {
      expect(parameter.description, `${path} ${parameter.name}`).toBeTruthy();
    }
  }
  const ids = operations().map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
});

test('every operation shows an answer, and each problem it may answer', () => {
  for (const { path, operation } of operations()) {
    const [[status, { content = {} }] = ['', {}]] = Object.entries(operation.responses);
    expect(Number(status), path).toBeLessThan(400);
    const isNoText = status === '204' || status === '302' || 'image/gif' in content;
    const media = content['application/json'] ?? content['text/event-stream'];
    if (!isNoText) expect(media?.example, path).toBeDefined();
    for (const [status, { content }] of Object.entries(operation.responses)) {
      if (Number(status) < 400) continue;
      expect(Object.keys(content?.['application/problem+json']?.examples ?? {}), path).not.toEqual([]);
      for (const [type, { value }] of Object.entries(content?.['application/problem+json']?.examples ?? {})) {
        expect(value, path).toMatchObject({ type: `/problems/${type}`, status: Number(status) });
        expect(problemList).toHaveProperty(type);
      }
    }
  }
});

test('the type of each problem can be opened', async () => {
  for (const [type, { status }] of Object.entries(problemList)) {
    const answer = await api.app.inject(`/problems/${type}`);
    expect(answer.statusCode).toBe(200);
    expect(answer.body).toMatch(new RegExp(`^# ${type}\\n\\n${status}\\.`));
  }
  expect((await api.app.inject('/problems/none')).json()).toMatchObject({ type: '/problems/not-found' });
});

test('a client that has the document is told so', async () => {
  const first = await api.app.inject('/openapi.json');
  const again = await api.app.inject({
    url: '/openapi.json',
    headers: { 'if-none-match': String(first.headers.etag) },
  });
  expect(again.statusCode).toBe(304);
});

test('the pages read well without the network and under a strict policy', async () => {
  const address = await api.app.listen({ host: '127.0.0.1', port: 0 });
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(address) && !request.url().startsWith('data:'))
        complaints.push(request.url());
    });
    const answer = await page.goto(`${address}/docs`);
    expect(answer?.headers()['content-security-policy']).toMatch("script-src 'self';");
    await page.getByText('/v1/carts').first().click();
    await page.getByText('Only carts in this state now.').waitFor();
    expect(await page.locator('.opblock').count()).toBe(operations().length);
    expect(complaints).toEqual([]);
  } finally {
    await browser.close();
  }
});

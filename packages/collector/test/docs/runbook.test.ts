import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type TestCollector, startCollector } from '../ingest/collector.ts';
import { createSite } from '../support/site.ts';
import { root } from './markdown.ts';

type Rule = { alert: string; expr: string; annotations: { runbook: string } };

const { groups } = parse(readFileSync(`${root}ops/alerts.yml`, 'utf8')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const runbook = readFileSync(`${root}docs/runbook.md`, 'utf8');

let collector: TestCollector;
let figures: string;
beforeAll(async () => {
  collector = await startCollector();
  const { siteId } = await createSite(collector.database.pool);
  await collector.database.pool.query(
    `insert into store.clocks (site_id, as_of, newest_touchpoint_at) values ($1, now(), '2026-11-20T00:00:00Z')`,
    [siteId],
  );
  figures = (await collector.app.inject('/metrics')).body;
});
afterAll(() => collector.stop());

test.each(rules)('$alert is about figures that there are, and the runbook says what to do', (rule) => {
  const named = rule.expr.match(/\b(?:milepost|nodejs|process)_\w+/g) ?? [];
  for (const name of named)
    expect(figures).toMatch(new RegExp(`^# TYPE ${name.replace(/_bucket$/, '')} `, 'm'));
  expect(rule.annotations.runbook).toBe(`docs/runbook.md#${rule.alert.toLowerCase()}`);
  expect(runbook).toMatch(`\n### ${rule.alert}\n`);
});

test('the runbook is about no alert that there is not', () => {
  const headings = [...runbook.matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
  expect(new Set(headings)).toEqual(new Set(rules.map(({ alert }) => alert)));
});

test('a site that was heard of last tells when', () => {
  const seconds = Date.UTC(2026, 10, 20) / 1_000;
  expect(figures).toMatch(
    new RegExp(`^milepost_site_newest_touchpoint_timestamp_seconds\\{site_id="\\d+"\\} ${seconds}$`, 'm'),
  );
});

const queries = [...runbook.matchAll(/^```sql\n([\s\S]*?)^```$/gm)].map(([, query = '']) => query);
test.each(queries)('the query works: %s', async (query) => {
  await collector.database.pool.query(query);
});

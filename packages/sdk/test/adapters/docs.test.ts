import { beforeAll, expect, test } from 'vitest';
import { blocksOf, textOf } from '../../../collector/test/docs/markdown.ts';
import { builtSdk } from '../support/built.ts';
import { bundleOf } from '../support/bundle.ts';
import { usePages } from '../support/pages.ts';
import { until } from '../support/visit.ts';

// What docs/adapters.md and docs/surveys.md show, from what the package exports.

const pages = usePages('');
beforeAll(builtSdk, 120_000);

const examples = ['docs/adapters.md', 'docs/surveys.md'].flatMap((file) =>
  blocksOf(textOf(file))
    .filter(({ language }) => language === 'ts')
    .map(({ text }, index) => ({ file, index, text })),
);

test.each(examples)('example $index of $file runs', async ({ text }) => {
  const code = text.replaceAll('https://YOUR-COLLECTOR', pages.sink.url);
  pages.files.set('/example.js', await bundleOf(code));
  const failures: string[] = [];
  const page = await pages.context.newPage();
  page.on('pageerror', ({ message }) => failures.push(message));
  page.on('console', (message) => message.text().startsWith('milepost:') && failures.push(message.text()));
  pages.files.set('/', '<!doctype html><script src="/example.js"></script>');
  await page.goto(pages.url);
  await until('the page view', () => pages.sink.named('page').length > 0);
  expect(failures).toEqual([]);
});

test('the theme of docs/surveys.md names every property there is, and no other', async () => {
  const { style } = await import('../../src/plugins/survey/style.ts');
  const namesIn = (text: string) => [...new Set(text.match(/--milepost-survey-[\w-]+/g))].sort();
  const [theme] = blocksOf(textOf('docs/surveys.md')).filter(({ language }) => language === 'css');
  expect(namesIn(theme!.text)).toEqual(namesIn(style));
});

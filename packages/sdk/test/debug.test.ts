import { expect, test } from 'vitest';
import { openPage, pageAt, trackMany, until } from './support/visit.ts';
import { useWorld } from './support/world.ts';

const world = useWorld();

test('developers read what becomes of each touchpoint', async () => {
  const page = await openPage(world.context, `${world.site.url}/plain`);
  const said: string[] = [];
  page.on('console', (message) => said.push(message.text().replace(/ JSHandle.*| \{.*| \[.*|\s*$/, '')));
  world.sink.decide = ({ batch }) =>
    batch.some(({ name }) => name === 'bad')
      ? {
          status: 200,
          body: { results: batch.map(({ id }) => ({ id, status: 'rejected', reason: 'invalid' })) },
        }
      : undefined;
  await page.evaluate(`(async () => {
    const [{ createTracker }, { debug }] = await Promise.all([import('/milepost.esm.js'), import('/debug.esm.js')]);
    const tracker = createTracker({
      writeKey: 'wk_test',
      host: ${JSON.stringify(world.sink.url)},
      pageViews: 'manual',
      beforeSend: (event) => (event.name === 'secret' ? null : event),
      plugins: [debug()],
    });
    tracker.track('good');
    tracker.track('secret');
    await tracker.flush();
    tracker.track('bad');
    await tracker.flush();
    tracker.consent('denied');
    tracker.track('refused');
  })()`);
  await until('all of it', () => said.length >= 11);
  // The core's own warning and what the plug-in hears of the answer come in either order.
  const others = said.filter((line) => line !== 'milepost: rejected: invalid');
  expect(said).toContain('milepost: rejected: invalid');
  expect(others).toEqual([
    'milepost: consent is granted: touchpoints are kept and sent',
    'milepost: queued good',
    'milepost: dropped secret, for beforeSend returned null',
    expect.stringMatching(/^milepost: sent good \(\d+ bytes\)$/),
    'milepost: accepted good',
    'milepost: queued bad',
    expect.stringMatching(/^milepost: sent bad \(\d+ bytes\)$/),
    'milepost: rejected bad invalid',
    expect.stringContaining('milepost: consent is denied: nothing is recorded'),
    'milepost: dropped track(), for consent is denied',
  ]);
});

test('the debugging script may come beside the snippet', async () => {
  const page = await world.settledPage();
  const said: string[] = [];
  page.on('console', (message) => said.push(message.text()));
  await page.addScriptTag({ url: '/milepost.debug.js' });
  world.sink.nextAnswers.push({ status: 503 });
  await trackMany(page, 'late');
  await until('the verdict', () => said.some((text) => text.includes('accepted late')));
  expect(said.join('\n')).toMatch(
    /queued late[^]*sent late[^]*503: the touchpoint kept, tried again soon[^]*sent late/,
  );
});

test('without the script there is nothing to hear', async () => {
  const page = await openPage(world.context, pageAt(`${world.site.url}/one`));
  const said: string[] = [];
  page.on('console', (message) => said.push(message.text()));
  await trackMany(page, 'quiet');
  await until('the touchpoint', () => world.sink.named('quiet').length === 1);
  expect(said).toEqual([]);
});

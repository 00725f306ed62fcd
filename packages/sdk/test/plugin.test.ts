import { expect, test } from 'vitest';
import { openPage, pageAt, until } from './support/visit.ts';
import { useWorld } from './support/world.ts';

// What a plug-in can rely on. Each runs in a page of its own, written as text, for it must not close over anything here.

const world = useWorld();

/** A page with a tracker that has these options, written in JavaScript. */
async function pageWith(options: string) {
  const page = await openPage(world.context, `${world.site.url}/plain`);
  const warnings: string[] = [];
  const errors: Error[] = [];
  page.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
  page.on('pageerror', (error) => errors.push(error));
  await page.evaluate(`(async () => {
    const { createTracker } = await import('/milepost.esm.js');
    window.seen = [];
    window.milepost = createTracker({ writeKey: 'wk_test', host: ${JSON.stringify(world.sink.url)}, ${options} });
  })()`);
  return { page, warnings, errors, seen: () => page.evaluate('window.seen') };
}

test('plug-ins hear of views, of leaving, of showing and of consent', async () => {
  const { page, seen } = await pageWith(`plugins: [({ on, viewed }) => {
    for (const moment of ['view', 'leave', 'show', 'consent']) on(moment, () => seen.push(moment + ' ' + (viewed()?.path ?? '')));
  }]`);
  await page.evaluate(() => {
    history.pushState(null, '', '/plain/two');
    return new Promise((resolve) => setTimeout(resolve, 20));
  });
  await page.evaluate(() => {
    dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
    dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
    window.milepost.consent('granted');
  });
  expect(await seen()).toEqual([
    'view /plain',
    'leave /plain',
    'view /plain/two',
    'leave /plain/two',
    'show /plain/two',
    'leave /plain/two',
    'view /plain/two',
    'consent /plain/two',
  ]);
});

test('what a plug-in records on leaving belongs to the page that is left', async () => {
  const { page } = await pageWith(`plugins: [({ on, add, viewed }) => {
    on('leave', () => viewed() && add({ name: 'measured', properties: { n: 1 } }, { page: viewed() }));
  }]`);
  await page.evaluate(() => history.pushState(null, '', '/plain/two'));
  await until('the measurement', () => world.sink.named('measured').length > 0);
  expect(world.sink.named('measured')[0]!.context.page!.path).toBe('/plain');
});

test('filters change and drop what is recorded, beforeSend last', async () => {
  const { page } = await pageWith(`
    pageViews: 'manual',
    plugins: [({ filter }) => filter((event) => ({ ...event, properties: { ...event.properties, by: ['plugin'] } }))],
    beforeSend: (event) => {
      if (event.name === 'secret') return null;
      event.properties.by.push('beforeSend');
      return event;
    }`);
  await page.evaluate(() => {
    window.milepost.track('secret', { n: 1 });
    window.milepost.track('open', { n: 2 });
  });
  await until('the one', () => world.sink.named('open').length === 1);
  expect(world.sink.named('open')[0]!.properties).toEqual({ n: 2, by: ['plugin', 'beforeSend'] });
  expect(world.sink.named('secret')).toEqual([]);
  // dropping on purpose is no loss
  expect(world.sink.posts.some(({ body }) => body.lost)).toBe(false);
});

test('methods join the tracker, also over its own, and what fails becomes one warning', async () => {
  const { page, warnings, errors, seen } = await pageWith(`plugins: [
    () => { throw new Error('cannot start'); },
    ({ tracker }) => {
      const { track } = tracker;
      return {
        track: (name, properties) => track('my ' + name, properties),
        hello: () => seen.push('hello'),
        broken: () => { throw new Error('broken'); },
      };
    },
    ({ on }) => on('view', () => { throw new Error('cannot hear'); }),
  ]`);
  await page.evaluate(() => {
    const tracker = window.milepost as unknown as Record<string, (name?: string) => void>;
    tracker['track']!('call');
    tracker['hello']!();
    tracker['broken']!();
    tracker['broken']!();
  });
  await until('the call', () => world.sink.named('my call').length === 1);
  expect(await seen()).toEqual(['hello']);
  expect(warnings).toEqual([
    'milepost: Error: cannot start',
    'milepost: Error: cannot hear',
    'milepost: Error: broken',
  ]);
  expect(errors).toEqual([]);
});

test('a plug-in can begin later, also through the loader', async () => {
  const page = await openPage(world.context, `${world.site.url}/one`);
  await page.evaluate(() => {
    window.milepost.use(({ tracker, visitorId }) => {
      tracker.track('later', { visitor: visitorId() });
      return { later: () => undefined };
    });
  });
  await until('its call', () => world.sink.named('later').length === 1);
  const [later] = world.sink.named('later');
  expect(later!.properties).toEqual({ visitor: later!.anonymous_id });
  expect(await page.evaluate(() => 'later' in window.milepost)).toBe(true);
});

test('a plug-in that says who the visitor is, is heard only where nobody is known yet', async () => {
  const plugins = `plugins: [({ becomeVisitor }) => becomeVisitor('from-elsewhere')]`;
  const { page } = await pageWith(plugins);
  await until('the page view', () => world.sink.named('page').length === 1);
  expect(world.sink.named('page')[0]!.anonymous_id).toBe('from-elsewhere');
  await page.evaluate(() => window.milepost.reset());
  await page.close();
  await pageWith(plugins);
  await until('the next page view', () => world.sink.named('page').length === 2);
  expect(world.sink.named('page')[1]!.anonymous_id).toMatch(/^[\da-f-]{36}$/);
});

test.each([{ api: 'with the Navigation API' }, { api: 'without the Navigation API' }])(
  'one page view for each way to another address, $api',
  async ({ api }) => {
    if (api.startsWith('without')) {
      await world.context.addInitScript(() =>
        Object.defineProperty(window, 'navigation', { value: undefined }),
      );
    }
    const page = await openPage(world.context, pageAt(`${world.site.url}/one`));
    const paths = ['/push', '/replace'];
    await page.evaluate(() => history.pushState(null, '', '/push'));
    await page.waitForTimeout(20);
    await page.evaluate(() => history.replaceState(null, '', '/replace'));
    await page.waitForTimeout(20);
    if (!api.startsWith('without')) {
      paths.push('/navigate');
      await page.evaluate(async () => {
        navigation.addEventListener('navigate', (event) => event.intercept());
        await navigation.navigate('/navigate').finished;
      });
      await page.waitForTimeout(20);
    }
    await page.goBack();
    await until('the page views', () => world.sink.named('page').length >= paths.length + 2);
    await page.waitForTimeout(300);
    expect(world.sink.named('page').map(({ context }) => context.page!.path)).toEqual([
      '/one',
      ...paths,
      api.startsWith('without') ? '/one' : '/replace',
    ]);
  },
);

test('modules are found by an import map, and need nothing else', async () => {
  const page = await openPage(world.context, `${world.site.url}/plain`);
  await page.evaluate(`(async () => {
    const map = document.createElement('script');
    map.type = 'importmap';
    map.textContent = JSON.stringify({
      imports: { '@milepost/sdk': '/milepost.esm.js', '@milepost/sdk/engagement': '/engagement.esm.js' },
    });
    document.head.append(map);
    const [{ createTracker }, { engagement }] = await Promise.all([
      import('@milepost/sdk'),
      import('@milepost/sdk/engagement'),
    ]);
    createTracker({ writeKey: 'wk_test', host: ${JSON.stringify(world.sink.url)}, plugins: [engagement()] }).track('mapped');
  })()`);
  await until('the call', () => world.sink.named('mapped').length === 1);
});

import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'acorn';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sizesOf } from '../scripts/sizes.ts';
import { builtSdk } from './support/built.ts';

// What a site gets: the files of `dist`, and the package as npm would pack it.

const folder = join(import.meta.dirname, '..');
let dist = '';
const home = mkdtempSync(join(tmpdir(), 'milepost-npm-'));
beforeAll(async () => {
  dist = await builtSdk();
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

test.each([
  { name: 'milepost.js', limit: 5_120 },
  { name: 'milepost.esm.js', limit: 5_120 },
  { name: 'milepost.full.js', limit: 12_288 },
])('$name weighs at most $limit bytes after gzip -9', ({ name, limit }) => {
  expect(sizesOf(dist).find((size) => size.name === name)!.gzip).toBeLessThanOrEqual(limit);
});

test('every file is ES2020', () => {
  for (const name of globSync('**/*.js', { cwd: dist, exclude: ['tsc/**'] })) {
    const sourceType = name.endsWith('.esm.js') ? 'module' : 'script';
    const code = readFileSync(join(dist, name), 'utf8');
    expect(() => parse(code, { ecmaVersion: 2020, sourceType }), name).not.toThrow();
  }
});

test('a plug-in brings neither the core nor another plug-in along', () => {
  for (const { name, gzip } of sizesOf(dist)) {
    if (!/^(parts|milepost)/.test(name))
      expect({ name, isSmall: gzip < 2_560 }).toEqual({ name, isSmall: true });
  }
});

test('the packed package works under Node, each of its modules can be imported, and it needs no other', () => {
  const [{ filename, files }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', home], { cwd: folder, encoding: 'utf8' }),
  ) as [{ filename: string; files: { path: string }[] }];
  expect(files.map(({ path }) => path)).toContain('dist/milepost.full.js');
  const target = join(home, 'node_modules', '@milepost');
  mkdirSync(target, { recursive: true });
  execFileSync('tar', ['-xzf', join(home, filename), '-C', home]);
  cpSync(join(home, 'package'), join(target, 'sdk'), { recursive: true });

  const { exports, dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { types: string; import: string }>;
    dependencies?: object;
  };
  expect(dependencies).toBeUndefined();
  const modules = Object.entries(exports).filter(([, to]) => typeof to === 'object');
  for (const [, to] of modules) {
    const { types, import: file } = to as { types: string; import: string };
    for (const path of [types, file]) expect(files.map(({ path }) => `./${path}`)).toContain(path);
  }
  // react and vue are the site's own
  const own = modules.map(([name]) => name).filter((name) => !/react|vue/.test(name));
  const script = own
    .map((name, index) => `import * as m${index} from '@milepost/sdk${name.slice(1)}';`)
    .concat(`console.log(typeof m0.createTracker({ writeKey: 'wk_1' }).purchase, ${own.length});`)
    .join('\n');
  const said = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: home,
    encoding: 'utf8',
  });
  expect(said.trim()).toBe(`function ${own.length}`);

  // its types say the same without our sources beside them
  const consumer = readFileSync(join(folder, 'test', 'consumer.ts'), 'utf8')
    .replace('../src/index.ts', '@milepost/sdk')
    .replace('../src/plugins/journey.ts', '@milepost/sdk/journey');
  writeFileSync(join(home, 'consumer.ts'), consumer);
  const everything = own.map((name) => `import '@milepost/sdk${name.slice(1)}';\n`).join('');
  writeFileSync(join(home, 'everything.ts'), everything);
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    lib: ['es2022', 'dom'],
    strict: true,
    noEmit: true,
    types: [],
  };
  writeFileSync(
    join(home, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['consumer.ts', 'everything.ts'] }),
  );
  writeFileSync(join(home, 'package.json'), '{ "type": "module" }');
  const tsc = join(folder, 'node_modules', '.bin', 'tsc');
  expect(spawnSync(tsc, ['-p', home], { encoding: 'utf8' }).stdout).toBe('');
});

import { existsSync, globSync } from 'node:fs';
import { posix } from 'node:path';
import { expect, test } from 'vitest';
import { blocksOf, root, textOf } from './markdown.ts';

const files = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  ...globSync(
    [
      'docs/**/*.md',
      'benchmarks/*.md',
      'examples/*/*.md',
      'packages/sdk/*.md',
      'packages/collector/test/**/*.md',
    ],
    { cwd: root },
  ).map((file) => file.replaceAll('\\', '/')),
];

/** Addresses inside the repository that a document links to: `[text](address)` and images. */
function linksOf(file: string): string[] {
  const prose = textOf(file).replaceAll(/^```[^]*?^```$/gm, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, address = '']) => address)
    .filter((address) => !/^[a-z]+:/.test(address));
}

/** Anchors as they are made from headings. */
function anchorsOf(file: string): Set<string> {
  const headings = textOf(file).matchAll(/^#{1,6} (.+)$/gm);
  const anchorOf = (heading: string) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-');
  return new Set([...headings].map(([, heading = '']) => anchorOf(heading)));
}

test.each(files)('links of %s lead somewhere', (file) => {
  const broken = linksOf(file).filter((address) => {
    const [path = '', anchor] = address.split('#');
    const target = path === '' ? file : posix.normalize(posix.join(posix.dirname(file), path));
    if (!existsSync(`${root}${target}`)) return true;
    return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor);
  });
  expect(broken).toEqual([]);
});

test.each(files)('paths that %s names exist', (file) => {
  const named = [
    ...textOf(file).matchAll(/`((?:packages|migrations|tools|benchmarks|examples|docs)\/[\w./-]+)`/g),
  ];
  const missing = named.map(([, path = '']) => path).filter((path) => !existsSync(`${root}${path}`));
  // Benchmarks write theirs when they run.
  expect(missing.filter((path) => !path.startsWith('benchmarks/results'))).toEqual([]);
});

const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };

test.each(files)('npm scripts in %s exist', (file) => {
  const shell = blocksOf(textOf(file)).filter(({ language }) => language === 'sh');
  const named = shell.flatMap(({ text }) => [...text.matchAll(/npm (?:run )?([a-z:]+)/g)]);
  const unknown = named.map(([, script = '']) => script).filter((script) => !(script in scripts));
  expect(unknown).toEqual([]);
});

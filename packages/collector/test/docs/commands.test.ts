import { Command } from 'commander';
import { globSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { root, textOf } from './markdown.ts';

// The commands that documents show exist, with the options they show.

const folder = `${root}packages/collector/src/cli`;
const documents = ['README.md', ...globSync('docs/*.md', { cwd: root })];
const program = new Command('milepost');
for (const file of globSync('*.ts', { cwd: folder })) {
  if (file === 'main.ts' || file.endsWith('.test.ts')) continue; // main.ts runs what it is called with
  const loaded = (await import(pathToFileURL(`${folder}/${file}`).href)) as {
    register?: (program: Command) => void;
  };
  loaded.register?.(program);
}

const shown = documents.flatMap((file) =>
  [...textOf(file).matchAll(/^npm run milepost -- (.+?)(?: +#.*| \\)?$/gm)].map(([, line = '']) => ({
    file,
    line,
  })),
);

test('documents show commands', () => {
  expect(shown.length).toBeGreaterThan(10);
});

test.each(shown)('milepost $line, as $file shows it', ({ line }) => {
  let command: Command = program;
  for (const word of line.split(' ')) {
    const next = command.commands.find((candidate) => candidate.name() === word);
    if (next === undefined) break;
    command = next;
  }
  expect(command.commands).toEqual([]); // a command that does something, not a family of them
  const options = command.options.map(({ long }) => long);
  expect(options).toEqual(expect.arrayContaining([...line.matchAll(/--[a-z-]+/g)].map(([option]) => option)));
});

/** Makes migrations/definitions/23_source_categories.sql of the lists beside this file; README.md says where they are from. */
import { readFileSync, writeFileSync } from 'node:fs';

type Entry = { source: string; category: string; name: string | null; hasSubdomains: boolean };

const here = (file: string): URL => new URL(file, import.meta.url);

/** The file that the lists make. */
export const target = here('../../migrations/definitions/23_source_categories.sql');

// Nothing but search lives under these; elsewhere a subdomain may be anything: docs.google.com, finance.yahoo.com.
const searchAlone =
  /(?:^|\.)(?:ask|bing|brave|dogpile|duckduckgo|ecosia|kagi|metager|mojeek|qwant|sogou|startpage|swisscows)\./;

// Engines that Google names by their host and people by their name.
const namesBesideGoogles = ['ecosia', 'startpage'];

const categoryOf: Record<string, string> = {
  SOURCE_CATEGORY_SEARCH: 'search',
  SOURCE_CATEGORY_SHOPPING: 'shopping',
  SOURCE_CATEGORY_SOCIAL: 'social',
  SOURCE_CATEGORY_VIDEO: 'video',
  ai_assistant: 'assistant',
};

/** Rows of a list: the first two columns. None of the lists quotes what stands in them. */
function rowsOf(file: string): [string, string][] {
  const [, ...lines] = readFileSync(here(file), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [source = '', kind = ''] = line.split(',');
    return [source.toLowerCase().replace(/^www\./, ''), categoryOf[kind] ?? kind];
  });
}

/** Every source with its kind, in order of their names. */
export function entries(): Entry[] {
  const google = rowsOf('ga4.csv');
  const matomo = rowsOf('matomo.csv').filter(([source]) => !source.includes('/'));
  const own = rowsOf('own.csv');
  const refusedReferrers = own.filter(([, category]) => category === 'payment');
  const assistants = matomo.filter(([, category]) => category === 'assistant');
  const kinds = new Map<string, string>();
  for (const [source, category] of [...refusedReferrers, ...google, ...own, ...assistants, ...matomo]) {
    // A placeholder in the middle would take a look-up of its own; the host's parent is listed too.
    if (!/.\.\{\}\../.test(source) && !kinds.has(source)) kinds.set(source, category);
  }
  const names = new Set([
    ...namesBesideGoogles,
    ...google
      .filter(([source, category]) => category === 'search' && !source.includes('.'))
      .map(([source]) => source),
  ]);
  return [...kinds]
    .map(([source, category]) => {
      const isSearch = category === 'search';
      const name =
        isSearch && source.includes('.') ? source.split('.').find((label) => names.has(label)) : null;
      return { source, category, name: name ?? null, hasSubdomains: !isSearch || searchAlone.test(source) };
    })
    .sort((a, b) => (a.source < b.source ? -1 : 1));
}

/** The SQL that loads them. */
export function sqlOf(all: Entry[]): string {
  const groups = new Map<string, Entry[]>();
  for (const entry of all) {
    const key = [entry.category, entry.name ?? '', String(entry.hasSubdomains)].join(' ');
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  const values = [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, group]) => {
      const { category, name, hasSubdomains } = group[0];
      const sources = group.map(({ source }) => source.replaceAll(' ', '%20'));
      const quotedName = name === null ? 'null' : `'${name}'`;
      return `  ('${category}', ${quotedName}, ${hasSubdomains}, '\n${filled(sources)}')`;
    });
  return `-- Which kind of site a source is. Made by tools/source-lists/write.ts of the lists beside it, whose README.md names where
-- they are from and their licences: change those, not this.
delete from store.source_categories;
insert into store.source_categories (category, name, has_subdomains, source)
select lists.category, lists.name, lists.has_subdomains, replace(categories.source, '%20', ' ')
from (values
${values.join(',\n')}
) as lists (category, name, has_subdomains, sources)
cross join lateral regexp_split_to_table(btrim(lists.sources, E' \\n'), '\\s+') as categories (source);
analyze store.source_categories;
`;
}

/** Words in lines of 120 characters. */
function filled(words: string[]): string {
  const lines: string[] = [];
  let line = '   ';
  for (const word of words) {
    if (line.length + word.length + 1 > 120) {
      lines.push(line);
      line = '   ';
    }
    line += ` ${word}`;
  }
  return [...lines, line].join('\n');
}

if (import.meta.main) writeFileSync(target, sqlOf(entries()));

import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Refusal } from '../refusal.ts';
import { checkModel } from './check.ts';
import type { ModelDocument } from './document.ts';

const folder = fileURLToPath(new URL('../../../../migrations/models/', import.meta.url));

/** The names of the models that come with Milepost. */
export async function shippedModels(): Promise<string[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -5))
    .sort();
}

/** The model of that name, else the one in that file; refused with every problem it has. */
export async function readModel(nameOrFile: string): Promise<ModelDocument> {
  const shipped = await shippedModels();
  const path = shipped.includes(nameOrFile) ? `${folder}${nameOrFile}.json` : nameOrFile;
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Refusal(
      `${nameOrFile} is neither a model of Milepost's (${shipped.join(', ')}) nor a file that can be read (${error.code}).`,
    );
  });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new Refusal(`${nameOrFile} is no JSON: ${(error as Error).message}.`);
  }
  const checked = checkModel(document);
  if (checked.ok) return checked.model;
  const problems = checked.problems.map((problem) => `\n  - ${problem}`).join('');
  throw new Refusal(`${nameOrFile} is no journey model that can be applied:${problems}`);
}

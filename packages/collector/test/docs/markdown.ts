import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder that documents are named from. */
export const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** `UPDATE_EXAMPLES=1` writes what the code answers into the documents; then read the difference. */
export const isUpdating = process.env['UPDATE_EXAMPLES'] !== undefined;

/** A fenced block of a document: its language, and its text without the fences. */
export type Block = { language: string; text: string };

/** The text of a document. */
export function textOf(file: string): string {
  return readFileSync(`${root}${file}`, 'utf8');
}

/** The part of a document below a heading of the second level. */
export function sectionOf(file: string, heading: string): string {
  const [, section] = new RegExp(`^## ${heading}\\n([^]*?)(?=^## |(?![^]))`, 'm').exec(textOf(file)) ?? [];
  if (section === undefined) throw new Error(`${file} has no section “${heading}”`);
  return section;
}

/** Fenced blocks in order. */
export function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language = '', body = '']) => ({
    language,
    text: body,
  }));
}

/** Puts another answer behind a question: the first block after `question` that is written in `language`. */
export function writeAnswer(file: string, { question, answer }: { question: Block; answer: Block }): void {
  const text = textOf(file);
  const asked = `\`\`\`${question.language}\n${question.text}\`\`\``;
  const from = text.indexOf(asked) + asked.length;
  const opening = `\`\`\`${answer.language}\n`;
  const start = text.indexOf(opening, from) + opening.length;
  const end = text.indexOf('```', start);
  writeFileSync(`${root}${file}`, `${text.slice(0, start)}${answer.text}${text.slice(end)}`);
}

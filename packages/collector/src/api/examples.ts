import { madeLink } from '../ingest/links/make.ts';
import answers from './examples.json' with { type: 'json' };

/** The first change of the list as the stream tells it. */
function eventOf([change]: { cursor: string; type: string }[]): string {
  return `id: ${change?.cursor}\nevent: ${change?.type}\ndata: ${JSON.stringify(change)}\n\n`;
}

const exampleLink = madeLink(
  { user_id: 'ada', target: 'https://shop.example/boots', expires_at: '2029-12-31T00:00:00Z' },
  { siteId: 1, secret: new Uint8Array(32), now: 0, origin: 'https://data.shop.example' },
);

/**
 * What each operation answers, by its id: real answers, written and compared by the test of the examples. What changes
 * something answers as what reads it does, and a stream tells what a list does.
 */
export const examples: Record<string, unknown> = {
  ...answers,
  putGoals: answers.getGoals,
  makeLinks: exampleLink,
  streamChanges: eventOf(answers.listChanges.changes),
};

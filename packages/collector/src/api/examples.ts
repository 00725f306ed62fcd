import answers from './examples.json' with { type: 'json' };

/** What each operation answers, by its id: real answers, written and compared by the test of the examples. */
export const examples: Record<string, unknown> = answers;

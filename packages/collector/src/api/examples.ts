import answers from './examples.json' with { type: 'json' };

/**
 * What each operation answers, by its id: real answers, written and compared by the test of the examples. What changes
 * something answers as what reads it does.
 */
export const examples: Record<string, unknown> = { ...answers, putGoals: answers.getGoals };

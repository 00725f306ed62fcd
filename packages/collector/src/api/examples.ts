/** What each operation answers, by its id. A test asks for the same and compares. */
export const examples: Record<string, unknown> = {};

/**
 * Shares each answer: those who ask while it is being made get the same one, and so do those who ask within four times
 * the time that took. So a question may be asked by any number of dashboards and never takes more than a fifth of a
 * database connection, while an answer that was cheap is as good as new. A failure is shared by nobody who asks later.
 */
export function shared<Answer>(
  make: (siteId: number) => Promise<Answer>,
  { now = () => performance.now() }: { now?: () => number } = {},
): (siteId: number) => Promise<Answer> {
  const answers = new Map<number, { answer: Promise<Answer>; until: number }>();
  return (siteId) => {
    const known = answers.get(siteId);
    if (known !== undefined && now() < known.until) return known.answer;
    const entry = { answer: made(siteId), until: Number.POSITIVE_INFINITY };
    answers.set(siteId, entry);
    return entry.answer;
  };

  async function made(siteId: number): Promise<Answer> {
    const begun = now();
    let until = Number.NEGATIVE_INFINITY;
    try {
      const answer = await make(siteId);
      until = now() + 4 * (now() - begun);
      return answer;
    } finally {
      const entry = answers.get(siteId);
      if (entry !== undefined) entry.until = until;
    }
  }
}

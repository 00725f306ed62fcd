/** What is remembered of a survey in a browser. */
export type Memory = {
  /** Whose memory it is: after `reset()` somebody else may be asked. */
  visitor: string;
  /** The wave that was answered last. */
  answered?: string;
  /** When it was last dismissed, or looked past for the third time, in milliseconds since 1970. */
  dismissedAt?: number;
  /** How often it was shown since it was last answered or dismissed. */
  shown: number;
};

/** Who asks, and when. */
export type Occasion = { visitor: string; wave: string; now: number; restDays: number };

// shown on so many pages without any answer, it counts as dismissed
const maxShown = 3;
const dayMs = 86_400_000;

/** Whether this visitor may be asked: not answered in this wave, and not dismissed within the last `restDays`. */
export function mayAsk(memory: Memory, { wave, now, restDays }: Occasion): boolean {
  if (memory.answered === wave) return false;
  return memory.dismissedAt === undefined || now - memory.dismissedAt >= restDays * dayMs;
}

/** What is remembered, from its text. Somebody else's memory, or a text that is none, is an empty one. */
export function memoryOf(text: string | undefined, visitor: string): Memory {
  try {
    const memory = JSON.parse(text!) as Memory | null;
    if (memory?.visitor === visitor) return memory;
  } catch {
    // nothing is remembered, or a text that somebody else wrote
  }
  return { visitor, shown: 0 };
}

/** The memory after something happened. */
export function afterwards(
  memory: Memory,
  what: 'shown' | 'dismissed' | 'answered',
  { wave, now }: Occasion,
): Memory {
  const { visitor } = memory;
  if (what === 'answered') return { visitor, answered: wave, shown: 0 };
  const shown = memory.shown + 1;
  if (what === 'shown' && shown < maxShown) return { ...memory, shown };
  return { ...memory, dismissedAt: now, shown: 0 };
}

/**
 * Whether a visitor belongs to the share (0 to 1) that is asked. The same visitor always gets the same answer in one
 * wave, and another draw in the next.
 */
export function isInSample(share: number, { visitor, wave }: Occasion, surveyId: string): boolean {
  let hash = 0x811c9dc5;
  for (const letter of `${surveyId} ${wave} ${visitor}`) {
    hash = Math.imul(hash ^ letter.codePointAt(0)!, 0x01000193);
  }
  // the last letters of an id would otherwise only reach the low bits
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash ^= hash >>> 13;
  return (hash >>> 0) / 2 ** 32 < share;
}

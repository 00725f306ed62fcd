/** One thing that the doctor found, and what to do about it. */
export type Finding = {
  /** Which check found it, in a word that stays. */
  check: string;
  /** `wrong` must be put right; a `note` is worth a look. */
  level: 'wrong' | 'note';
  /** The site it is about; null when it is about all of them. */
  site_id: number | null;
  found: string;
  advice: string;
};

export const wrong = (
  check: string,
  found: string,
  advice: string,
  siteId: number | null = null,
): Finding => ({
  check,
  level: 'wrong',
  site_id: siteId,
  found,
  advice,
});

export const note = (
  check: string,
  found: string,
  advice: string,
  siteId: number | null = null,
): Finding => ({
  ...wrong(check, found, advice, siteId),
  level: 'note',
});

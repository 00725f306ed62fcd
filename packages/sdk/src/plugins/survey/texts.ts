/** What is asked for: recommendation (0 to 10), satisfaction (1 to 5), or effort (1 to 7, higher is easier). */
export type SurveyKind = 'nps' | 'csat' | 'ces';

/** Lowest and highest score of each kind. */
export const scores: Record<SurveyKind, readonly [from: number, to: number]> = {
  nps: [0, 10],
  csat: [1, 5],
  ces: [1, 7],
};

/** All that a visitor reads or hears. */
export type SurveyTexts = {
  question: string;
  /** What the lowest score means. */
  low: string;
  /** What the highest score means. */
  high: string;
  /** Label of the field for a comment. */
  comment: string;
  send: string;
  close: string;
  thanks: string;
  /** Name of the box, which screen readers announce before the question. */
  title: string;
};

type Asking = Pick<SurveyTexts, 'question' | 'low' | 'high'>;
type Language = { common: Omit<SurveyTexts, keyof Asking> } & Record<SurveyKind, Asking>;

const english: Language = {
  nps: {
    question: 'How likely are you to recommend us to a friend?',
    low: 'Not at all likely',
    high: 'Extremely likely',
  },
  csat: { question: 'How satisfied are you with us today?', low: 'Not at all', high: 'Very satisfied' },
  ces: { question: 'How easy was it to do what you came for?', low: 'Very difficult', high: 'Very easy' },
  common: {
    comment: 'Would you like to tell us why?',
    send: 'Send',
    close: 'Close',
    thanks: 'Thank you for your answer.',
    title: 'Survey',
  },
};

const german: Language = {
  nps: {
    question: 'Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?',
    low: 'Sehr unwahrscheinlich',
    high: 'Sehr wahrscheinlich',
  },
  csat: { question: 'Wie zufrieden sind Sie heute mit uns?', low: 'Gar nicht', high: 'Sehr zufrieden' },
  ces: { question: 'Wie leicht ging, was Sie vorhatten?', low: 'Sehr schwer', high: 'Sehr leicht' },
  common: {
    comment: 'Möchten Sie uns sagen, warum?',
    send: 'Senden',
    close: 'Schließen',
    thanks: 'Danke für Ihre Antwort.',
    title: 'Umfrage',
  },
};

/** The texts in German where the language is German, else in English; with those given in their place. */
export function textsOf(kind: SurveyKind, language: string, own: Partial<SurveyTexts> = {}): SurveyTexts {
  const texts = /^de\b/i.test(language) ? german : english;
  return { ...texts.common, ...texts[kind], ...own };
}

/** The language that {@link textsOf} writes in, for `lang`. Own texts are in the language asked for. */
export function languageOf(language: string, own?: object): string {
  if (own) return language;
  return /^de\b/i.test(language) ? 'de' : 'en';
}

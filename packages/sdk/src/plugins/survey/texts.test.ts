import { expect, test } from 'vitest';
import { languageOf, textsOf } from './texts.ts';

test.each([
  { language: 'de-AT', question: 'Wie zufrieden sind Sie heute mit uns?', said: 'de' },
  { language: 'en', question: 'How satisfied are you with us today?', said: 'en' },
  { language: 'fr', question: 'How satisfied are you with us today?', said: 'en' },
  { language: 'den', question: 'How satisfied are you with us today?', said: 'en' },
])('a page in $language asks in $said', ({ language, question, said }) => {
  expect(textsOf('csat', language).question).toBe(question);
  expect(languageOf(language)).toBe(said);
});

test('own texts take the place of ours, and what is not given stays', () => {
  const texts = textsOf('nps', 'fr', { question: 'Nous recommanderiez-vous ?' });
  expect(texts.question).toBe('Nous recommanderiez-vous ?');
  expect(texts.send).toBe('Send');
  expect(languageOf('fr', {})).toBe('fr');
});

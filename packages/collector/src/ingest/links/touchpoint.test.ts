import { expect, test } from 'vitest';
import { taggedTarget } from './touchpoint.ts';

const campaign = { source: 'newsletter', medium: 'email', name: 'spring sale', id: 7 };

test.each([
  {
    target: 'https://shop.example/boots?size=42#top',
    tagged:
      'https://shop.example/boots?size=42&utm_source=newsletter&utm_medium=email&utm_campaign=spring+sale&utm_id=7#top',
  },
  { target: 'https://shop.example/?UTM_Source=own', tagged: 'https://shop.example/?UTM_Source=own' },
])('$target becomes $tagged', ({ target, tagged }) => {
  expect(taggedTarget(target, campaign)).toBe(tagged);
});

test('without a campaign a target stays as it is, in the form of addresses', () => {
  expect(taggedTarget('https://ü.example/ä', null)).toBe('https://xn--tda.example/%C3%A4');
});

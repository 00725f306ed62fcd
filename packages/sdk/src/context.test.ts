import { expect, test } from 'vitest';
import { arrivalOf, deviceTypeOf } from './context.ts';

test.each([
  { search: '', arrival: {} },
  { search: '?q=shoes', arrival: {} },
  { search: '?utm_source=&gclid=', arrival: {} },
  {
    search:
      '?utm_source=news%20letter&utm_medium=email&utm_campaign=spring&utm_term=t&utm_content=c&utm_id=7',
    arrival: {
      campaign: { source: 'news letter', medium: 'email', name: 'spring', term: 't', content: 'c', id: '7' },
    },
  },
  { search: '?utm_sourcer=x&xutm_source=x', arrival: {} },
  {
    search: '?gclid=1&gbraid=2&wbraid=3&dclid=4&msclkid=5&fbclid=6&ttclid=7&twclid=8&li_fat_id=9',
    arrival: {
      click_ids: {
        gclid: '1',
        gbraid: '2',
        wbraid: '3',
        dclid: '4',
        msclkid: '5',
        fbclid: '6',
        ttclid: '7',
        twclid: '8',
        li_fat_id: '9',
      },
    },
  },
])('$search', ({ search, arrival }) => {
  expect(arrivalOf(search)).toEqual(arrival);
});

test.each([
  {
    type: 'mobile',
    agent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148 Safari/604.1',
  },
  { type: 'mobile', agent: 'Mozilla/5.0 (Linux; Android 16; Pixel 9) Chrome/153.0.0.0 Mobile Safari/537.36' },
  { type: 'tablet', agent: 'Mozilla/5.0 (Linux; Android 16; SM-X910) Chrome/153.0.0.0 Safari/537.36' },
  {
    type: 'tablet',
    agent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15',
    touchPoints: 5,
  },
  { type: 'desktop', agent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15' },
  { type: 'desktop', agent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/153.0.0.0', touchPoints: 10 },
])('$type: $agent', ({ type, agent, touchPoints = 0 }) => {
  expect(deviceTypeOf(agent, touchPoints)).toBe(type);
});

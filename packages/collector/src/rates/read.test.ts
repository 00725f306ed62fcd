import { expect, test } from 'vitest';
import { readRates, UnreadableRates } from './read.ts';

const euro = (day: string) => ({ day, currency: 'EUR', rate: '1' });
const dollars = { day: '2024-01-02', currency: 'USD', rate: '1.0956' };

test.each([
  {
    what: 'the ECB’s daily file',
    text: 'Date, USD, JPY, \n02 January 2024, 1.0956, 155.68, \n',
    rates: [dollars, { ...dollars, currency: 'JPY', rate: '155.68' }],
  },
  {
    what: 'the ECB’s history, where N/A is no rate',
    text: 'Date,USD,CYP,\n2024-01-02,1.0956,N/A,\n',
    rates: [dollars],
  },
  {
    what: 'CSV of the ECB Data Portal',
    text: 'KEY,FREQ,CURRENCY,CURRENCY_DENOM,TIME_PERIOD,OBS_VALUE\nEXR.D.USD.EUR.SP00.A,D,USD,EUR,2024-01-02,1.0956\n',
    rates: [dollars],
  },
  { what: 'named columns', text: 'currency,rate,day\nusd,1.09560,2024-01-02\n', rates: [dollars] },
  { what: 'three cells without names', text: '2024-01-02,USD,1.0956', rates: [dollars] },
  { what: 'a JSON list', text: '[{"day":"2024-01-02","currency":"USD","rate":1.0956}]', rates: [dollars] },
  {
    what: 'a JSON list with a name and a base',
    text: '{"base":"EUR","rates":[{"date":"2024-01-02","currency":"USD","rate":"1.0956"}]}',
    rates: [dollars],
  },
  {
    what: 'one day as JSON',
    text: '{"base":"EUR","date":"2024-01-02","rates":{"USD":1.0956,"EUR":1}}',
    rates: [dollars],
  },
  {
    what: 'several days as JSON',
    text: '{"rates":{"2024-01-02":{"USD":1.0956}}}',
    rates: [dollars],
  },
])('$what', ({ text, rates }) => {
  expect(readRates(text)).toEqual({ days: 1, rates: [euro('2024-01-02'), ...rates] });
});

test('each day has its own base, whose rate is 1', () => {
  expect(readRates('day,currency,rate,base\n2024-01-02,EUR,0.9,USD\n2024-01-03,USD,1.1,EUR\n')).toEqual({
    days: 2,
    rates: [
      { day: '2024-01-02', currency: 'USD', rate: '1' },
      { day: '2024-01-02', currency: 'EUR', rate: '0.9' },
      euro('2024-01-03'),
      { day: '2024-01-03', currency: 'USD', rate: '1.1' },
    ],
  });
});

test('rates are kept to twelve decimals, as they were written', () => {
  const rateOf = (rate: string) => readRates(`2024-01-02,XXX,${rate}`).rates[1]?.rate;
  expect(['007.10', '16860.24', '0.1234567890125', '0.9999999999999', '0.000000000001'].map(rateOf)).toEqual([
    '7.1',
    '16860.24',
    '0.123456789013',
    '1',
    '0.000000000001',
  ]);
  expect(readRates('{"date":"2024-01-02","rates":{"XXX":1e-7}}').rates[1]?.rate).toBe('0.0000001');
});

test.each([
  { what: 'nothing', text: ' \n', message: 'There is nothing in it.' },
  { what: 'no rate', text: 'Date,USD,\n2024-01-02,N/A,\n', message: 'There is no rate in it.' },
  { what: 'broken JSON', text: '{"rates":', message: 'It begins like JSON and is none.' },
  { what: 'a page', text: '<html></html>', message: /^Line 1: name the columns/ },
  { what: 'no such day', text: '2024-02-28,USD,1\n2024-02-30,USD,1', message: /^Line 2: the day/ },
  { what: 'a day of the US', text: 'Date,USD\n1/2/2024,1.1', message: /^Line 2, column 2: the day/ },
  { what: 'no currency', text: 'day,currency,rate\n2024-01-02,dollar,1.1', message: /^Line 2: a currency/ },
  { what: 'no rate above 0', text: 'Date,USD,GBP\n2024-01-02,1.1,0', message: /^Line 2, column 3: the rate/ },
  { what: 'a negative rate', text: '2024-01-02,USD,-1', message: /^Line 1: the rate/ },
  { what: 'a decimal comma', text: 'day,currency,rate\n2024-01-02,USD,"1,1"', message: /^Line 2: the rate/ },
  {
    what: 'a column without a name',
    text: 'Date,USD,\n2024-01-02,1.1,2',
    message: /^Line 2, column 3: the column/,
  },
  {
    what: 'two rates',
    text: '2024-01-02,USD,1.1\n2024-01-02,USD,1.2',
    message: /^Line 2: the day has two rates/,
  },
  { what: 'a base that is not 1', text: '2024-01-02,EUR,1.2', message: /^Line 1: the base itself/ },
  {
    what: 'two bases',
    text: 'day,currency,rate,base\n2024-01-02,USD,1.1,EUR\n2024-01-02,JPY,150,USD',
    message: /^Line 3: the day has rates of two bases/,
  },
  { what: 'a list of numbers', text: '[1.1]', message: /^Rate 1: it is no object/ },
])('$what is refused with its place', ({ text, message }) => {
  expect(() => readRates(text)).toThrow(UnreadableRates);
  expect(() => readRates(text)).toThrow(message);
});

test('the same rate twice is one', () => {
  expect(readRates('2024-01-02,USD,1.1\n2024-01-02,USD,1.10').rates).toHaveLength(2);
});

export * from './answer.ts';
export * from './ids.ts';
export * from './judge.ts';
export * from './limits.ts';
export * from './time.ts';
export * from './touchpoint.ts';
export * from './vocabulary.ts';

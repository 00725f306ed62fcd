// What can happen to events on their way, for the tests here and for the benchmarks, which run it longer and on others.
export { openBrowsers, type Browsers, type Profiles } from './browsers.ts';
export { allow, openGate, type Gate, type Passed } from './gate.ts';
export { milepost } from './milepost.ts';
export { servePages, type Pages, type Tracker } from './pages.ts';
export { runAll, type Outcome } from './run.ts';
export { rowsOf } from './rows.ts';
export { scenarios, type Scenario } from './scenarios.ts';
export { Visit, type Ground } from './visit.ts';

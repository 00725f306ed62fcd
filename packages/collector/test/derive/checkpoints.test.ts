/** Whatever the order of arrival, where late touchpoints are derived from checkpoints a few touchpoints apart. */
import { testArrivals } from './arrivals.ts';
import { keepCheckpointsApart } from './fixture.ts';

keepCheckpointsApart(2);
testArrivals();

/** Whatever the order of arrival, with checkpoints as far apart as they are. */
import { testArrivals } from './arrivals.ts';

testArrivals();

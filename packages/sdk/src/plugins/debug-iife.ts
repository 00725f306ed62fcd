import type { Tracker } from '../types.ts';
import { debug } from './debug.ts';

// beside milepost.js or milepost.full.js, in any order: <script src="https://YOUR-COLLECTOR/milepost.debug.js"></script>
(globalThis as { milepost?: Tracker }).milepost?.use(debug());

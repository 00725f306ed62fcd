import type { Plugin } from '../../plugin.ts';
import { survey, type SurveyOptions } from './index.ts';

// The script for pages without modules. It may arrive before the tracker's or after it:
//   <script async src="https://YOUR-COLLECTOR/milepost.survey.js" data-survey='{ "id": "shop" }'></script>
// or, once it is there, milepost.survey({ id: 'shop' }).

type Global = {
  use?: (plugin: Plugin) => void;
  /** The loader's queue. */
  q?: unknown[];
};
const global = globalThis as unknown as { milepost?: Global };

function use(plugin: Plugin) {
  const milepost = (global.milepost ??= { q: [] });
  if (milepost.use) milepost.use(plugin);
  else milepost.q?.push(['use', [plugin], Date.now(), () => {}]);
}
use(() => ({ survey: (options: SurveyOptions) => use(survey(options)) }));

const { survey: given } = (document.currentScript as HTMLScriptElement | null)?.dataset ?? {};
try {
  if (given) use(survey(JSON.parse(given) as SurveyOptions));
} catch {
  console.warn(`milepost: data-survey is no JSON: ${given}`);
}

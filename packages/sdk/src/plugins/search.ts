import type { Plugin } from '../plugin.ts';
import { onceShown, record } from './page.ts';

/** Options of {@link search}. */
export type SearchOptions = {
  /** Query parameters that hold the term; the first that is there counts. Default: q, s, search, query, keyword. */
  parameters?: readonly string[];
};

const usual = 'q s search query keyword'.split(' ');

/** The term that an address was searched for, without surrounding blanks; undefined for none. */
export function termOf(address: string, parameters: readonly string[] = usual): string | undefined {
  const { searchParams } = new URL(address);
  return parameters.map((name) => searchParams.get(name)?.trim().slice(0, 100)).find(Boolean);
}

/**
 * Searches on the site: `view_search_results` once for each view of a page with a term in its address. The number of
 * results is the value of `data-milepost-results` on any element, as it stands a second later.
 */
export function search({ parameters }: SearchOptions = {}): Plugin<void> {
  return (api) => {
    onceShown(api, () => {
      const search_term = termOf(api.viewed()!.url, parameters);
      const { milepostResults } =
        document.querySelector<HTMLElement>('[data-milepost-results]')?.dataset ?? {};
      const results = milepostResults && +milepostResults;
      if (search_term) record(api, 'view_search_results', { search_term, results });
    });
  };
}

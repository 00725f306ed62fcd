import type { Plugin } from '../../plugin.ts';
import { afterwards, isInSample, mayAsk, memoryOf, type Occasion } from './rules.ts';
import { scores, type SurveyKind, type SurveyTexts } from './texts.ts';

export type { SurveyKind, SurveyTexts } from './texts.ts';

/** A survey, and who is asked when. */
export type SurveyOptions = {
  /** Name of the survey in reports, `survey_id`. */
  id: string;
  /** `nps` (default): recommendation, 0 to 10. `csat`: satisfaction, 1 to 5. `ces`: ease, 1 to 7. */
  kind?: SurveyKind;
  /** The round, e.g. `2027-Q1`. Everybody is asked once a wave. Default: one wave for ever. */
  wave?: string;
  /** When to ask; everything that is given has to hold. Default: after 10 seconds on any page. */
  when?: {
    /** This event was recorded since the document was loaded, e.g. `purchase`. */
    event?: string;
    /** So long after the page's view, or after the event, in seconds. */
    seconds?: number;
    /** So much of the page was scrolled, in percent. */
    scroll?: number;
    /** The path matches this regular expression. */
    path?: string;
  };
  /** Share of visitors who are asked, 0 to 1. Default: 1. */
  sample?: number;
  /** So many days without asking after it was closed unanswered, or shown on three pages in vain. Default: 90. */
  restDays?: number;
  /** Whether a comment may be given. Default: true. */
  comment?: boolean;
  /** Texts in place of our own, which are English and German. */
  texts?: Partial<SurveyTexts>;
  /** Language of our texts. Default: the page's `lang`, else the browser's. */
  language?: string;
  /** Default: `auto`, as the visitor's system. */
  scheme?: 'auto' | 'light' | 'dark';
  /** The corner: at the end of a line (default) or at its start, whichever way the page is written. */
  place?: 'start' | 'end';
};

/** What {@link survey} adds to the tracker. */
export type SurveyMethods = {
  /** Asks now, whatever `when` and `sample` say; not who has answered in this wave, or has not agreed to be recorded. */
  askSurvey(id: string): void;
};

const asked: Record<string, () => void> = {};

/**
 * Asks visitors how likely they are to recommend, how satisfied they are, or how easy it was, and records
 * `survey_answered { survey_id, wave, kind, score, scale, comment? }`: one answer of a visitor in a wave. What is seen of
 * it is loaded when somebody is to be asked.
 */
export function survey(options: SurveyOptions): Plugin<SurveyMethods> {
  const { id, kind = 'nps', wave = '', when = { seconds: 10 }, sample = 1, restDays = 90 } = options;
  const key = `milepost.survey.${id}`;

  return ({ tracker, store, consent, visitorId, filter, on, warn }) => {
    const occasion = (): Occasion => ({ visitor: visitorId(), wave, now: Date.now(), restDays });
    const memory = () => memoryOf(store.get(key), visitorId());
    const remember = (what: 'shown' | 'dismissed' | 'answered') =>
      store.set(key, JSON.stringify(afterwards(memory(), what, occasion())));
    const isAnswered = () => memory().answered === wave;

    async function ask() {
      const { isOpen, openSurvey } = await import('./widget.ts');
      if (document.readyState === 'loading') {
        await new Promise((resolve) =>
          document.addEventListener('DOMContentLoaded', resolve, { once: true }),
        );
      }
      // another tab may have asked meanwhile
      if (isOpen() || isAnswered()) return;
      remember('shown');
      openSurvey({
        id,
        kind,
        texts: options.texts,
        language: options.language ?? (document.documentElement.lang || navigator.language),
        scheme: options.scheme ?? 'auto',
        place: options.place ?? 'end',
        hasComment: options.comment ?? true,
        onDone(answer) {
          if (!answer) return remember('dismissed');
          if (isAnswered()) return;
          remember('answered');
          tracker.track('survey_answered', {
            survey_id: id,
            ...(wave && { wave }),
            kind,
            scale: scores[kind][1],
            ...answer,
          });
        },
      });
    }
    const askSafely = () =>
      void ask().catch((error: unknown) => warn(`the survey could not be shown: ${String(error)}`));

    let isEventSeen = !when.event;
    let isLongEnough = false;
    let isFarEnough = false;
    let isAsking = false;
    let timer: ReturnType<typeof setTimeout> | undefined;

    const isHere = () => !when.path || new RegExp(when.path).test(location.pathname);

    function look() {
      if (isAsking || document.visibilityState === 'hidden' || consent() !== 'granted') return;
      if (!isEventSeen || !isLongEnough || !isFarEnough) return;
      if (!mayAsk(memory(), occasion()) || !isInSample(sample, occasion(), id)) return;
      isAsking = true;
      askSafely();
    }
    function waitSeconds() {
      clearTimeout(timer);
      timer = setTimeout(
        () => {
          isLongEnough = true;
          look();
        },
        (when.seconds ?? 0) * 1_000,
      );
    }
    function begin() {
      isAsking = isLongEnough = false;
      isFarEnough = !when.scroll;
      clearTimeout(timer);
      if (isEventSeen && isHere()) waitSeconds();
    }

    on('view', begin);
    on('show', look);
    on('consent', look);
    if (when.event) {
      filter((event) => {
        if (event.name === when.event && !isEventSeen && isHere()) {
          isEventSeen = true;
          waitSeconds();
        }
        return event;
      });
    }
    if (when.scroll) {
      let isDue = false;
      const onScroll = () => {
        // reading the layout is dear: at most four times a second
        if (isFarEnough || isDue) return;
        isDue = true;
        setTimeout(() => {
          isDue = false;
          const { scrollTop, clientHeight, scrollHeight } = document.documentElement;
          isFarEnough = (scrollTop + clientHeight) / scrollHeight >= when.scroll! / 100;
          look();
        }, 250);
      };
      addEventListener('scroll', onScroll, { passive: true });
    }
    begin();

    asked[id] = () => {
      if (consent() === 'granted' && !isAnswered()) askSafely();
    };
    return { askSurvey: (id) => asked[id]?.() };
  };
}

declare global {
  interface Navigator {
    readonly globalPrivacyControl?: boolean;
  }
}

/** An answer to the question of consent. `pending`: kept in memory until it is answered. */
export type ConsentState = 'granted' | 'denied' | 'pending';
/** One answer for everything, or one for each purpose. Without `analytics: 'granted'` nothing is stored or sent. */
export type Consent = ConsentState | { analytics: ConsentState; marketing?: ConsentState };

/** What an answer means for recording. No answer at all means yes. */
export function analyticsOf(answer: Consent | null | undefined): ConsentState {
  return (typeof answer === 'object' ? answer?.analytics : answer) ?? 'granted';
}

/** Whether the browser says by Global Privacy Control or Do Not Track that it does not want to be recorded. */
export function isRecordingRefused(browser: Navigator | undefined): boolean {
  return !!browser?.globalPrivacyControl || browser?.doNotTrack === '1';
}

import { posthog } from 'posthog-js/dist/module.slim.no-external.js';

export function start(url) {
  posthog.init('bench', {
    api_host: url,
    capture_pageview: true,
    autocapture: false,
    advanced_disable_flags: true,
    disable_session_recording: true,
    disable_surveys: true,
    disable_external_dependency_loading: true,
    opt_out_useragent_filter: true,
  });
}
export const track = (mark, filler) => void posthog.capture('bench', { mark, filler });
export const identify = (id) => posthog.identify(id);

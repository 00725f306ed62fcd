import * as amplitude from '@amplitude/analytics-browser';

export function start(url) {
  amplitude.init('bench', {
    serverUrl: `${url}/2/httpapi`,
    autocapture: {
      pageViews: true,
      sessions: false,
      attribution: false,
      fileDownloads: false,
      formInteractions: false,
    },
    fetchRemoteConfig: false,
  });
}
export const track = (mark, filler) => void amplitude.track('bench', { mark, filler });
export const identify = (id) => {
  amplitude.setUserId(id);
  amplitude.identify(new amplitude.Identify().set('plan', 'bench'));
};

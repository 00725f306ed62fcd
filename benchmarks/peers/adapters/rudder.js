import { RudderAnalytics } from '@rudderstack/analytics-js/bundled';

const tracker = new RudderAnalytics();
// settings inline: nothing is fetched from elsewhere
export function start(url) {
  const source = {
    id: 'bench',
    name: 'bench',
    writeKey: 'bench',
    enabled: true,
    workspaceId: 'bench',
    updatedAt: '2026-01-01T00:00:00.000Z',
    config: { statsCollection: { errors: { enabled: false }, metrics: { enabled: false } } },
    dataplanes: {},
    connections: [],
    destinations: [],
  };
  tracker.load('bench', url, { getSourceConfig: () => ({ source }), plugins: ['XhrQueue'] });
  tracker.page();
}
export const track = (mark, filler) => tracker.track('bench', { mark, filler });
export const identify = (id) => tracker.identify(id);

import { OpenPanel } from '@openpanel/web';

let tracker;
export function start(url) {
  tracker = new OpenPanel({ clientId: 'bench', apiUrl: url, trackScreenViews: true });
}
export const track = (mark, filler) => void tracker.track('bench', { mark, filler });
export const identify = (id) => void tracker.identify({ profileId: id });

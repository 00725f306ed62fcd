import type { LiveTouchpoint } from './touchpoints.ts';

// The page's words for names that people did not choose: what a touchpoint did, how long ago, how much.

const deeds: Readonly<Record<string, string>> = {
  page_view: 'Looked at a page',
  view_item_list: 'Looked through a list',
  select_item: 'Picked an item',
  view_item: 'Looked at an item',
  add_to_wishlist: 'Wished for an item',
  add_to_cart: 'Put in the cart',
  remove_from_cart: 'Took out of the cart',
  cart_updated: 'Changed the cart',
  view_cart: 'Looked at the cart',
  begin_checkout: 'Began the checkout',
  add_shipping_info: 'Chose the delivery',
  add_payment_info: 'Chose the payment',
  purchase: 'Bought',
  refund: 'Was refunded',
  search: 'Searched',
  login: 'Signed in',
  sign_up: 'Made an account',
  share: 'Shared',
  review_submitted: 'Wrote a review',
  review_read: 'Read reviews',
  survey_answered: 'Answered a survey',
  user_engagement: 'Stayed on the page',
  identify: 'Said who they are',
  order_cancelled: 'Had the order cancelled',
  order_shipped: 'Was sent the order',
  order_delivered: 'Got the order',
  email_sent: 'Was sent an e-mail',
  email_delivered: 'Got an e-mail',
  email_bounced: 'Could not be reached by e-mail',
  push_sent: 'Was sent a message',
  email_opened: 'Opened an e-mail',
  email_clicked: 'Clicked in an e-mail',
  support_ticket_opened: 'Asked for help',
  support_call: 'Called',
  store_visit: 'Came to the shop',
  compare: 'Compared',
  video_viewed: 'Watched a video',
  case_study_viewed: 'Read a case study',
  generate_lead: 'Left an address',
  pricing_viewed: 'Looked at the prices',
  demo_requested: 'Asked for a demo',
  quote_requested: 'Asked for an offer',
  trial_started: 'Began a trial',
  subscription_started: 'Subscribed',
  subscription_renewed: 'Renewed the subscription',
  loyalty_joined: 'Joined the loyalty programme',
  onboarding_step_completed: 'Learned a step',
  referral_sent: 'Recommended us',
};

/** What somebody did, as a sentence would say it; an own name is shown as it was given. */
export function deedOf({ name, type }: Pick<LiveTouchpoint, 'name' | 'type'>): string {
  return deeds[name] ?? deeds[type] ?? name;
}

/** What the touchpoint was about: the most telling of what it carried. */
export function subjectOf(touchpoint: LiveTouchpoint): string {
  const { item, item_count: count, term, rating, score, path } = touchpoint;
  if (term) return `“${term}”`;
  if (rating) return `${rating} stars`;
  if (score) return `score ${score}`;
  if (item) return count && count > 1 ? `${item} and ${count - 1} more` : item;
  return path ?? '';
}

/** An amount in its currency; empty where there is none. */
export function moneyText(value: string | number | null, currency: string | null): string {
  const amount = Number(value);
  if (value === null || !Number.isFinite(amount)) return '';
  if (!currency || !/^[A-Za-z]{3}$/.test(currency)) return countText(amount);
  return new Intl.NumberFormat('en-IE', { style: 'currency', currency }).format(amount);
}

const counts = new Intl.NumberFormat('en-IE', { maximumFractionDigits: 2 });

/** A number with its thousands apart. */
export const countText = (count: number) => counts.format(count);

/** A span of time in one unit, as people say it. */
export function spanText(seconds: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
  ] as const;
  for (const [unit, length] of units) {
    if (seconds >= length) return `${Math.round(seconds / length)} ${unit}`;
  }
  return seconds < 10 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds)} s`;
}

/** `decision` as `Decision`, `post_purchase` as `Post purchase`. */
export function titleOf(name: string): string {
  const words = name.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

import { consentSchema, isWorthlessId, maxValueLength, touchpointSchema } from '@milepost/shared';
import { z } from 'zod';
import { identityOf } from '../../write/identity.ts';
import { type Link, maxTokenLength, tokenOf } from './token.ts';
import { taggedTarget } from './touchpoint.ts';

/** Most links of one request. */
export const maxLinks = 1_000;

const dayMs = 86_400_000;
const usualDays = 400;
const maxTargetLength = 2_000;

const value = z.union([z.string().min(1).max(maxValueLength), z.int()]);
const text = z.union([z.string().min(1).max(200), z.number()]);

const address = z
  .string()
  .max(maxTargetLength)
  .refine((address) => URL.canParse(address) && /^https?:$/.test(new URL(address).protocol), {
    message: 'must be a whole address that begins with https:// or http://',
  })
  .refine((address) => !URL.canParse(address) || new URL(address).username === '', {
    message: 'must not hold a user name or password',
  });

/** A link as it is asked for. */
export const linkSchema = z
  .strictObject({
    target: address.optional().describe('Where a click leads. Left out, there is only a pixel.'),
    page: address
      .optional()
      .describe('A page without scripts that the pixel stands on: it counts as a view of that page.'),
    user_id: value.optional().describe('Whom the message goes to.'),
    anonymous_id: value.optional().describe('The browser of whom it goes to.'),
    identities: touchpointSchema.shape.identities
      .unwrap()
      .unwrap()
      .optional()
      .describe('Other identities of the person by type. E-mail addresses become hashes, also in the token.'),
    campaign: z
      .strictObject({ source: text, medium: text, name: text, term: text, content: text, id: text })
      .partial()
      .optional()
      .describe(
        'Kept with opens and clicks, and written into the target as UTM parameters, unless it has its own.',
      ),
    consent: consentSchema.optional().describe('What the person agreed to, where the site requires consent.'),
    properties: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
      .optional()
      .describe('Kept with opens and clicks, e.g. the id of the message.'),
    expires_at: z.iso.datetime({ offset: true }).optional().describe(`Default: in ${usualDays} days.`),
  })
  .refine(
    ({ user_id, anonymous_id, identities }) =>
      [user_id, anonymous_id].some((id) => id !== undefined && !isWorthlessId(String(id))) ||
      Object.values(identities ?? {})
        .flat()
        .some((id) => !isWorthlessId(String(id))),
    { message: 'names nobody: give user_id, anonymous_id or identities' },
  );

/** What a link asks for. */
export type LinkWish = z.output<typeof linkSchema>;

/** One link, or a list of them. */
export const linksSchema = z.union([
  linkSchema,
  z.strictObject({ links: z.array(linkSchema).min(1).max(maxLinks) }),
]);

/** A link that was made. */
export const madeLinkSchema = z.object({
  token: z.string().describe('What `t` is in both addresses.'),
  pixel_url: z.string().describe('The address of an image that counts as an open, or as a view of `page`.'),
  click_url: z.string().nullable().describe('The address that counts as a click and leads to the target.'),
  target: z.string().nullable().describe('Where a click leads, with the campaign in it.'),
  expires_at: z.iso
    .datetime()
    .describe('From then on opens and clicks do not count, and a click leads nowhere.'),
});

/** {@link madeLinkSchema} as a type. */
export type MadeLink = z.infer<typeof madeLinkSchema>;

export class UnmakeableLink extends Error {}

/** Makes a link. `origin` is where the collector is reached. */
export function madeLink(
  wish: LinkWish,
  { siteId, secret, now, origin }: { siteId: number; secret: Uint8Array; now: number; origin: string },
): MadeLink {
  const expiresAt = wish.expires_at === undefined ? now + usualDays * dayMs : Date.parse(wish.expires_at);
  if (expiresAt <= now) throw new UnmakeableLink('expires_at: has passed');
  const { anonymousId, userId, identities } = identityOf({ ...wish, id: 'link', occurred_at: now });
  const campaign = wish.campaign ?? null;
  const link: Link = {
    siteId,
    expiresAt,
    target: wish.target === undefined ? null : taggedTarget(wish.target, campaign),
    page: wish.page === undefined ? null : new URL(wish.page).href,
    anonymousId,
    userId,
    identities,
    campaign,
    consent: wish.consent ?? null,
    properties: wish.properties ?? null,
  };
  const token = tokenOf(link, secret);
  if (token.length > maxTokenLength) {
    throw new UnmakeableLink(
      `too long: its token has ${token.length} characters, the limit is ${maxTokenLength}`,
    );
  }
  return {
    token,
    pixel_url: `${origin}/v1/pixel.gif?t=${token}`,
    click_url: link.target === null ? null : `${origin}/v1/click?t=${token}`,
    target: link.target,
    expires_at: new Date(expiresAt).toISOString(),
  };
}

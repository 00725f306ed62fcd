import { z } from 'zod';
import {
  linkSchema,
  linksSchema,
  type LinkWish,
  madeLink,
  madeLinkSchema,
  type MadeLink,
  maxLinks,
  UnmakeableLink,
} from '../../ingest/links/make.ts';
import { Problem, problemForNow } from '../../problems.ts';
import type { ApiInstance } from '../route.ts';
import { described, jsonAnswer, queryOf } from '../route.ts';

/** Signed links for e-mails: `POST /v1/links`. */
export async function linkRoutes(app: ApiInstance): Promise<void> {
  app.route({
    method: 'POST',
    url: '/v1/links',
    bodyLimit: 4 * 1024 * 1024,
    config: { scope: 'write:links' },
    attachValidation: true,
    schema: {
      ...described({
        operationId: 'makeLinks',
        tag: 'Links',
        summary: 'Make links that count',
        description: `A token signed for one person, to be put into a message: \`/v1/pixel.gif?t=\` counts an open, \`/v1/click?t=\` counts a click and leads to the target. Nothing is stored. Send one link, or up to ${maxLinks} as \`links\`, which are answered as \`links\`; all are made or none.`,
        scope: 'write:links',
        problems: ['invalid-links', 'malformed-json', 'body-too-large'],
      }),
      querystring: queryOf({}),
      body: linksSchema,
      response: {
        200: jsonAnswer(
          z.union([madeLinkSchema, z.object({ links: z.array(madeLinkSchema) })]),
          'The link, or the links in order.',
        ),
      },
    },
    handler: async (request) => {
      const body: unknown = request.body;
      if (request.validationError) throw refusalOf(body);
      const { siteId } = request.access;
      const site = app.keys.siteOf(siteId);
      if (site === undefined) {
        throw problemForNow('keys-unavailable', 'The site is not known here yet: try again.', 1);
      }
      const about = {
        siteId,
        secret: site.linkSecret,
        now: Date.now(),
        origin: `${request.protocol}://${request.host}`,
      };
      const { body: asked } = request;
      return 'links' in asked
        ? { links: asked.links.map((link, index) => made(link, about, index)) }
        : made(asked, about);
    },
  });
}

function made(link: LinkWish, about: Parameters<typeof madeLink>[1], index?: number): MadeLink {
  try {
    return madeLink(link, about);
  } catch (error) {
    if (!(error instanceof UnmakeableLink)) throw error;
    throw refusal([`${index === undefined ? '' : `link number ${index + 1}, `}${error.message}`]);
  }
}

/** Says where a body is wrong, without the words it has there. */
function refusalOf(body: unknown): Problem {
  const isList = typeof body === 'object' && body !== null && 'links' in body;
  const shape = isList ? z.strictObject({ links: z.array(linkSchema).min(1).max(maxLinks) }) : linkSchema;
  const places = (shape.safeParse(body).error?.issues ?? []).map(({ path, code, message }) => {
    const [list, index, ...rest] = isList ? path : [undefined, undefined, ...path];
    const where = [
      ...(typeof index === 'number'
        ? [`link number ${index + 1}`]
        : list === undefined
          ? []
          : [String(list)]),
      ...rest.map(String),
    ].join(', ');
    // a message of the library's own may quote the body
    const what = code === 'unrecognized_keys' ? 'has a field that links do not have' : message;
    return where === '' ? what : `${where}: ${what}`;
  });
  return refusal(places);
}

function refusal(places: readonly string[]): Problem {
  return new Problem('invalid-links', `Nothing was made. ${places.slice(0, 10).join('; ')}.`);
}

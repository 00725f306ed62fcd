import type { OpenAPIV3_1 } from 'openapi-types';
import { problemResponses } from './problem-schema.ts';

const token: OpenAPIV3_1.ParameterObject = {
  name: 't',
  in: 'query',
  required: true,
  description: 'The token that `POST /v1/links` made. Nothing else in the address is looked at.',
  schema: { type: 'string' },
};

/** `GET /v1/pixel.gif` and `GET /v1/click` for OpenAPI. */
export const linkPaths: OpenAPIV3_1.PathsObject = {
  '/v1/pixel.gif': {
    get: {
      operationId: 'openPixel',
      tags: ['Links'],
      summary: 'Count an open',
      description:
        'An image for messages: the person of the token opened it (`email_opened`, which never moves a stage). On a page without scripts, with a token made for it, a view of that page. Answers the image whatever the token is; a void one counts as a reject (`bad_token`, `expired_token`). HEAD counts as nothing.',
      security: [],
      parameters: [token],
      responses: {
        200: {
          description: 'A transparent image of one point.',
          content: { 'image/gif': { schema: { type: 'string', format: 'binary' } } },
        },
      },
    },
  },
  '/v1/click': {
    get: {
      operationId: 'followLink',
      tags: ['Links'],
      summary: 'Count a click',
      description:
        'Leads to the target that the token was signed for, and nowhere else; the person of the token clicked (`email_clicked`). HEAD counts as nothing. A void token answers a page to browsers, and a problem to others.',
      security: [],
      parameters: [token],
      responses: {
        302: { description: 'The target.' },
        ...problemResponses(['invalid-link', 'expired-link', 'keys-unavailable']),
      },
    },
  },
};

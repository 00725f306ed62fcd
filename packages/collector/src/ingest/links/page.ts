import { html } from '../../home/html.ts';
import type { Problem } from '../../problems.ts';

/** What somebody sees who clicked a link that leads nowhere. */
export function problemPage(problem: Problem): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>${problem.toJSON().title}</title>
        <style>
          :root {
            color-scheme: light dark;
            font:
              1.1rem/1.5 system-ui,
              sans-serif;
          }
          body {
            max-width: 32rem;
            margin: 20vh auto 0;
            padding: 0 1.5rem;
          }
        </style>
      </head>
      <body>
        <h1>${problem.toJSON().title}</h1>
        <p>${problem.detail}</p>
      </body>
    </html> `.text;
}

/** Lets the page have its style and nothing else. */
export const pagePolicy =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

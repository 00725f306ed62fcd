import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { allow } from '../../../packages/sdk/test/torture/index.ts';

/** Where the peers' events go: it takes everything, in words that each of them understands as success. */
export async function openSink(): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      if (request.method === 'OPTIONS') {
        response.writeHead(204, { ...allow(request), 'access-control-max-age': '600' }).end();
        return;
      }
      response.writeHead(200, { ...allow(request), 'content-type': 'application/json' });
      response.end('{"ok":true,"success":true,"status":1,"code":200,"error":0}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

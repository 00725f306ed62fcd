/** Reads server-sent events as a client does. */

/** One event, or a comment. */
export type ServerEvent = { id?: string; event?: string; data?: string; comment?: string };

/** A stream of server-sent events, read from the network. */
export class EventReader {
  readonly status: number;
  readonly headers: Headers;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #stop: AbortController;
  #text = '';

  private constructor(response: Response, stop: AbortController) {
    this.status = response.status;
    this.headers = response.headers;
    this.#reader = response.body!.getReader();
    this.#stop = stop;
  }

  static async open(url: string, headers: Record<string, string>): Promise<EventReader> {
    const stop = new AbortController();
    return new EventReader(await fetch(url, { headers, signal: stop.signal }), stop);
  }

  /** The next block; undefined at the end of the stream. */
  async next(): Promise<ServerEvent | undefined> {
    const decoder = new TextDecoder();
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const block = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return eventOf(block);
      }
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#text += decoder.decode(value, { stream: true });
    }
  }

  /** The next event that carries data. */
  async nextChange<Change>(): Promise<{ id: string; event: string; change: Change } | undefined> {
    for (let event = await this.next(); event; event = await this.next()) {
      if (event.data === undefined) continue;
      return { id: event.id!, event: event.event!, change: JSON.parse(event.data) as Change };
    }
    return undefined;
  }

  close(): void {
    this.#stop.abort();
  }
}

function eventOf(block: string): ServerEvent {
  const fields = block.split('\n').map((line) => {
    const [, name = '', value = ''] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
    return [name === '' ? 'comment' : name, value];
  });
  return Object.fromEntries(fields) as ServerEvent;
}

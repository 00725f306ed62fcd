/** Properties by name. */
export type Free = Record<string, unknown>;

/** What one entry of a data layer says. */
export type Said = {
  /** The event to record. */
  event?: { name: string; properties: Free };
  /** Who the visitor is. */
  userId?: string | undefined;
  /** Consent Mode: whether this is the default or an answer, and its purposes. */
  consent?: { isDefault: boolean; purposes: Free };
};

// what is meant for Google and tag managers alone, and `user_data`, which holds what persons have typed
const notOurs = /^(event(_?callback|_?timeout|model)?|_clear|ecommerce|send_to|user_data|user_?id|gtm\..*)$/i;

/** Events that may take an `ecommerce` that was pushed before them. */
const isEcommerce = /^(view_|select_|add_|remove_|begin_|purchase|refund)/;

/**
 * Reads the entries of a data layer one after the other: calls of `gtag` (`Arguments` objects) and objects pushed for a
 * tag manager. Later entries may depend on earlier ones: a currency that was set holds for what follows, and `ecommerce`
 * may come in an entry before the event it belongs to, until it is cleared by `ecommerce: null`.
 */
export function createReader(): (entry: unknown) => Said {
  let currency: unknown;
  let waiting: Free | null | undefined;

  function readCall([command, target, third]: [string, string | Free, Free?]): Said {
    let given = third ?? {};
    if (command === 'event') {
      const properties = { ...(given['value'] != null && { currency }), ...own(given) };
      return { event: { name: target as string, properties }, userId: userIdOf(given) };
    }
    if (command === 'consent') return { consent: { isDefault: target === 'default', purposes: given } };
    if (command === 'set') given = typeof target === 'string' ? { [target]: given } : target;
    else if (command !== 'config') return {};
    currency = given['currency'] ?? currency;
    return { userId: userIdOf(given) };
  }

  function readObject(entry: Free): Said {
    const name = (entry['event'] ?? '') as string;
    const said = { userId: userIdOf(entry) };
    if (name.startsWith('gtm.')) return said;
    let ecommerce = entry['ecommerce'] as Free | null | undefined;
    if (!name) {
      if (ecommerce !== undefined) waiting = ecommerce;
      return said;
    }
    if (ecommerce === undefined && isEcommerce.test(name)) ecommerce = waiting;
    waiting = undefined;
    return { ...said, event: { name, properties: { ...own(entry), ...ecommerce } } };
  }

  return (entry) =>
    typeof (entry as unknown[] | null)?.[0] === 'string'
      ? readCall(Array.from(entry as never) as never)
      : readObject((entry ?? {}) as Free);
}

function userIdOf({ user_id, userId = user_id }: Free): string | undefined {
  return userId ? `${userId as string | number}` : undefined;
}

function own(properties: Free): Free {
  return Object.fromEntries(Object.entries(properties).filter(([key]) => !notOurs.test(key)));
}

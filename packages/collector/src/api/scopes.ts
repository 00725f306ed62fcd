/** What a secret key may do. A closed list: a key holds some of these words in `store.keys.scopes`. */
export const scopes = {
  'write:events': 'Send touchpoints that are trusted.',
  'write:import': 'Import past and offline touchpoints, which are trusted.',
  'read:rejected': 'Read events that were not stored, with all they say.',
  'write:rejected': 'Repair events that were not stored, and replay them.',
  'write:rates': 'Import exchange rates.',
  'write:links': 'Make links whose opens and clicks are counted.',
  'read:stages': 'Read the stages with their counts, rates and times.',
  'read:persons': 'Read persons: their stage, traits, identities, transitions and accounts.',
  'write:persons': 'Merge and un-merge persons.',
  'read:carts': 'Read carts and their lines.',
  'read:orders': 'Read orders.',
  'read:changes': 'Follow the change feed, which tells of stages, carts, orders and persons.',
  'read:debug': 'Watch what arrives, with its properties and what became of it.',
  'read:webhooks': 'Read the webhooks, and what they were sent.',
  'write:webhooks': 'Make and change webhooks, which are sent what the change feed tells.',
  'read:settings': 'Read what a site is set to: its settings and goals.',
  'write:settings': 'Change what a site is set to: its settings and goals.',
  'read:contacts':
    'See plain e-mail addresses and phone numbers where the routes above would leave them out.',
} as const;

/** One word of a key's scopes. */
export type Scope = keyof typeof scopes;

/** Every scope there is. */
export const allScopes = Object.keys(scopes) as Scope[];

/** What a new secret key may do unless told otherwise: everything but see contacts. */
export const defaultScopes: Scope[] = allScopes.filter((scope) => scope !== 'read:contacts');

import type pg from 'pg';

/** Which persons a partial `verify` is about. */
export type Choice =
  | { personIds: string[] }
  /** So many persons of each site, beginning at `from` (a UUID; person ids are spread evenly). */
  | { sample: number; from: string };

/**
 * Puts the chosen persons into the temporary table `chosen_persons`, and everybody whose rows cannot be told without
 * theirs: who shared an identity, told the same order, or held the same cart.
 */
export async function choosePersons(client: pg.Client, choice: Choice): Promise<void> {
  await client.query(
    `create temporary table chosen_persons (
      site_id integer not null, person_id uuid not null, is_followed boolean not null default false,
      primary key (site_id, person_id)
    )`,
  );
  await choose(client, choice);
  await followChosen(client);
}

/** Adds their circle, ring by ring. */
export async function followChosen(client: pg.Client): Promise<void> {
  for (;;) {
    await client.query('analyze chosen_persons');
    const { rows } = await client.query<{ count: string }>(ringOfChosen);
    if (Number(rows[0]?.count) === 0) break;
  }
}

async function choose(client: pg.Client, choice: Choice): Promise<void> {
  if ('personIds' in choice) {
    // A former id leads to who the person is now.
    await client.query(
      `insert into chosen_persons
      select known.site_id, known.person_id
      from store.sites
      cross join unnest($1::uuid[]) as asked (person_id)
      cross join lateral (
        select identities.site_id, identities.person_id
        from store.identities
        where identities.site_id = sites.site_id
          and (identities.person_id = asked.person_id or identities.former_person_id = asked.person_id)
        union
        select persons.site_id, persons.person_id
        from store.persons
        where persons.site_id = sites.site_id and persons.person_id = asked.person_id
      ) as known
      on conflict do nothing`,
      [choice.personIds],
    );
    return;
  }
  await client.query(
    `insert into chosen_persons
    select known.site_id, known.person_id
    from store.sites
    cross join lateral (
      (
        select persons.site_id, persons.person_id
        from store.persons
        where persons.site_id = sites.site_id and persons.person_id >= $2
        order by persons.person_id
        limit $1
      )
      union all
      (
        select persons.site_id, persons.person_id
        from store.persons
        where persons.site_id = sites.site_id and persons.person_id < $2
        order by persons.person_id
        limit $1
      )
      limit $1
    ) as known`,
    [choice.sample, choice.from],
  );
}

/** The identities of those chosen, as stored. */
export const identitiesOfChosen = `
  select distinct identities.site_id, identities.identity_id
  from chosen_persons
  join store.identities
    on identities.site_id = chosen_persons.site_id and identities.person_id = chosen_persons.person_id`;

/**
 * Adds to the choice whoever the filled twins show to belong to it: who now has one of its identities, or has to do with
 * an order that one of it told of. Resolves to how many there were.
 */
export async function widenChoice(client: pg.Client): Promise<number> {
  const { rowCount } = await client.query(`
    insert into chosen_persons (site_id, person_id)
    select persons.site_id, persons.person_id
    from (
      select identities.site_id, identities.person_id from pg_temp.identities
      union
      select orders.site_id, orders.person_id
      from pg_temp.order_touchpoints as told
      join store.orders on orders.site_id = told.site_id and orders.order_id = told.order_id
      union
      select others.site_id, others.person_id
      from pg_temp.order_touchpoints as told
      join store.order_touchpoints as others on others.site_id = told.site_id and others.order_id = told.order_id
      union
      select holders.site_id, holders.person_id
      from pg_temp.cart_holders as held
      join store.cart_holders as holders on holders.site_id = held.site_id and holders.cart_id = held.cart_id
      union
      select orders.site_id, orders.person_id
      from pg_temp.cart_holders as held
      join store.orders on orders.site_id = held.site_id and orders.cart_id = held.cart_id
    ) as persons
    on conflict do nothing`);
  return rowCount ?? 0;
}

const ringOfChosen = `
  with newest as (
    update chosen_persons set is_followed = true where not is_followed
    returning site_id, person_id
  ),

  ring as (
    select others.site_id, others.person_id
    from newest
    join store.identities as own on own.site_id = newest.site_id and own.person_id = newest.person_id
    join store.identities as others on others.site_id = own.site_id and others.identity_id = own.identity_id
    union
    select told.site_id, told.person_id
    from newest
    join store.orders on orders.site_id = newest.site_id and orders.person_id = newest.person_id
    join store.order_touchpoints as told on told.site_id = orders.site_id and told.order_id = orders.order_id
    union
    select holders.site_id, holders.person_id
    from newest
    join store.cart_holders as held on held.site_id = newest.site_id and held.person_id = newest.person_id
    join store.cart_holders as holders on holders.site_id = held.site_id and holders.cart_id = held.cart_id
    union
    select orders.site_id, orders.person_id
    from newest
    join store.cart_holders as held on held.site_id = newest.site_id and held.person_id = newest.person_id
    join store.orders on orders.site_id = held.site_id and orders.cart_id = held.cart_id
    union
    select holders.site_id, holders.person_id
    from newest
    join store.orders on orders.site_id = newest.site_id and orders.person_id = newest.person_id
    join store.cart_holders as holders on holders.site_id = orders.site_id and holders.cart_id = orders.cart_id
  ),

  added as (
    insert into chosen_persons (site_id, person_id)
    select ring.site_id, ring.person_id from ring
    on conflict do nothing
    returning site_id
  )

  select count(*) from added`;
